"""What was learned, with everything needed to use it."""
