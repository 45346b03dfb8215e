"""Text of others shown to people: nothing in it moves a cursor, forges a line or fills a screen."""

from typing import Any, Final

SHOWN: Final = 120
"""Characters of a foreign value in an error message; what is longer is cut."""


def printable(text: str) -> str:
    r"""The text with each character that is not printable written as its escape sequence.

    So are line breaks, the controls of a terminal, characters that turn the direction of writing, and bytes
    that were no UTF-8 (lone surrogates).

    >>> print(printable("deploy\n\x1b[2Jall is well"))
    deploy\n\x1b[2Jall is well
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text
    )


def quoted(value: Any, limit: int = SHOWN) -> str:
    """A foreign value for an error message, in at most ``limit`` characters, whatever its size or nesting.

    >>> quoted("5s"), quoted([1, 2]), quoted("x" * 10, limit=8)
    ("'5s'", '[1, 2]', "'xxxxxx…")
    """
    if isinstance(value, str):
        value = value[: limit + 1]  # no more of a megabyte is worth escaping
    try:
        words = repr(value)
    except (ValueError, RecursionError):
        # Python writes no integer of thousands of digits, and no list in a thousand others.
        words = f"a value of type {type(value).__name__} that is too large to show"
    return words if len(words) <= limit else f"{words[: limit - 1]}…"
