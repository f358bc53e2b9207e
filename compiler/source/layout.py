"""Lines of Python laid out as `ruff format` leaves them: the writer of the text, and how a long statement is broken."""

import ast
import re

from archc.dsl.source import Span

WIDTH = 88
_NAME = re.compile(r"(?<![\w.])[A-Za-z]+\b")
_INDENT = "    "


class Lines:
    """The text while it is being written; every line remembers what it comes from.

    >>> lines = Lines()
    >>> lines.add("x = 1")
    >>> lines.blank()
    >>> lines.text(), lines.origins()
    ('x = 1\\n\\n', (None, None))
    """

    __slots__ = ("_lines", "_origins", "names")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._origins: list[Span | None] = []
        self.names: set[str] = set()  # that statements use: what has to be imported

    def add(self, text: str, *, depth: int = 0, origin: Span | None = None) -> None:
        """Add one statement, `depth` levels deep, broken over several lines where it is too long."""
        self.names.update(_NAME.findall(text))
        for line in broken(text, depth):
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
            clauses = [source[g.target.col_offset : g.iter.end_col_offset] for g in generators]
            return [*lines, *(f"{outer}{_INDENT}for {clause}" for clause in clauses), f"{outer}]{suffix}"]
        case _:
            return [line]
    texts = [name + source[part.col_offset : part.end_col_offset] for name, part in parts]
    together = outer + _INDENT + ", ".join(texts)
    # Arguments stand together on a line of their own where they fit; modules one below the other.
    plain = not any(isinstance(part, ast.Call | ast.Starred) for _, part in parts)
    if len(together) <= WIDTH and (plain or opening == "nn.Parameter("):
        return [f"{outer}{prefix}{opening}", together, f"{outer}{closing}{suffix}"]
    lines = [f"{outer}{prefix}{opening}"]
    for name, part in parts:
        lines += _layout(name, part, source, depth + 1, ",")
    return [*lines, f"{outer}{closing}{suffix}"]
