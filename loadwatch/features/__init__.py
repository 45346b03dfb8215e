"""What the networks see: numbers made from samples, the same in a stream and in bulk."""
