"""From history to a model: what is learnt, on what, and whether it may be published."""
