"""Names that are bound to nothing, and patterns that bind several at once."""

from collections.abc import Callable
from typing import NamedTuple

from archc.compiler.elaboration.functions import BUILTINS
from archc.compiler.elaboration.scope import Scope
from archc.compiler.ops import OPS
from archc.compiler.ops.initial import INITIALIZERS
from archc.compiler.problems import Stop, did_you_mean, stop
from archc.compiler.values import IDENTITY, InitializerValue, OpValue, Wire, kind_of, show
from archc.dsl import ast
from archc.dsl.diagnostics import Label
from archc.dsl.node import Node
from archc.dsl.source import Span


def of_the_language(name: str) -> object | None:
    """What a name that nothing is bound to means in an expression: a function, an initializer, an op or `identity`."""
    if name in BUILTINS:
        return BUILTINS[name]
    if name in INITIALIZERS:
        return InitializerValue(INITIALIZERS[name], {})
    if name in OPS:
        return OpValue(OPS[name], {})
    return IDENTITY if name == "identity" else None


def unknown(name: ast.Name, scope: Scope, *, output: bool = False) -> Stop:
    """Make the diagnostic for a name that is bound to nothing here, saying where it is bound when it is, elsewhere.

    `output` says that the name stands in an `output`.
    """
    said = _said_in(scope)
    if name.text == "in":
        listed = " or ".join(f"`{each}`" for each in said.inputs)
        help = f"write the name of an input: {listed}" if listed else "an arch starts from the names of its inputs"
        return stop("E0403", name.span, "there is no `in` here", "the inputs here have names", help=help)
    elsewhere, label = said.bound.get(name.text), said.labels.get(name.text)
    if elsewhere is not None:
        choice = _not_taken(elsewhere, name.span, scope)
        if choice is not None:
            test = " ".join(choice.test.span.text.split())
            return stop(
                "E0104",
                name.span,
                f"`{name.text}` has no value here: the branch that binds it was not taken",
                "bound in a branch that was not taken",
                related=[Label(elsewhere, "bound here"), Label(choice.test.span, "decides, with these parameters")],
                help=f"use `{name.text}` under the same condition, `if {test} {{ ... }}`, or bind it on both sides",
            )
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
    related, help = _of_another(name.text, scope)
    if not help and name.text not in OPS:
        related, help = _named_elsewhere(name.text, scope)
    if not help:
        from archc.compiler.elaboration.foreign import stage_meant  # only when there is a mistake to explain

        spelled = [op for op in OPS if op.replace("_", "") == name.text.replace("_", "").lower()]
        help = did_you_mean(name.text, [] if spelled else scope.known()) or stage_meant(name.text)
    if not help and output:
        help = f"end the statement that leaves this result with `as {name.text}`"
    help = help or did_you_mean(name.text, [*BUILTINS, *OPS])
    if not help and scope.body is not None:
        help = _as_written(name, scope.body)
    help = help or "no op, block or value is called so; `archc ops` lists the ops"
    return stop("E0101", name.span, f"unknown name `{name.text}`", "not known here", help=help, related=related)


def _of_another(text: str, scope: Scope) -> tuple[list[Label], str]:
    """Where another block or arch of the file has a parameter of this name, which is not seen here."""
    own = next((item for item in scope.unit.file.items if getattr(item, "body", None) is scope.body), None)
    for item in scope.unit.file.items:
        if isinstance(item, ast.Arch | ast.Block) and item is not own:
            for parameter in item.parameters:
                if parameter.name.text == text:
                    what = f"block `{own.name.text}`" if isinstance(own, ast.Block) else "what uses it"
                    related = [Label(parameter.name.span, f"a parameter of `{item.name.text}`, seen there only")]
                    return related, f"hand it on: make `{text}` a parameter of {what} too"
    return [], ""


