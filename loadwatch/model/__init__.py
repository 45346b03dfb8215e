"""What was learnt, with everything needed to use it."""
