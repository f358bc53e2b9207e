"""Scopes become classes: those of one block whose code is the same up to its values share one."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from archc.compiler.ir import Region, ShapedGraph, Tensor
from archc.compiler.source.definitions import Argument, Chain, Definition, Inner, Made, Run, folded, leaf, merged, regular, skeleton
from archc.compiler.source.forward import Forward, Statement, bindings, call_of, forward, parameter_names
from archc.compiler.source.forward import skeleton as forward_skeleton
from archc.compiler.source.keys import access
from archc.compiler.source.names import class_name, variable
from archc.compiler.source.parameters import Parameters
from archc.compiler.source.scopes import Scope, Step, scopes
from archc.dsl.source import Span

DEEPEST_INNER = 12  # how often a block that uses itself is handed to its own constructor
WIDEST_UNPACKING = 8
_WHOLE = "*"  # stands for all modules of an `nn.Sequential` at once


class Counted(NamedTuple):
    """The keys of the modules of a loop: `prefix` and a number that counts from `start`."""

    prefix: str
    start: int


class Plan(NamedTuple):
    """How one scope is written.

    form  "chain" (an `nn.Sequential`), "unpacked" (one whose `forward` names its modules), "loop" (rounds over the
          modules in it) or "module" (attributes)
    """

    form: str
    members: tuple[tuple["str | Counted", Definition], ...]
    forward: Forward | None
    origins: tuple[Span, ...]  # of the members


class Class:
    """A class that is written, with the scopes that are its instances."""

    __slots__ = ("base", "name", "number", "parameters", "plan", "plans", "scopes")

    def __init__(self, number: int, base: str) -> None:
        self.number = number
        self.base = base
        self.name = ""
        self.scopes: list[Scope] = []
        self.plans: list[Plan] = []

    def settle(self, types: Sequence[Tensor]) -> None:
        """Merge the instances, once all are known."""
        first = self.plans[0]
        members = tuple(
            (key, merged([plan.members[i][1] for plan in self.plans])) for i, (key, _) in enumerate(first.members)
        )
        self.plan = Plan(first.form, members, first.forward, first.origins)
        self.parameters = Parameters(self.scopes, [key for key, _ in members if isinstance(key, str)], types)
        for _, definition in members:
            self.parameters.visit(definition)
        self.parameters.visit_forward([plan.forward for plan in self.plans if plan.forward is not None])
        self.parameters.arrange()


class Written(NamedTuple):
    """All classes in the order in which they are written, and the name of the tuple of several results."""

    classes: tuple[Class, ...]
    result: str


def classes(shaped: ShapedGraph) -> Written:
    """Return the classes that a network is written as, the network's own last."""
    return _Classifier(shaped).run()


