"""Proofs of the network library."""