def _named_elsewhere(text: str, scope: Scope) -> tuple[list[Label], str]:
    """Where another block or arch of the file has a value of this name, which is not seen here."""
    items = [item for item in scope.unit.file.items if isinstance(item, ast.Arch | ast.Block)]
    own = next((item for item in items if item.body is scope.body), None)
    for item in items:
        if item is own or own is None:
            continue
        place = _values(item.body).get(text)
        if place is None:
            continue
        what = "block" if isinstance(item, ast.Block) else "arch"
        related = [Label(place, f"named in {what} `{item.name.text}`, seen there only")]
        if isinstance(item, ast.Block):
            return related, f"leave it by `output {text}` there, and name it where `{item.name.text}` is used"
        other = f"block `{own.name.text}`"
        return related, f"hand it over: `input x, {text}` in {other}, and a branch for each where it is used"
    return [], ""


def _values(body: ast.Body) -> dict[str, Span]:
    """The names of values of a body, each with its first place."""
    said = _search(body)
    return {text: span for text, span in said.bound.items() if text in said.values}


def _as_written(name: ast.Name, body: ast.Body) -> str:
    """What was meant by a name that nothing is near to, by where it stands."""
    text = name.text
    path = _around(body, name.span)
    chain = next((node for node in reversed(path) if isinstance(node, ast.Pipeline)), None)
    use = next((node for node in reversed(path) if isinstance(node, ast.Use)), None)
    if chain is None or use is None or use.name.span != name.span:
        return ""
    if use.arguments is not None:
        return f"nothing is called so: write a block, `block {text}(...) {{ ... }}`; `archc ops` lists the ops"
    if len(chain.stages) > 1 and chain.stages[-1].action is use and chain.binding is None:
        return f"to name the value that this leaves, write `as {text}` instead of `-> {text}`"
    return ""


def _not_taken(bound: Span, used: Span, scope: Scope) -> ast.If | None:
    """The innermost `if` around a place that binds a name, where the rounds of loops do not hide it."""
    if scope.body is None or bound.start > used.start:
        return None
    around = _around(scope.body, bound)
    for node in reversed(around):
        if isinstance(node, ast.For | ast.Repeat) and not node.span.holds(used):
            return None
    return next((node for node in reversed(around) if isinstance(node, ast.If)), None)


def _around(body: ast.Body, place: Span) -> list[Node]:
    """The parts of a text that a place lies in, outer before inner."""
    found: list[Node] = []
    waiting: list[object] = [body]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Node):
            span = getattr(part, "span", None)
            if isinstance(span, Span) and span.holds(place):
                found.append(part)
                waiting = [*part.fields()]
        elif type(part) is tuple:
            waiting.extend(part)
    return found


class Said(NamedTuple):
    """The names that a body binds anywhere, and its labels, each with its first place; the names of its inputs.

    `values` are those of the names that `as` gives.
    """

    bound: dict[str, Span]
    labels: dict[str, Span]
    inputs: list[str]
    values: set[str]


def _said_in(scope: Scope) -> Said:
    """What the body around a scope says; a text with many unknown names asks as often, so the file keeps the answer."""
    body = scope.body
    if body is None:
        return Said({}, {}, [], set())
    known = scope.unit.said.get(id(body))
    if not isinstance(known, Said):
        known = scope.unit.said[id(body)] = _search(body)
    return known


def _search(body: ast.Body) -> Said:
    said = Said({}, {}, [], set())
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
                        if isinstance(node, ast.Pipeline):
                            said.values.add(part.text)
            case ast.Repeat(name=ast.Name(text=text, span=span)):
                said.bound.setdefault(text, span)
            case ast.Input(name=name):
                said.inputs.append(name.text)
            case ast.Function(name=name):
                said.bound.setdefault(name.text, name.span)
            case ast.Module(label=ast.Template(parts=(str(text),), span=span)):
                said.bound.setdefault(text, span)
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
            message = f"this needs {len(part.items)} values, and there is {kind_of(item)}"
            raise stop("E0204", part.span, message, "one value" if isinstance(item, Wire) else f"is {show(item)}")
        assert isinstance(item, list | tuple)
        if len(item) != len(part.items):
            message = f"this needs {len(part.items)} values, and there are {len(item)}"
            if any(isinstance(each, Wire) for each in item):
                help = f"write {len(item)} names: `as ({', '.join('abcdefgh'[: len(item)])})`"
                raise stop("E0402", part.span, message, f"{len(part.items)} names", help=help)
            raise stop("E0204", part.span, message, f"gets {show(item)}")
        waiting.extend(reversed(list(zip(part.items, item, strict=True))))
