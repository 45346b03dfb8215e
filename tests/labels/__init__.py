"""Proofs of labels."""