class _Classifier:
    def __init__(self, shaped: ShapedGraph) -> None:
        self.shaped = shaped
        self.scopes = scopes(shaped.graph)
        self.bound = bindings(shaped.graph)
        self.root = self.scopes[-1]
        self.order = {id(scope): index for index, scope in enumerate(self.scopes)}
        self.name = class_name(shaped.graph.name)
        self.result = class_name(self.name + "Output", {self.name}) if len(shaped.graph.outputs) > 1 else ""
        self.bases = {id(scope): _base(scope) for scope in self.scopes}
        self.inline = {id(scope) for scope in self.scopes if self._is_inline(scope)}
        self.class_of: dict[int, tuple[Class, int]] = {}
        self.all: list[Class] = []
        self.inner = self._recursions()

    def run(self) -> Written:
        groups: dict[object, Class] = {}
        for level in self._levels():
            opened: list[Class] = []
            for scope in level:
                plan = self._plan(scope)
                body = forward_skeleton(plan.forward) if plan.forward is not None else None
                key = (self.bases[id(scope)], plan.form, body, tuple((k, skeleton(d)) for k, d in plan.members))
                found = groups.get(key)
                if found is None:
                    found = groups[key] = Class(len(self.all), self.bases[id(scope)][1])
                    self.all.append(found)
                    opened.append(found)
                self.class_of[id(scope)] = (found, len(found.scopes))
                found.scopes.append(scope)
                found.plans.append(plan)
            for one in opened:
                one.settle(self.shaped.types)
        self.all.sort(key=lambda one: self.order[id(one.scopes[0])])
        self._name()
        return Written(tuple(self.all), self.result)

    # ---- which scopes are classes, and in which order they can be looked at

    def _is_inline(self, scope: Scope) -> bool:
        if scope is self.root or not self._is_chain(scope):
            return False
        return scope.region.kind != "block" or (len(scope.steps) == 1 and scope.steps[0].scope is not None)

    def _recursions(self) -> set[int]:
        """The scopes that are handed to the constructor of the same block around them."""
        found: set[int] = set()
        depth: dict[int, int] = {}
        for scope in self.scopes:
            inside = [s.scope for s in scope.steps if s.scope is not None and self.bases[id(s.scope)] == self.bases[id(scope)]]
            if scope.region.kind != "block" or len(inside) != 1:
                continue
            depth[id(scope)] = depth.get(id(inside[0]), 0) + 1
            if depth[id(scope)] <= DEEPEST_INNER:
                found.add(id(inside[0]))
        return found

    def _levels(self) -> list[list[Scope]]:
        """Scopes by how many classes lie within: a level needs only those before it."""
        height: dict[int, int] = {}  # of the scope itself
        needed: dict[int, int] = {}  # of it and what is handed to it
        levels: list[list[Scope]] = []
        for scope in self.scopes:
            own, handed = 0, 0
            for step in scope.steps:
                if step.scope is None:
                    continue
                key = id(step.scope)
                if key in self.inner:
                    handed = max(handed, needed[key])
                else:
                    own = max(own, needed[key] + (key not in self.inline))
            height[id(scope)] = own
            needed[id(scope)] = max(own, handed)
            if id(scope) in self.inline:
                continue
            while len(levels) <= own:
                levels.append([])
            levels[own].append(scope)
        return levels

    # ---- how a scope is written

    def _is_chain(self, scope: Scope) -> bool:
        if len(scope.inputs) != 1 or len(scope.outputs) != 1:
            return False
        value, position = scope.inputs[0], -1
        for step in scope.steps:
            if not step.live or step.training or step.inputs != (value,) or len(step.outputs) != 1:
                return False
            if not step.key.isdecimal() or not position < int(step.key) <= position + 4 or not self._fits_chain(step):
                return False
            if str(int(step.key)) != step.key:
                return False
            position = int(step.key)
            value = step.outputs[0]
        return scope.outputs == (value,)

    def _fits_chain(self, step: Step) -> bool:
        if step.scope is not None:
            return True
        assert step.node is not None
        op = step.node.op
        if op.module is None:
            return False
        return op.apply is None or op.apply(call_of(step, self.shaped)) is None

    def _plan(self, scope: Scope) -> Plan:
        if self._is_chain(scope):
            return self._chain(scope)
        members = scope.members()
        loop = self._loop(scope)
        if loop is not None:
            return loop
        graph = self.shaped.graph
        parameters = parameter_names(scope, graph)
        result = self.result if scope is self.root else ""
        if self._is_unpacked(scope, members):
            chained = _chained(scope, members)
            if chained is not None:
                body = forward(
                    chained, self.shaped, self.bound, {_WHOLE: "super().forward"}, parameters, result=result
                )
                return Plan("unpacked", self._numbered(scope, members), body, (scope.region.span,))
            names = _member_names(members, parameters)
            reserved = names if len(names) <= WIDEST_UNPACKING else []
            where = {step.key: reserved[i] if reserved else f"self[{i}]" for i, step in enumerate(members)}
            body = forward(scope, self.shaped, self.bound, where, parameters, taken=reserved, result=result)
            if reserved:
                unpacking = Statement((f"{', '.join(reserved)}{',' * (len(reserved) == 1)} = self",), None)
                body = body._replace(statements=(unpacking, *body.statements))
            return Plan("unpacked", self._numbered(scope, members), body, (scope.region.span,))
        kept = [step for step in members if self._is_kept(step)]
        keys = self._keys(kept)
        where = {step.key: access(keys[step.key]) for step in kept}
        body = forward(scope, self.shaped, self.bound, where, parameters, result=result)
        made: list[tuple[str, Definition]] = []
        origins: list[Span] = []
        for step in kept:
            for owner in _owners(keys[step.key]):
                if all(key != owner for key, _ in made):
                    made.append((owner, Made("nn.Module", ())))  # a label that only holds what is within
                    origins.append(step.span)
            made.append((keys[step.key], self._definition(step, scope)))
            origins.append(step.span)
        return Plan("module", tuple(made), body, tuple(origins))

    def _chain(self, scope: Scope) -> Plan:
        return Plan("chain", ((".", folded(self._items(scope))),), None, (scope.region.span,))

    def _items(self, scope: Scope) -> list[Definition]:
        items: list[Definition] = []
        for step in scope.steps:
            while len(items) < int(step.key):
                items.append(Made("nn.Identity", ()))  # a block without steps has a number, too
            items.append(self._definition(step, scope))
        return items

    def _is_unpacked(self, scope: Scope, members: list[Step]) -> bool:
        if [step.key for step in members] != [str(i) for i in range(len(members))] or len(members) < 2:
            return False
        return all(step.scope is not None or (step.node is not None and step.node.op.module is not None) for step in members)

    def _numbered(self, scope: Scope, members: list[Step]) -> tuple[tuple[str, Definition], ...]:
        return ((".", folded([self._definition(step, scope) for step in members])),)

    def _is_kept(self, step: Step) -> bool:
        """Say whether a step has a module in a class with attributes: one with weights, a label, or no function."""
        node = step.node
        if node is None:
            return True
        if node.op.module is None or (node.op.given is not None and len(node.inputs) > 1):
            return False
        return node.labelled or node.op.function is None or bool(node.op.weights(call_of(step, self.shaped)))

    def _keys(self, kept: list[Step]) -> dict[str, str]:
        """The key of each module: its own, or a name for one that is in no `state_dict` and has only a number."""
        taken = {step.key for step in kept}
        keys = {}
        for step in kept:
            keys[step.key] = step.key
            if step.node is not None and not step.node.labelled and not step.node.op.weights(call_of(step, self.shaped)):
                keys[step.key] = variable(step.node.op.name, taken)
                taken.add(keys[step.key])
        return keys

    def _definition(self, step: Step, parent: Scope) -> Definition:
        scope = step.scope
        if scope is None:
            assert step.node is not None
            assert step.node.op.module is not None
            return leaf(step.node.op, step.node.op.module(call_of(step, self.shaped)))
        if id(scope) in self.inner and parent.region.kind == "block" and self.bases[id(parent)] == self.bases[id(scope)]:
            return Inner(scope)
        if id(scope) in self.inline:
            return folded(self._items(scope))
        return self._use(scope)

    def _use(self, scope: Scope) -> Made:
        found, index = self.class_of[id(scope)]
        arguments = []
        for parameter in found.parameters.ordered:
            value = parameter.values[index]
            if isinstance(value, Scope):
                value = folded(self._items(value)) if id(value) in self.inline else self._use(value)
            name = parameter.name if parameter.has_default else None
            arguments.append(Argument(name, value, parameter.name, parameter.default))
        return Made(found, tuple(arguments))

    # ---- loops

    def _loop(self, scope: Scope) -> Plan | None:
        """The plan of a scope that is one loop over modules that are alike, or `None`."""
        rounds = _rounds(scope)
        if len(rounds) < 2 or len(scope.inputs) != 1 or len(scope.outputs) != 1:
            return None
        value = scope.inputs[0]
        definitions: list[Definition] = []
        bodies: list[Forward] = []
        first: Counted | None = None
        for number, (region, steps) in enumerate(rounds):
            inside = Scope(region)
            inside.steps = steps
            inside.inputs, inside.outputs = region.inputs, region.outputs
            keyed = [step for step in steps if step.key and self._is_kept(step)]
            if region.inputs != (value,) or len(region.outputs) != 1 or len(keyed) != 1:
                return None
            outside = {v for step in steps for v in step.inputs} - {v for step in steps for v in step.outputs}
            match = re.fullmatch(r"(.*?)(0|[1-9]\d*)", keyed[0].key, re.ASCII)
            if outside != {value} or match is None or not all(step.live and not step.training for step in steps):
                return None
            counted = Counted(match[1], int(match[2]) - number)
            first = first or counted
            if counted != first:
                return None
            definitions.append(self._definition(keyed[0], scope))
            bodies.append(forward(inside, self.shaped, self.bound, {keyed[0].key: "layer"}, ("x",), taken=["layer"]))
            value = region.outputs[0]
        alike = regular(definitions) if all(body == bodies[0] for body in _anonymous(bodies)) else None
        if alike is None or first is None or value != scope.outputs[0] or (not first.prefix and first.start):
            return None
        return Plan("loop", ((first, Run(len(rounds), alike)),), bodies[0], (rounds[0][0].span,))

    # ---- names

    def _name(self) -> None:
        taken = {self.name, self.result}
        kinds: dict[str, list[Class]] = {}
        for one in self.all:
            kinds.setdefault(one.base, []).append(one)
        for base, variants in kinds.items():
            if any(self.root in one.scopes for one in variants):
                variants[0].name = self.name
                continue
            plain = min(variants, key=lambda one: (len(_labels(one)), -len(one.scopes)))
            for one in sorted(variants, key=lambda one: one is not plain):
                one.name = class_name(base if one is plain else base + _difference(one, plain), taken)
                taken.add(one.name)


