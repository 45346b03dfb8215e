"""The list of tuned constants that the suite is tried on."""

import pytest
from mutants import MUTANTS, ROOT, mutated


@pytest.mark.parametrize(("name", "pattern", "change"), MUTANTS)
def test_each_mutant_changes_what_stands_in_the_code(name: str, pattern: str, change: str) -> None:
    """A constant that moves to another file stays among those that are tried."""
    text = (ROOT / "loadwatch" / name).read_text(encoding="utf-8")

    compile(mutated(text, pattern, change), name, "exec")
