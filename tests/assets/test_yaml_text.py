"""The YAML we write says what we mean, to every reader of YAML."""

import yaml
from generate.text import to_yaml
from hypothesis import given
from hypothesis import strategies as st

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@given(_DOCUMENTS)
def test_what_is_written_reads_back_the_same(document: object) -> None:
    """Any text, number, list or mapping survives the way through a file."""
    actual = yaml.safe_load(to_yaml(document))  # type: ignore[arg-type]
    assert actual == document


def test_words_that_yaml_takes_for_something_else_are_quoted() -> None:
    """A version, a time and a yes stay text for readers of YAML 1.1 too."""
    words = ["yes", "off", "1.10", "12:30", "null", "~", "0x10", "- item", "key: value", "a #b", ""]
    assert yaml.safe_load(to_yaml(words)) == words


def test_long_queries_stand_on_lines_of_their_own() -> None:
    """A rule reads as its author wrote it."""
    assert to_yaml({"expr": "up == 0\nunless quiet"}, heading="why") == (
        "# why\nexpr: |-\n  up == 0\n  unless quiet\n"
    )