def _base(scope: Scope) -> tuple[object, str]:
    """What a scope is an instance of, and the name its class gets from that."""
    region = scope.region
    if region.definition is not None:
        return region.definition.name.span, region.name
    if region.kind == "block":
        return "", region.name
    label = scope.path.rpartition(".")[2]
    return region.span, re.sub(r"[\d_-]+$", "", label) or "block"


def _rounds(scope: Scope) -> list[tuple[Region, list[Step]]]:
    """The rounds of the loop that a scope consists of, with the steps of each."""
    region = scope.region
    while len(region.children) == 1 and region.children[0].kind != "loop" and region.children[0].path is None:
        region = region.children[0]
    if len(region.children) != 1 or region.children[0].kind != "loop":
        return []
    loop = region.children[0]
    if (loop.start, loop.end) != (scope.region.start, scope.region.end):
        return []
    return [(one, [s for s in scope.steps if one.start <= s.start < one.end]) for one in loop.children]


def _owners(key: str) -> list[str]:
    """The keys of what a module lies in: `a` and `a.b` for `a.b.c`."""
    parts = key.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _chained(scope: Scope, members: list[Step]) -> Scope | None:
    """The scope with one step for all its modules, when they are run one after the other on one value."""
    first, last = members[0], members[-1]
    start = scope.steps.index(first)
    run = scope.steps[start : start + len(members)]
    if run != members or len(first.inputs) != 1:
        return None
    value = first.inputs[0]
    for step in run:
        if step.inputs != (value,) or len(step.outputs) != 1 or not step.live or step.training:
            return None
        if step.node is not None and step.node.op.apply is not None:
            return None
        value = step.outputs[0]
    between = {step.outputs[0] for step in run[:-1]}
    rest = [*scope.steps[:start], *scope.steps[start + len(run) :]]
    if not between.isdisjoint(scope.outputs) or any(not between.isdisjoint(step.inputs) for step in rest):
        return None
    whole = Scope(scope.region)
    whole.inputs, whole.outputs = scope.inputs, scope.outputs
    one = Step(first.start, _WHOLE, first.place, first.inputs, last.outputs, span=last.span, scope=whole, live=True, training=False)
    whole.steps = [*scope.steps[:start], one, *scope.steps[start + len(run) :]]
    return whole


