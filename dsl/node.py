"""What the nodes of the syntax tree have in common: fields that are set once."""

from __future__ import annotations

from typing import Any, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class _Fields(type):
    """Makes the annotations of a class its fields. Dataclasses would cost `archc check` 0.7 ms for each node type."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _Fields:
        fields = tuple(namespace.get("__annotations__", ()))
        return super().__new__(cls, name, bases, {**namespace, "__slots__": fields, "__match_args__": fields})


class Node(metaclass=_Fields):
    """A node: its fields are set once, by position or by name.

    >>> class Pair(Node):
    ...     left: int
    ...     right: int
    >>> Pair(1, 2) == Pair(1, right=2), Pair(1, 2)
    (True, Pair(left=1, right=2))
    """

    def __init__(self, *values: object, **named: object) -> None:
        fields: tuple[str, ...] = self.__match_args__
        for field, value in zip(fields, values, strict=False):
            object.__setattr__(self, field, value)
        for field in fields[len(values) :]:
            object.__setattr__(self, field, named.pop(field))
        assert not named, f"{type(self).__name__} has no {', '.join(named)}"

    def __setattr__(self, field: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} does not change")

    def fields(self) -> tuple[Any, ...]:
        """The values of the fields, in order."""
        fields: tuple[str, ...] = self.__match_args__
        return tuple(getattr(self, field) for field in fields)

    def _replace(self, **changed: object) -> Self:
        """Return the same node with some fields changed."""
        return type(self)(**{**dict(zip(self.__match_args__, self.fields(), strict=True)), **changed})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and type(self) is type(other) and self.fields() == other.fields()

    def __hash__(self) -> int:
        return hash((type(self), self.fields()))

    def __repr__(self) -> str:
        fields: tuple[str, ...] = self.__match_args__
        shown = ", ".join(f"{field}={getattr(self, field)!r}" for field in fields)
        return f"{type(self).__name__}({shown})"
