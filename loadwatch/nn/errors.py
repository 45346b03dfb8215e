"""What this library refuses, and in which words.

Every refusal is a `ValueError` too, so that a caller who knows nothing of this library can catch it.
"""

from __future__ import annotations


class NetworkError(ValueError):
    """Base of everything raised on purpose in `loadwatch.nn`."""


class InputError(NetworkError):
    """An array or a setting cannot be used; the message names it, what was seen and what was expected."""


class DivergenceError(NetworkError):
    """The loss left all bounds; the network holds the last good weights again."""

    def __init__(self, epoch: int, loss: float, rate: float) -> None:
        super().__init__(
            f"training diverged in epoch {epoch + 1}: loss {loss:.6g} at learning rate {rate:.3g}; "
            "the weights of the last good epoch are restored; "
            "try a smaller learning rate, or clip the gradient"
        )
        self.epoch = epoch
        self.loss = loss


class FileError(NetworkError):
    """Bytes that are no stored network of ours: foreign, damaged, truncated or of a newer version."""