def _anonymous(bodies: list[Forward]) -> list[Forward]:
    """The bodies with the places of the first, so that equal text compares equal."""
    origins = [statement.origin for statement in bodies[0].statements]
    result = []
    for body in bodies:
        if len(body.statements) != len(origins):
            return [*bodies[:1], Forward((), ())]
        statements = tuple(s._replace(origin=o) for s, o in zip(body.statements, origins, strict=True))
        result.append(body._replace(statements=statements))
    return result


def _member_names(members: list[Step], parameters: tuple[str, ...]) -> list[str]:
    """Names for the numbered modules of a class: what each is, numbered where there are several."""
    kinds = [step.scope.region.name or "chain" if step.scope is not None else step.node.op.name for step in members]  # type: ignore[union-attr]
    names: list[str] = []
    for number, kind in enumerate(kinds):
        same = kinds.count(kind)
        wish = f"{kind}{kinds[: number + 1].count(kind)}" if same > 1 else kind
        names.append(variable(wish, {*names, *parameters, "x"}))
    return names


def _labels(one: Class) -> list[str]:
    return [key for key, _ in one.plan.members if isinstance(key, str) and key[:1].isalpha()]


def _difference(one: Class, plain: Class) -> str:
    """What a class has that the plain one of its block has not: a label, else the value of a parameter."""
    known = _labels(plain)
    extra = [key for key in _labels(one) if key not in known]
    if extra:
        return f"_{extra[0]}"
    mine, others = _arguments(one), _arguments(plain)
    for name, values in mine.items():
        value = next(iter(values))
        if len(values) == 1 and value not in others.get(name, set()):
            if value in ("True", "False"):
                return f"_{name}" if value == "True" else f"_no_{name}"
            if value.isdecimal():
                return f"_{name}{value}"
    return ""


def _arguments(one: Class) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for scope in one.scopes:
        for name, value in scope.region.arguments.items():
            if type(value) in (bool, int):
                found.setdefault(name, set()).add(repr(value))
    return found
