"""Syntax trees as short text, and walks over them."""

from collections.abc import Iterator
from typing import Any

from archc.dsl import ast
from archc.dsl.node import Node
from archc.dsl.parser import parse, parse_expression
from archc.dsl.source import Source, Span


def parsed(text: str) -> ast.File:
    """The tree of a text without mistakes."""
    file, diagnostics = parse(Source("test.arch", text))
    assert not diagnostics, [diagnostic.message for diagnostic in diagnostics]
    return file


def statements(text: str) -> tuple[ast.Statement, ...]:
    """The statements of a block's body."""
    [block] = parsed(f"block test {{\n{text}\n}}").items
    assert isinstance(block, ast.Block)
    return block.body.statements


def expression(text: str) -> ast.Expression:
    """The tree of an expression without mistakes."""
    tree, diagnostics = parse_expression(Source("test.arch", text))
    assert tree is not None, [diagnostic.message for diagnostic in diagnostics]
    return tree


def nodes(tree: Any) -> Iterator[Any]:
    """Every node that has a span, parents first."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if hasattr(node, "span"):
            yield node
        pending += reversed(_parts(node))


def short(node: Any) -> str:
    """A tree in one line, `(Binary + (Name a) (Literal 1))`, without spans."""
    if isinstance(node, tuple):
        return "[" + " ".join(map(short, node)) + "]"
    if not isinstance(node, Node):
        return node if isinstance(node, str) else repr(node)
    return "(" + " ".join([type(node).__name__, *map(short, _parts(node))]) + ")"


def _parts(node: Any) -> list[Any]:
    if isinstance(node, Span | str) or not isinstance(node, tuple | Node):
        return []
    parts = node if isinstance(node, tuple) else node.fields()
    return [part for part in parts if not isinstance(part, Span | Source)]
