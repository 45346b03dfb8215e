"""From history to a model: what is learned, on what, and whether it may be published."""
