"""What the text of a block decides by its parameters: the tests of its `if`s."""

from collections.abc import Callable, Iterator
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from archc.dsl import ast
from archc.dsl.node import Node

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def comparisons(definition: ast.Block | ast.Arch | None) -> dict[str, list[tuple[str, int | float]]]:
    """Return the comparisons of a parameter with a number that an `if` of a block makes, by the parameter's name."""
    found: dict[str, list[tuple[str, int | float]]] = {}
    for test in _tests(definition):
        match test:
            case ast.Comparison(first=ast.Name(text=name), rest=((operator, ast.Literal(value=value)),)):
                if operator in COMPARISONS and isinstance(value, int | float) and not isinstance(value, bool):
                    found.setdefault(name, []).append((operator, value))
    return found


def deciding(definition: ast.Block | ast.Arch | None) -> set[str]:
    """Return the names that occur in the tests of a block."""
    return {node.text for test in _tests(definition) for node in nodes(test) if isinstance(node, ast.Name)}


def nodes(root: object) -> Iterator[Node]:
    """Yield all nodes of a syntax tree."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            waiting += node
        elif isinstance(node, Node):
            yield node
            waiting += node.fields()


def _tests(definition: ast.Block | ast.Arch | None) -> list[ast.Expression]:
    body = definition.body if definition is not None else ()
    return [node.test for node in nodes(body) if isinstance(node, ast.If)]
