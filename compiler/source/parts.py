"""What a line of `forward` consists of: text, values that may differ between instances, and marks of origin."""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from archc.dsl.source import Span


class Hole(NamedTuple):
    """A value in the text of `forward`; where it differs between instances it is kept as an attribute."""

    value: object
    hint: str


class Mark(NamedTuple):
    """Where an expression begins that stands within that of another step, and where it comes from.

    With no origin, where it ends.
    """

    origin: Span | None


Parts: TypeAlias = tuple[str | Hole | Mark, ...]


class Code(NamedTuple):
    """The expression of a step. `atomic` says that it can stand anywhere without brackets."""

    parts: Parts
    atomic: bool = True


def join(parts: Iterable[str | Hole | Mark]) -> Parts:
    """Join neighbouring texts.

    >>> join(["x = ", "", "F.relu(", "x", ")"])
    ('x = F.relu(x)',)
    """
    result: list[str | Hole | Mark] = []
    for part in parts:
        if isinstance(part, str) and result and isinstance(result[-1], str):
            result[-1] += part
        elif part != "":
            result.append(part)
    return tuple(result)


def width(parts: Parts) -> int:
    """Return about how many columns an expression takes: a value is as wide as the attribute that may hold it."""
    return sum(len(part) if isinstance(part, str) else hole_width(part) for part in parts)


def hole_width(part: Hole | Mark) -> int:
    return len(f"self.{part.hint}") if isinstance(part, Hole) else 0


def shape(parts: Parts) -> tuple[str | None, ...]:
    """Return what has to be equal for two lines to differ in values only."""
    return tuple(part if isinstance(part, str) else None for part in parts if not isinstance(part, Mark))
