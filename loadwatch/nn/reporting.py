"""Progress for people: through logging, and heard even where a program has set up none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from loadwatch.nn.training import Epoch

logger = logging.getLogger("loadwatch.nn")

REPORTS_A_TRAINING = 10


def reporter(epochs: int) -> Callable[[Epoch], None]:
    """A `progress` callback that logs the first epoch, the last, and about ten between."""
    every = max(1, epochs // REPORTS_A_TRAINING)

    def report(epoch: Epoch) -> None:
        if epoch.number in {1, epochs} or epoch.number % every == 0:
            held_out = (
                "" if epoch.validation_loss is None else f" validation_loss={epoch.validation_loss:.6f}"
            )
            logger.info(
                "epoch=%d of=%d loss=%.6f%s learning_rate=%.4g",
                epoch.number,
                epochs,
                epoch.loss,
                held_out,
                epoch.learning_rate,
            )

    return report


@contextmanager
def audible() -> Iterator[None]:
    """Let INFO be heard on the error stream, unless the program has set up logging: then that decides."""
    if logger.hasHandlers():
        yield
        return
    handler, level = logging.StreamHandler(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
