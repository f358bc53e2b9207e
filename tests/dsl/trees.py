"""Syntax trees as short text, and walks over them."""

from collections.abc import Iterator
from typing import Any

from archc.dsl import ast
from archc.dsl.parser import parse
from archc.dsl.source import Source, Span


def parsed(text: str) -> ast.File:
    """The tree of a text without mistakes."""
    file, diagnostics = parse(Source("test.arch", text))
    assert not diagnostics, [str(diagnostic.message) for diagnostic in diagnostics]
    return file


def statements(text: str) -> tuple[ast.Statement, ...]:
    """The statements of a block's body."""
    [block] = parsed(f"block test {{\n{text}\n}}").items
    assert isinstance(block, ast.Block)
    return block.body.statements


def nodes(tree: Any) -> Iterator[Any]:
    """Every node with a span, parents first."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, Span | str) or node is None:
            continue
        if hasattr(node, "span"):
            yield node
        children = node if type(node) is tuple else [getattr(node, name) for name in fields(node)]
        pending += reversed(list(children))


def fields(node: Any) -> tuple[str, ...]:
    """The names of a node's parts."""
    return getattr(node, "_fields", ()) or tuple(getattr(type(node), "__slots__", ()))


def short(node: Any) -> str:
    """A tree in one line: `(Binary + (Name a) (Literal 1))`; spans are left out."""
    if isinstance(node, Span | ast.File):
        return ""
    if type(node) is tuple:
        return "[" + " ".join(filter(None, map(short, node))) + "]"
    names = fields(node)
    if not names:
        return node if isinstance(node, str) else repr(node)
    parts = [short(getattr(node, name)) for name in names]
    return "(" + " ".join([type(node).__name__, *filter(None, parts)]) + ")"
