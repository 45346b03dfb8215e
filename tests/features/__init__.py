"""Proofs of features."""
