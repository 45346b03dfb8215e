"""What was high load: the rule, the operator's word, the future of each row, and what is left out."""
