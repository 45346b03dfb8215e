"""Deterministic YAML: the small part of the language that our files use, always written the same way."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

Scalar = str | int | float | bool | None
Node = Scalar | Mapping[str, "Node"] | Sequence["Node"]

# Text that every YAML reader, old (1.1) or new (1.2), takes for a string without quotes, unless one of the
# marks of a mapping or a comment is inside.
_PLAIN: Final = re.compile(r"[A-Za-z_](?:[ -~]*[!-9;-~])?|\d+(?:ms|[smhdw])")
_MARKS: Final = (": ", " #")
_NOT_PLAIN: Final = {"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"}


def to_yaml(node: Node, *, heading: str = "") -> str:
    """Write ``node`` as a YAML document below ``heading``, whose lines become comments."""
    comments = "".join(f"# {line}".rstrip() + "\n" for line in heading.splitlines())
    return comments + "\n".join(_lines(node, 0)) + "\n"


def _lines(node: Node, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _entry(f"{indent}{_scalar(key)}:", value, depth)
    elif isinstance(node, Sequence) and not isinstance(node, str) and node:
        for value in node:
            if _is_branch(value):
                first, *rest = _lines(value, depth + 1)
                yield f"{indent}- {first.lstrip()}"
                yield from rest
            else:
                yield from _entry(f"{indent}-", value, depth)
    else:
        yield f"{indent}{_leaf(node)}"


def _entry(opening: str, value: Node, depth: int) -> Iterator[str]:
    if _is_branch(value):
        yield opening
        yield from _lines(value, depth + 1)
    elif isinstance(value, str) and _fits_block(value):
        yield f"{opening} |-"
        yield from (f"{'  ' * (depth + 1)}{line}" for line in value.split("\n"))
    else:
        yield f"{opening} {_leaf(value)}"


def _is_branch(node: Node) -> bool:
    return isinstance(node, Mapping | Sequence) and not isinstance(node, str) and len(node) > 0


def _fits_block(text: str) -> bool:
    """Whether a block scalar gives ``text`` back unchanged."""
    lines = text.split("\n")
    return (
        len(lines) > 1
        and all(line and line == line.strip() and line.isprintable() for line in (lines[0], lines[-1]))
        and all(line == line.rstrip() and line.isprintable() for line in lines)
    )


def _leaf(node: Node) -> str:
    if isinstance(node, str) or not isinstance(node, Mapping | Sequence):
        return _scalar(node)
    return "{}" if isinstance(node, Mapping) else "[]"


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        # YAML 1.1 takes 1e-07 for text; 1.0e-07 is a number to all.
        return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
    plain = _PLAIN.fullmatch(value) and value.lower() not in _NOT_PLAIN
    if plain and not any(mark in value for mark in _MARKS):
        return value
    if value.isprintable():
        quoted = value.replace("'", "''")
        return f"'{quoted}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
