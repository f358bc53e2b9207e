"""The syntax tree as indented text, every node with its place: for whoever wants to see how a text is read."""

from collections.abc import Iterator

from archc.dsl import ast
from archc.dsl.node import Node
from archc.dsl.source import Source, Span

STEP = "  "
LONGEST = 60  # characters of a string that are shown


def outline(file: ast.File) -> str:
    """Return the tree of a file, one node a line: the field that holds it, its type, its name, its values, line:column.

    What is empty is left out: no arguments, no default, no docstring.

    >>> from archc.dsl.parser import parse
    >>> print(outline(parse(Source("a.arch", "let n = 2 * 3")).file))
    File a.arch
      items:
        Let 1:1
          pattern: Name 'n' 1:5
          value: Binary '*' 1:9
            left: Literal 2 1:9
            right: Literal 3 1:13
    """
    lines = []
    waiting: list[tuple[int, str, object]] = [(0, "", file)]
    while waiting:  # a text nests as deeply as it likes, a function of Python does not
        depth, field, value = waiting.pop()
        lead = STEP * depth + (f"{field}: " if field else "")
        if isinstance(value, Node):
            lines.append(lead + " ".join(_head(value)))
            waiting += reversed([(depth + 1, name, part) for name, part in _children(value)])
        elif isinstance(value, tuple):
            lines.append(lead.rstrip() or STEP * depth + "-")
            waiting += reversed([(depth + 1, "", part) for part in value])
        else:
            lines.append(lead + _plain(value))
    return "\n".join(lines)


def _head(node: Node) -> Iterator[str]:
    """What stands on a node's own line: its type, its plain values, its place."""
    yield type(node).__name__
    for field, value in _fields(node):
        if isinstance(value, Source):
            yield value.name
        elif field == "name" and isinstance(value, ast.Name):
            yield value.text
        elif isinstance(value, bool) and not isinstance(node, ast.Literal):
            if value:
                yield field
        elif _is_plain(value) and (isinstance(node, ast.Literal) or value not in (None, "")):
            yield _plain(value)
    if hasattr(node, "span"):
        yield _place(node.span)


def _children(node: Node) -> Iterator[tuple[str, object]]:
    for field, value in _fields(node):
        if isinstance(value, Source | Span) or field in ("name", "comments") or _is_plain(value):
            continue
        # `relu()` is not `relu`: its empty arguments are shown; other lists that hold nothing are not.
        if value != () or (field == "arguments" and isinstance(node, ast.Use)):
            yield field, value


def _fields(node: Node) -> Iterator[tuple[str, object]]:
    names: tuple[str, ...] = node.__match_args__
    return zip(names, node.fields(), strict=True)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _plain(value: object) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= LONGEST else f"{value[: LONGEST - 3]}...")
    return repr(value).lower()  # none, true, false, as the language writes them


def _place(span: Span) -> str:
    return f"{span.line}:{span.column}"
