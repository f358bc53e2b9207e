"""What one item of a file binds and which names it uses, found in its text alone: no value is known here."""

from typing import NamedTuple

from archc.compiler.program import Unit, bound_names
from archc.dsl import ast
from archc.dsl.node import Node
from archc.dsl.source import Span


class Bound(NamedTuple):
    """A name where it is bound.

    `pattern` gathers the names that are bound together: one that is used keeps the others. `stage` says whether the
    name may stand where an op does.
    """

    name: ast.Name
    kind: str
    pattern: Span
    stage: bool = True


class Names(NamedTuple):
    """What an item binds within itself, and the names that it uses.

    `used` are the places where its own names that it uses are bound, `outside` the names that none of its scopes binds,
    `stages` those of them that are applied. `passed` are the names that stand in expressions, as a block does that is
    handed to another.
    """

    bound: list[Bound]
    used: set[Span]
    outside: list[ast.Name]
    stages: list[ast.Use]
    passed: set[str]


class _Scope:
    """The names of a block, of a round of a loop, of a function or of a comprehension, bound anywhere in it."""

    __slots__ = ("bound", "parent")

    def __init__(self, parent: "_Scope | None") -> None:
        self.parent = parent
        self.bound: dict[str, list[Bound]] = {}

    def bind(self, name: ast.Name, kind: str, *, stage: bool = True) -> None:
        self.bound.setdefault(name.text, []).append(Bound(name, kind, name.span, stage))

    def bind_all(self, pattern: ast.Pattern, kind: str) -> None:
        for name in bound_names(pattern):
            self.bound.setdefault(name.text, []).append(Bound(name, kind, pattern.span))


def names(item: ast.Item, unit: Unit) -> Names:
    """Return the names of an item of a file; they are looked for once."""
    known = unit.said.get(id(item))
    if not isinstance(known, Names):
        known = unit.said[id(item)] = _Reader().read(item)
    return known


class _Reader:
    """Walks an item. Texts may be nested deeply: no recursion."""

    __slots__ = ("passed", "scopes", "uses", "waiting")

    def __init__(self) -> None:
        self.scopes: list[_Scope] = []
        self.uses: list[tuple[_Scope, ast.Name, ast.Use | None]] = []
        self.passed: set[str] = set()
        self.waiting: list[tuple[object, _Scope]] = []

    def read(self, item: ast.Item) -> Names:
        self._item(item, self._inner(None))
        while self.waiting:
            node, scope = self.waiting.pop()
            if type(node) is tuple:
                self.waiting.extend((part, scope) for part in node)
            elif isinstance(node, Node):
                self._node(node, scope)
        used: set[Span] = set()
        outside: list[ast.Name] = []
        stages: list[ast.Use] = []
        for use_scope, name, use in self.uses:
            place: _Scope | None = use_scope
            while place is not None and name.text not in place.bound:
                place = place.parent
            if place is not None:
                used.update(bound.name.span for bound in place.bound[name.text])
            else:
                outside.append(name)
                if use is not None:
                    stages.append(use)
        bound = [each for scope in self.scopes for found in scope.bound.values() for each in found]
        outside.sort(key=lambda name: name.span.start)
        stages.sort(key=lambda use: use.span.start)
        return Names(bound, used, outside, stages, self.passed)

    def _inner(self, parent: _Scope | None) -> _Scope:
        self.scopes.append(_Scope(parent))
        return self.scopes[-1]

    def _parameters(self, parameters: tuple[ast.Parameter, ...], scope: _Scope) -> None:
        for parameter in parameters:
            scope.bind(parameter.name, "parameter", stage=takes_a_stage(parameter))
            self.waiting.append((parameter.default, scope))

    def _item(self, item: ast.Item, scope: _Scope) -> None:
        match item:
            case ast.Import():
                pass
            case ast.Let():
                self.waiting.append((item.value, scope))
            case ast.Function():
                self._parameters(item.parameters, scope)
                self.waiting.append((item.value, scope))
            case ast.Extern():
                # Its parameters are those of a class, which uses them.
                self.waiting.append(((item.inputs, item.outputs, tuple(p.default for p in item.parameters)), scope))
            case ast.Specialisation():
                self._parameters(item.parameters, scope)
                self.uses.append((scope, item.target, None))
                self.waiting.append(((item.arguments, item.claims), scope))
            case ast.Block() | ast.Arch():
                self._parameters(item.parameters, scope)
                declared = [statement for statement in item.body.statements if isinstance(statement, ast.Input)]
                if len(declared) == 1 and isinstance(item, ast.Arch):
                    self.uses.append((scope, declared[0].name, None))  # the flow starts from it
                self.waiting.append((item.body, scope))

    def _node(self, node: Node, scope: _Scope) -> None:
        later = self.waiting
        match node:
            case ast.Literal():
                pass
            case ast.Stage():
                later.append((node.action, scope))
                if node.label is not None:
                    later.append((node.label, scope))
            case ast.Use():
                self.uses.append((scope, node.name, node))
                later.extend([(node.arguments, scope), (node.branches, scope)])
            case ast.Argument() | ast.Attribute():
                later.append((node.value, scope))
            case ast.Name():
                self.uses.append((scope, node, None))
                self.passed.add(node.text)
            case ast.Pipeline():
                if node.binding is not None:
                    scope.bind_all(node.binding, "value")
                later.append((node.stages, scope))
            case ast.Call(function=ast.Name() as name):
                self.uses.append((scope, name, None))
                later.append((node.arguments, scope))
            case ast.Let():
                scope.bind_all(node.pattern, "let")
                later.append((node.value, scope))
            case ast.Function():
                scope.bind(node.name, "function")
                own = self._inner(scope)
                self._parameters(node.parameters, own)
                later.append((node.value, own))
            case ast.Module(label=label):
                if len(label.parts) == 1 and isinstance(label.parts[0], str):
                    scope.bind(ast.Name(label.parts[0], label.span), "module")
                later.extend([(label, scope), (node.use, scope)])
            case ast.Init():
                # What follows is an initializer, also where an op has the same name.
                self.uses.extend([(scope, node.op, None), (scope, node.initializer.name, None)])
                later.append((node.initializer.arguments, scope))
            case ast.Input():
                scope.bind(node.name, "input")
                later.append((node.sizes, scope))
            case ast.Output():
                self.uses.extend((scope, name, None) for name in node.names)
            case ast.For():
                own = self._inner(scope)
                own.bind_all(node.pattern, "item")
                later.extend([(node.iterable, scope), (node.body, own)])
            case ast.Repeat():
                own = self._inner(scope)
                if node.name is not None:
                    own.bind(node.name, "counter")
                later.extend([(node.count, scope), (node.body, own)])
            case ast.Comprehension():
                own = self._inner(scope)
                for clause in node.clauses:
                    if isinstance(clause, ast.ForClause):
                        own.bind_all(clause.pattern, "comprehension")
                        later.append((clause.iterable, own))
                    else:
                        later.append((clause.test, own))
                later.append((node.element, own))
            case _:
                later.append((node.fields(), scope))


def takes_a_stage(parameter: ast.Parameter) -> bool:
    """Whether a parameter stands for a block or op, by its type or its default.

    One that stands for a number, such as `dropout = 0.1`, hides nothing by mistake: a number that is used as a stage is
    an error, which names the parameter.
    """
    if parameter.type is not None:
        return parameter.type.text in ("block", "op")
    default = parameter.default
    return isinstance(default.function if isinstance(default, ast.Call) else default, ast.Name)
