"""Lines of Python laid out as `ruff format` leaves them: the writer of the text, and how a long statement is broken."""

import ast
import re
from collections.abc import Sequence
from typing import NamedTuple

from archc.dsl.source import Span

WIDTH = 88
_NAME = re.compile(r"(?<![\w.])[A-Za-z]+\b")
_INDENT = "    "


class Place(NamedTuple):
    """Where an expression stands, as `ast` counts lines and columns, and what it comes from."""

    start: tuple[int, int]
    end: tuple[int, int]
    origin: Span


class Lines:
    """The text while it is being written; every line remembers what it comes from.

    >>> lines = Lines()
    >>> lines.add("x = 1")
    >>> lines.blank()
    >>> lines.text(), lines.origins()
    ('x = 1\\n\\n', (None, None))
    """

    __slots__ = ("_lines", "_origins", "_places", "names")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._origins: list[Span | None] = []
        self._places: list[Place] = []
        self.names: set[str] = set()  # that statements use: what has to be imported

    def add(
        self, text: str, *, depth: int = 0, origin: Span | None = None, marks: Sequence[tuple[int, Span | None]] = ()
    ) -> None:
        """Add one statement, `depth` levels deep, broken over several lines where it is too long.

        `marks` say after how many signs of it, blanks left out, something begins that comes from another place, or
        ends.
        """
        self.names.update(_NAME.findall(text))
        lines = broken(text, depth)
        self._places += _placed(text, lines, marks, len(self._lines))
        for line in lines:
            self._lines.append(line)
            self._origins.append(origin)

    def raw(self, text: str, *, depth: int = 0, origin: Span | None = None) -> None:
        """Add lines that nothing breaks: comments and docstrings."""
        for line in text.split("\n"):
            self._lines.append(_INDENT * depth + line if line else "")
            self._origins.append(origin)

    def blank(self, count: int = 1) -> None:
        self._lines.extend([""] * count)
        self._origins.extend([None] * count)

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)

    def origins(self) -> tuple[Span | None, ...]:
        return tuple(self._origins)

    def places(self, above: int) -> tuple[Place, ...]:
        """Where the marked expressions stand in a text that has so many lines above this one."""
        return tuple(
            Place((start[0] + above, start[1]), (end[0] + above, end[1]), origin) for start, end, origin in self._places
        )


def signs(text: str) -> int:
    """Return how many signs a text has that are no blanks.

    >>> signs("x = [1, 2]")
    7
    """
    return len(text.replace(" ", ""))


def _placed(text: str, lines: list[str], marks: Sequence[tuple[int, Span | None]], above: int) -> list[Place]:
    """Where the marked expressions of a statement stand, now that it is broken over lines."""
    if not marks:
        return []
    origins: dict[tuple[int, int], Span] = {}
    opened: list[tuple[int, Span]] = []
    for at, origin in marks:
        if origin is not None:
            opened.append((at, origin))
        else:
            begun, whence = opened.pop()
            origins.setdefault((begun, at), whence)
    found: list[Place] = []
    # Breaking changes no expression, so both trees have the same nodes in the same order.
    before, after = ast.parse(text), ast.parse("if x:\n" + "\n".join(lines)).body[0]
    assert isinstance(after, ast.If)
    encoded = text.encode()
    for one, other in zip(ast.walk(before.body[0]), ast.walk(after.body[0]), strict=True):
        if not isinstance(one, ast.expr) or not isinstance(other, ast.expr):
            continue
        assert other.end_lineno is not None
        assert other.end_col_offset is not None
        key = signs(encoded[: one.col_offset].decode()), signs(encoded[: one.end_col_offset].decode())
        if key in origins:
            start, end = (
                (above + other.lineno - 1, other.col_offset),
                (above + other.end_lineno - 1, other.end_col_offset),
            )
            found.append(Place(start, end, origins[key]))
    return found


_SLICE = re.compile(r"(?<=[\[ ])([^\[\],: ][^\[\],:]*)?:([^\[\],:]+)?(?=[\],])")
_PLAIN = re.compile(r"-?\w+")


def spaced(expression: str) -> str:
    """Return an expression with blanks around the colon of a slice whose ends are more than a name or a number.

    >>> spaced("x[:, 0:7 * n]"), spaced("x[1:-2, ::2]"), spaced("x[self.end:]")
    ('x[:, 0 : 7 * n]', 'x[1:-2, ::2]', 'x[self.end :]')
    """

    def written(found: re.Match[str]) -> str:
        start, end = found[1] or "", found[2] or ""
        if all(not bound or _PLAIN.fullmatch(bound) for bound in (start, end)):
            return found[0]
        return f"{start} : {end}".strip()

    return expression if '"' in expression else _SLICE.sub(written, expression)


