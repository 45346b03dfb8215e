"""What labels and maintenance windows share on the command line: the number of one, and the words to it."""

from typing import Any, Final

import click

MOST_CHARACTERS: Final = 500


class _Words(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A few words; they are shown beside what they explain, on the page and in alerts."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The words as they were typed."""
        text = str(value)
        if len(text) > MOST_CHARACTERS:
            self.fail(f"{len(text):,} characters are more than {MOST_CHARACTERS}; say it shorter", param, ctx)
        return text


IDENTITY: Final = click.IntRange(1, 2**63 - 1)
"""The number of a label, a window or an alert, as the history counts them."""

why_option: Final = click.option(
    "--why", type=_Words(), default="", help="A word to those who read it later."
)
