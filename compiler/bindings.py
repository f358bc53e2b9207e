"""Names of a file that are never used (W0102), and names that hide an operator (W0101), found in its text alone.

Only the file that is compiled is looked at, and only when it has an architecture: in a library, everything may be used
by others. Names that begin with `_` are never reported, nor those of rounds (`for x in xs`) and of comprehensions, nor
the parameters of a block that is handed to others, which share them.
"""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from archc.compiler.ops import OPS
from archc.compiler.program import Unit
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.node import Node
from archc.dsl.source import Span


class _Bound(NamedTuple):
    """A name where it is bound.

    `pattern` gathers the names that are bound together: one that is used keeps the others.
    """

    name: ast.Name
    kind: str
    pattern: Span
    help: str = ""
    stage: bool = True  # whether it may stand where an op does


class _Scope:
    """The names of a block, of a round of a loop, of a function or of a comprehension, bound anywhere in it."""

    __slots__ = ("bound", "parent")

    def __init__(self, parent: "_Scope | None") -> None:
        self.parent = parent
        self.bound: dict[str, list[_Bound]] = {}

    def bind(self, bound: _Bound) -> None:
        self.bound.setdefault(bound.name.text, []).append(bound)

    def bind_all(self, pattern: ast.Pattern, kind: str, help: str = "") -> None:
        waiting = [pattern]
        while waiting:
            part = waiting.pop()
            if isinstance(part, ast.Name):
                self.bind(_Bound(part, kind, pattern.span, help))
            else:
                waiting.extend(reversed(part.items))


class _Item(NamedTuple):
    """What one item of the file binds, and the names that it uses: of its own, and those that it leaves to the file.

    `passed` are the names that stand in expressions, as a block does that is handed to another.
    """

    bound: list[_Bound]
    used: set[Span]
    outside: set[str]
    passed: set[str]


@lru_cache(maxsize=4)  # a file is asked about for each of its architectures
def check_bindings(unit: Unit) -> tuple[Diagnostic, ...]:
    """Return the warnings about names of a file, in the order of the text."""
    items = unit.file.items
    arches = [item for item in items if isinstance(item, ast.Arch | ast.Specialisation)]
    if not arches:
        return ()
    # An architecture that takes a block offers a choice, which the others of the file are.
    choice = any(_takes_a_stage(parameter) for arch in arches for parameter in arch.parameters)
    read = [_read(item) for item in items]
    passed = {name for item in read for name in item.passed}
    users = Counter(name for item in read for name in item.outside)
    found: list[Diagnostic] = []
    for item, names in zip(items, read, strict=True):
        kept = {bound.pattern for bound in names.bound if bound.name.span in names.used}
        shared = isinstance(item, ast.Block | ast.Function) and item.name.text in passed
        interface = shared or (choice and isinstance(item, ast.Block))
        for bound in names.bound:
            unused = bound.pattern not in kept and not (interface and bound.kind == "parameter")
            found.extend(_of(bound, unused=unused and bound.kind in UNUSED))
        own = list(_defined(item))
        # A block that only uses itself is not used.
        used = {bound.name for bound in own if users[bound.name.text] > (bound.name.text in names.outside)}
        for bound in own:
            alone = bound.name not in used if isinstance(item, ast.Import) else not used
            offered = choice and bound.kind in ("block", "extern")
            found.extend(_of(bound, unused=alone and not offered and bound.kind in UNUSED))
    return tuple(sorted(found, key=lambda warning: warning.primary.span.start))


# What is said of a name that is never used, by what it is: the message, and what to do.
UNUSED: dict[str, tuple[str, str]] = {
    "value": ("the value `{}` is never used", "remove `as {}`, or go on from it: `{} -> ...`"),
    "let": ("`{}` is never used", "remove this `let`, or use the name"),
    "function": ("the function `{}` is never used", "remove it, or call it: `{}(...)`"),
    "parameter": ("the parameter `{}` is never used", "whoever sets it changes nothing: use it, or remove it"),
    "counter": ("`{}` is never used", "write `repeat` without `as {}`"),
    "input": ("the input `{}` is never used", "remove it, or begin a statement with it: `{} -> ...`"),
    "import": ("`{}` is imported and never used", "remove it from the import"),
    "block": ("block `{}` is never used", "remove it, or use it as a stage: `{}`"),
    "extern": ("`{}` is declared and never used", "remove it, or use it as a stage: `{}`"),
}


def _of(bound: _Bound, *, unused: bool) -> Iterator[Diagnostic]:
    """The warnings about one name."""
    text, span = bound.name.text, bound.name.span
    if text.startswith("_"):
        return
    if text in OPS and bound.stage:
        help = f"give it another name: where this one is seen, the op `{text}` cannot be reached"
        yield Diagnostic("W0101", f"`{text}` hides the op `{text}`", Label(span, "bound here"), help=help)
    if unused:
        message, help = UNUSED[bound.kind]
        help = bound.help or help.replace("{}", text)
        yield Diagnostic("W0102", message.replace("{}", text), Label(span, "never used"), help=help)