def broken(statement: str, depth: int) -> list[str]:
    """Return the lines of a simple statement or of the head of a function.

    >>> broken("self.conv = nn.Conv2d(3, 64, kernel_size=3)", 2)
    ['        self.conv = nn.Conv2d(3, 64, kernel_size=3)']
    >>> broken("self.convolution = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)", 4)[1]
    '                    3, 64, kernel_size=3, padding=1, bias=False'
    """
    line = _INDENT * depth + statement
    if len(line) <= WIDTH:
        return [line]
    if statement.startswith("def "):
        return _head(statement, depth)
    if statement.endswith(":"):
        return [line]
    tree = ast.parse(statement).body[0]
    value = tree.value if isinstance(tree, ast.Assign | ast.AnnAssign | ast.Return | ast.Expr) else None
    if value is None:
        return [line]
    prefix = statement[: value.col_offset]
    if prefix.endswith("("):
        return [line]
    text = statement[value.col_offset :]
    if isinstance(value, ast.BinOp):
        return _sum(prefix, value, text, depth)
    links = _links(value)
    if len(links) > 2:
        outer = _INDENT * depth
        ends = [statement[start:end] for start, end in links]
        return [f"{outer}{prefix}(", *(f"{outer}{_INDENT}{part}" for part in ends), f"{outer})"]
    return _layout(prefix, value, statement, depth, "")


def _head(statement: str, depth: int) -> list[str]:
    tree = ast.parse(statement + " ...").body[0]
    assert isinstance(tree, ast.FunctionDef)
    opening = statement.index("(")
    closing = statement.rindex(")")
    outer = _INDENT * depth
    together = outer + _INDENT + statement[opening + 1 : closing]
    if len(together) <= WIDTH:
        return [outer + statement[: opening + 1], together, outer + statement[closing:]]
    lines = [outer + statement[: opening + 1]]
    defaults: list[ast.expr | None] = [None] * (len(tree.args.args) - len(tree.args.defaults))
    defaults += tree.args.defaults
    for argument, default in zip(tree.args.args, defaults, strict=True):
        end = (default or argument).end_col_offset
        lines.append(f"{outer}{_INDENT}{statement[argument.col_offset : end]},")
    return [*lines, outer + statement[closing:]]


def _sum(prefix: str, value: ast.BinOp, text: str, depth: int) -> list[str]:
    """Break a sum at its operators, inside brackets."""
    outer = _INDENT * depth
    inner = outer + _INDENT
    start = value.col_offset
    parts: list[str] = []
    node: ast.expr = value
    while isinstance(node, ast.BinOp) and isinstance(node.op, type(value.op)):
        left_end = node.left.end_col_offset
        assert left_end is not None
        parts.append(text[left_end - start : node.right.end_col_offset - start].strip())  # type: ignore[operator]
        node = node.left
    parts.append(text[: node.end_col_offset - start])  # type: ignore[operator]
    return [f"{outer}{prefix}(", *(inner + part for part in reversed(parts)), f"{outer})"]


def _links(value: ast.expr) -> list[tuple[int, int]]:
    """Where each call of a chain such as `x.permute(0, 2, 1).flatten(1)` stands; the first one with what is called."""
    ends: list[int] = []
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        ends.insert(0, value.end_col_offset or 0)
        value = value.func.value
    return list(zip([value.col_offset, *ends], ends, strict=False))


def _layout(prefix: str, value: ast.expr, source: str, depth: int, suffix: str) -> list[str]:
    """Break an expression at its outermost brackets, and what is in them where that is too long again."""
    outer = _INDENT * depth
    text = source[value.col_offset : value.end_col_offset]
    line = outer + prefix + text + suffix
    parts: list[tuple[str, ast.expr]]
    if len(line) <= WIDTH:
        return [line]
    match value:
        case ast.Starred(value=inner):
            return _layout(prefix + "*", inner, source, depth, suffix)
        case ast.Call(func=function, args=arguments, keywords=keywords) if arguments or keywords:
            opening = source[value.col_offset : function.end_col_offset] + "("
            closing = ")"
            parts = [("", argument) for argument in arguments]
            parts += [(f"{keyword.arg}=", keyword.value) for keyword in keywords]
        case ast.List(elts=items) if items:
            opening, closing, parts = "[", "]", [("", item) for item in items]
        case ast.Tuple(elts=items) if len(items) > 1:
            opening, closing, parts = "(", ")", [("", item) for item in items]
        case ast.ListComp(elt=element, generators=generators):
            lines = [f"{outer}{prefix}["]
            lines += _layout("", element, source, depth + 1, "")
            for clause in generators:
                target = source[clause.target.col_offset : clause.target.end_col_offset]
                lines += _layout(f"for {target} in ", clause.iter, source, depth + 1, "")
            return [*lines, f"{outer}]{suffix}"]
        case _:
            return [line]
    texts = [name + source[part.col_offset : part.end_col_offset] for name, part in parts]
    together = outer + _INDENT + ", ".join(texts)
    # Arguments stand together on a line of their own where they fit; modules one below the other.
    plain = isinstance(value, ast.Call) and not any(isinstance(part, ast.Call | ast.Starred) for _, part in parts)
    if len(together) <= WIDTH and (plain or opening == "nn.Parameter("):
        return [f"{outer}{prefix}{opening}", together, f"{outer}{closing}{suffix}"]
    lines = [f"{outer}{prefix}{opening}"]
    for name, part in parts:
        lines += _layout(name, part, source, depth + 1, ",")
    return [*lines, f"{outer}{closing}{suffix}"]
