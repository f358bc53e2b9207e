"""Where a name of a block means what: scopes of blocks and of the rounds of loops.

Braces, merges and `if` open none, so what they bind is seen until the end of the block or round around them.
"""

from collections.abc import Iterator
from typing import NamedTuple

from archc.compiler.problems import stop
from archc.compiler.program import Unit
from archc.dsl import ast
from archc.dsl.diagnostics import Label
from archc.dsl.source import Span


class Binding(NamedTuple):
    """What a name is bound to, and where."""

    value: object
    span: Span


def is_symbol(name: ast.Name, scope: "Scope") -> bool:
    """Say whether a name that stands as a size is a symbol: of capitals and digits, and bound to nothing."""
    capitals = name.text[0].isalpha() and name.text.upper() == name.text and name.text.isalnum()
    return capitals and scope.find(name.text) is None and name.text not in scope.unit.names


class Scope:
    """The names of a block (no parent), of a round of a loop, or of a function; behind them stand those of the file."""

    __slots__ = ("body", "names", "parent", "unit")

    def __init__(self, unit: Unit, parent: "Scope | None" = None, body: ast.Body | None = None) -> None:
        self.unit = unit
        self.parent = parent
        self.body: ast.Body | None = body if body is not None or parent is None else parent.body
        self.names: dict[str, Binding] = {}

    def find(self, name: str) -> Binding | None:
        """Look a name up in this scope and those around it, not in the file."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None

    def seen(self) -> "Scope":
        """Return a scope with all names that are bound so far, as a function sees them that stands here."""
        scope: Scope | None = self
        around = []
        while scope is not None:
            around.append(scope.names)
            scope = scope.parent
        result = Scope(self.unit, None, self.body)
        for names in reversed(around):
            result.names.update(names)
        return result

    def known(self) -> Iterator[str]:
        """Yield the names that are visible here, without those of the language."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.parent
        yield from self.unit.names

    def bind(self, name: ast.Name, value: object) -> None:
        """Bind a name for the rest of this scope.

        Raises:
            Stop: the name is bound already in this block; both places are shown.
        """
        before = self.find(name.text)
        if before is not None:
            raise stop(
                "E0102",
                name.span,
                f"`{name.text}` is bound already in this block",
                "here again",
                related=[Label(before.span, "here first")],
                help="a name keeps its value; choose another name for the new one",
            )
        self.names[name.text] = Binding(value, name.span)
