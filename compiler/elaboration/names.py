"""Names that are bound to nothing, and patterns that bind several at once."""

from collections.abc import Callable
from typing import NamedTuple

from archc.compiler.elaboration.functions import BUILTINS
from archc.compiler.elaboration.scope import Scope
from archc.compiler.ops import OPS
from archc.compiler.problems import Stop, did_you_mean, stop
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
    said = _said_in(scope.body) if scope.body is not None else Said({}, {})
    elsewhere, label = said.bound.get(name.text), said.labels.get(name.text)
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
    if label is not None:
        return stop(
            "E0101",
            name.span,
            f"`{name.text}` is a label, not the name of a value",
            "not known here",
            related=[Label(label, "names the module, for the `state_dict`")],
            help=f"name the value too: end that statement with `as {name.text}`",
        )
    near = did_you_mean(name.text, [*scope.known(), *BUILTINS, *OPS])
    return stop(
        "E0101", name.span, f"unknown name `{name.text}`", "not known here", help=near or "`archc ops` lists the ops"
    )


class Said(NamedTuple):
    """The names that a body binds anywhere, and its labels; each with its first place."""

    bound: dict[str, Span]
    labels: dict[str, Span]


_last: list[tuple[ast.Body, Said]] = []


def _said_in(body: ast.Body) -> Said:
    # The last answer is kept: a text with many unknown names asks as often.
    if not _last or _last[0][0] is not body:
        _last[:] = [(body, _search(body))]
    return _last[0][1]


def _search(body: ast.Body) -> Said:
    said = Said({}, {})
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
                        said.bound.setdefault(part.text, part.span)
            case ast.Stage(label=ast.Template(parts=(str(text),), span=span)):
                said.labels.setdefault(text, span)
        if isinstance(node, Node):
            waiting.extend(reversed(node.fields()))
        elif type(node) is tuple:
            waiting.extend(reversed(node))
    return said


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