def _defined(item: ast.Item) -> Iterator[_Bound]:
    """The names that an item gives to the file."""
    match item:
        case ast.Import(names=names):
            yield from (_Bound(name, "import", name.span) for name in names)
        case ast.Let(pattern=pattern):
            scope = _Scope(None)
            scope.bind_all(pattern, "let")
            yield from (bound for each in scope.bound.values() for bound in each)
        case ast.Function(name=name):
            yield _Bound(name, "function", name.span)
        case ast.Block(name=name):
            yield _Bound(name, "block", name.span)
        case ast.Extern(name=name):
            yield _Bound(name, "extern", name.span)
        case _:
            yield _Bound(item.name, "arch", item.name.span, stage=False)


def _read(item: ast.Item) -> _Item:
    """Collect what an item binds within itself and what it uses. Texts may be nested deeply: no recursion."""
    outer = _Scope(None)
    scopes = [outer]
    uses: list[tuple[_Scope, str]] = []
    passed: set[str] = set()

    def inner(parent: _Scope) -> _Scope:
        scopes.append(_Scope(parent))
        return scopes[-1]

    waiting: list[tuple[object, _Scope]] = []

    def parameters(those: tuple[ast.Parameter, ...], scope: _Scope) -> None:
        for parameter in those:
            scope.bind(_Bound(parameter.name, "parameter", parameter.name.span, stage=_takes_a_stage(parameter)))
            waiting.append((parameter.default, scope))

    match item:
        case ast.Import():
            return _Item([], set(), set(), set())
        case ast.Let(value=value):
            waiting.append((value, outer))
        case ast.Function():
            parameters(item.parameters, outer)
            waiting.append((item.value, outer))
        case ast.Extern():
            waiting.append(((item.inputs, item.outputs, tuple(p.default for p in item.parameters)), outer))
        case ast.Specialisation():
            parameters(item.parameters, outer)
            uses.append((outer, item.target.text))
            waiting.append(((item.arguments, item.claims), outer))
        case _:
            parameters(item.parameters, outer)
            declared = [statement for statement in item.body.statements if isinstance(statement, ast.Input)]
            if len(declared) == 1 and isinstance(item, ast.Arch):
                uses.append((outer, declared[0].name.text))  # the flow starts from it
            waiting.append((item.body, outer))

    while waiting:
        node, scope = waiting.pop()
        match node:
            case ast.Name(text=text):
                uses.append((scope, text))
                passed.add(text)
            case ast.Call(function=ast.Name(text=text)):
                uses.append((scope, text))
                waiting.append((node.arguments, scope))
            case ast.Argument(value=value):
                waiting.append((value, scope))
            case ast.Attribute(value=value):
                waiting.append((value, scope))
            case ast.Use():
                uses.append((scope, node.name.text))
                waiting.append(((node.arguments, node.branches), scope))
            case ast.Pipeline():
                if node.binding is not None:
                    scope.bind_all(node.binding, "value")
                waiting.append((node.stages, scope))
            case ast.Let():
                scope.bind_all(node.pattern, "let")
                waiting.append((node.value, scope))
            case ast.Function():
                scope.bind(_Bound(node.name, "function", node.name.span))
                own = inner(scope)
                parameters(node.parameters, own)
                waiting.append((node.value, own))
            case ast.Module(label=label, use=use):
                if len(label.parts) == 1 and isinstance(label.parts[0], str):
                    scope.bind(_Bound(ast.Name(label.parts[0], label.span), "module", label.span))
                waiting.append(((label, use), scope))
            case ast.Init(op=op, initializer=use):
                uses.append((scope, op.text))
                waiting.append((use, scope))
            case ast.Input(name=name, sizes=sizes):
                scope.bind(_Bound(name, "input", name.span))
                waiting.append((sizes, scope))
            case ast.Output(names=names):
                uses.extend((scope, name.text) for name in names)
            case ast.For():
                own = inner(scope)
                own.bind_all(node.pattern, "item")
                waiting.extend([(node.iterable, scope), (node.body, own)])
            case ast.Repeat():
                own = inner(scope)
                if node.name is not None:
                    own.bind(_Bound(node.name, "counter", node.name.span))
                waiting.extend([(node.count, scope), (node.body, own)])
            case ast.Comprehension():
                own = inner(scope)
                for clause in node.clauses:
                    if isinstance(clause, ast.ForClause):
                        own.bind_all(clause.pattern, "comprehension")
                        waiting.append((clause.iterable, own))
                    else:
                        waiting.append((clause.test, own))
                waiting.append((node.element, own))
            case tuple() if not isinstance(node, Span):
                waiting.extend((part, scope) for part in node)
            case Node():
                waiting.append((node.fields(), scope))
    used: set[Span] = set()
    outside: set[str] = set()
    for use_scope, text in uses:
        place: _Scope | None = use_scope
        while place is not None and text not in place.bound:
            place = place.parent
        if place is None:
            outside.add(text)
        else:
            used.update(bound.name.span for bound in place.bound[text])
    bound = [each for scope in scopes for names in scope.bound.values() for each in names]
    return _Item([each for each in bound if each.kind != "comprehension"], used, outside, passed)


def _takes_a_stage(parameter: ast.Parameter) -> bool:
    """Whether a parameter stands for a block or op, by its type or its default.

    One that stands for a number, such as `dropout = 0.1`, hides nothing by mistake: a number that is used as a stage is
    an error, which names the parameter.
    """
    if parameter.type is not None:
        return parameter.type.text in ("block", "op")
    default = parameter.default
    return isinstance(default.function if isinstance(default, ast.Call) else default, ast.Name)
