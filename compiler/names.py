"""Names that are bound to nothing, and patterns that bind several at once."""

from collections.abc import Callable

from archc.compiler.functions import BUILTINS
from archc.compiler.ops import OPS
from archc.compiler.problems import Stop, did_you_mean, stop
from archc.compiler.scope import Scope
from archc.compiler.values import kind_of, show
from archc.dsl import ast
from archc.dsl.diagnostics import Label
from archc.dsl.node import Node
from archc.dsl.source import Span


def unknown(name: ast.Name, scope: Scope) -> Stop:
    """Make the diagnostic for a name that is bound to nothing here, saying where it is bound when it is, elsewhere."""
    if name.text == "in":
        help = "an arch, and a block with `input`, start from the names of their inputs"
        return stop("E0403", name.span, "there is no `in` here", "the inputs here have names", help=help)
    elsewhere = _bound_in(scope.body).get(name.text) if scope.body is not None else None
    if elsewhere is not None:
        when = "later" if elsewhere.start > name.span.start else "where it is not seen"
        return stop(
            "E0104",
            name.span,
            f"`{name.text}` has no value here",
            f"bound {when}",
            related=[Label(elsewhere, "bound here")],
            help="a name is seen from where it is bound to the end of its block, or of its round of a loop",
        )
    near = did_you_mean(name.text, [*scope.known(), *BUILTINS, *OPS])
    return stop(
        "E0101", name.span, f"unknown name `{name.text}`", "not known here", help=near or "`archc ops` lists the ops"
    )


_last: list[tuple[ast.Body, dict[str, Span]]] = []


def _bound_in(body: ast.Body) -> dict[str, Span]:
    """The names that a body binds anywhere, and where first."""
    # The last answer is kept: a text with many unknown names asks as often.
    if not _last or _last[0][0] is not body:
        _last[:] = [(body, _bindings(body))]
    return _last[0][1]


def _bindings(body: ast.Body) -> dict[str, Span]:
    found: dict[str, Span] = {}
    waiting: list[object] = [body]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Pipeline(binding=pattern) | ast.Let(pattern=pattern) | ast.For(pattern=pattern):
                names = [pattern]
                while names:
                    part = names.pop()
                    if isinstance(part, ast.TuplePattern):
                        names.extend(part.items)
                    elif part is not None:
                        found.setdefault(part.text, part.span)
        if isinstance(node, Node):
            waiting.extend(reversed(node.fields()))
        elif type(node) is tuple:
            waiting.extend(reversed(node))
    return found


def unpack(pattern: ast.Pattern, value: object, bind_name: Callable[[ast.Name, object], None]) -> None:
    """Bind the names of a pattern to the parts of a value.

    Raises:
        Stop: the value has another number of parts, or a name is bound already.
    """
    waiting: list[tuple[ast.Pattern, object]] = [(pattern, value)]
    while waiting:
        part, item = waiting.pop()
        if isinstance(part, ast.Name):
            bind_name(part, item)
            continue
        if type(item) not in (list, tuple):
            raise stop(
                "E0204",
                part.span,
                f"this needs {len(part.items)} values, and there is {kind_of(item)}",
                f"gets {show(item)}",
            )
        assert isinstance(item, list | tuple)
        if len(item) != len(part.items):
            raise stop(
                "E0204",
                part.span,
                f"this needs {len(part.items)} values, and there are {len(item)}",
                f"gets {show(item)}",
            )
        waiting.extend(reversed(list(zip(part.items, item, strict=True))))
