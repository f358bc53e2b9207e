"""Scopes become classes: those of one block whose code is the same up to its values share one."""

from collections.abc import Iterable

from archc.compiler.ir import ShapedGraph
from archc.compiler.source.classes import Class, Counted, Plan, Written
from archc.compiler.source.definitions import (
    Argument,
    Chain,
    Definition,
    Inner,
    Made,
    Run,
    folded,
    leaf,
    regular,
    skeleton,
    tensor,
)
from archc.compiler.source.flows import bindings, module_names, parameter_names, variables
from archc.compiler.source.forward import Forward, Statement, anonymous, call_of, forward, words
from archc.compiler.source.forward import skeleton as forward_skeleton
from archc.compiler.source.free import free
from archc.compiler.source.keys import access
from archc.compiler.source.lengths import merge_lengths
from archc.compiler.source.names import class_name, is_attribute, variable
from archc.compiler.source.naming import name_classes
from archc.compiler.source.overwriting import overwrites
from archc.compiler.source.scopes import Scope, Step, scopes
from archc.compiler.source.structure import (
    NUMBERED,
    WHOLE,
    WIDEST_UNPACKING,
    base_of,
    chained,
    children,
    counted,
    listed,
    member_names,
    owners_of,
    recursions,
    rounds_of,
)
from archc.compiler.source.variants import merge_variants
from archc.dsl.source import Span

SEQUENTIAL_ATTRIBUTES = frozenset({"append", "extend", "insert", "pop"})


def classes(shaped: ShapedGraph, taken: Iterable[str] = ()) -> Written:
    """Return the classes that a network is written as, the network's own last; none is called as what is imported."""
    return _Classifier(shaped, frozenset(taken)).run()


class _Classifier:
    def __init__(self, shaped: ShapedGraph, taken: frozenset[str]) -> None:
        self.shaped = shaped
        self.taken = taken
        self.scopes = scopes(shaped.graph)
        self.bound = bindings(shaped.graph)
        self.free = free(shaped)
        self.root = self.scopes[-1]
        self.order = {id(scope): index for index, scope in enumerate(self.scopes)}
        taken |= {name for name in variables(shaped.graph) if name[:1].isupper()}
        self.name = class_name(shaped.graph.name, taken)
        self.result = class_name(self.name + "Output", {self.name, *taken}) if len(shaped.graph.outputs) > 1 else ""
        self.bases = {id(scope): base_of(scope) for scope in self.scopes}
        self.inline = {id(scope) for scope in self.scopes if self._is_inline(scope)}
        self.class_of: dict[int, tuple[Class, int]] = {}
        self.all: list[Class] = []
        self.inner = recursions(self.scopes, self.bases)

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
                    found = groups[key] = Class(len(groups), self.bases[id(scope)][1])
                    opened.append(found)
                found.scopes.append(scope)
                found.plans.append(plan)
            for one in merge_lengths(merge_variants(opened, self._attributes)):
                one.settle(self.shaped.types, self.free)
                self.class_of.update({id(scope): (one, index) for index, scope in enumerate(one.scopes)})
                self.all.append(one)
        self.all.sort(key=lambda one: self.order[id(one.scopes[0])])
        written = {word for one in self.all for plan in one.plans[:1] for word in words(plan.forward)}
        name_classes(self.all, self.name, {self.name, self.result, *self.taken, *written})
        return Written(tuple(self.all), self.result)

    # ---- which scopes are classes, and in which order they can be looked at

    def _is_inline(self, scope: Scope) -> bool:
        if scope is self.root or not self._is_chain(scope):
            return False
        return scope.region.kind != "block" or (len(scope.steps) == 1 and scope.steps[0].scope is not None)

    def _levels(self) -> list[list[Scope]]:
        """Scopes by how many classes lie within: a level needs only those before it."""
        height: dict[int, int] = {}  # of the scope itself
        needed: dict[int, int] = {}  # of it and what is handed to it
        levels: list[list[Scope]] = []
        for scope in self.scopes:
            own, handed = 0, 0
            for step in scope.steps:
                if step.scope is None or step.shared:
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
            if not step.live or step.training or step.shared or step.inputs != (value,) or len(step.outputs) != 1:
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
            return not step.scope.taken
        assert step.node is not None
        op = step.node.op
        if op.module is None:
            return False
        return op.apply is None or op.apply(call_of(step, self.shaped)) is None

    def _plan(self, scope: Scope) -> Plan:
        if self._is_chain(scope):
            return self._chain(scope)
        members = scope.members()
        if self._is_named_chain(scope, members):
            return self._named_chain(scope)
        loop = self._loop(scope)
        if loop is not None:
            return loop
        parameters, modules, result = self._names(scope)
        numbered = self._numbered_members(members) if scope.outputs else []
        if numbered:
            whole = chained(scope, numbered)
            if whole is not None:
                body = forward(
                    whole, self.shaped, self.bound, {WHOLE: "super().forward"}, parameters, modules, result=result
                )
                return Plan("unpacked", self._numbered(scope, numbered), body, (scope.region.span,))
            reserved = member_names(numbered, parameters) if len(numbered) <= WIDEST_UNPACKING else []
            where = {step.key: reserved[i] if reserved else f"self[{i}]" for i, step in enumerate(numbered)}
            body = forward(scope, self.shaped, self.bound, where, parameters, modules, taken=reserved, result=result)
            if reserved:
                body = _unpacking(body, reserved, "self")
            return Plan("unpacked", self._numbered(scope, numbered), body, (scope.region.span,))
        return self._attributes(scope)

    def _names(self, scope: Scope) -> tuple[tuple[str, ...], dict[str, str], str]:
        """What `forward` calls the values and the modules it takes, and the class of several results."""
        parameters = parameter_names(scope, self.shaped.graph)
        return parameters, module_names(scope, parameters), self.result if scope is self.root else ""

    def _attributes(self, scope: Scope) -> Plan:
        """The plan of a scope as a module whose modules are attributes: any scope can be written so."""
        parameters, modules, result = self._names(scope)
        kept = [step for step in scope.members() if self._is_kept(step)]
        keys = self._keys(kept)
        lists = listed(list(keys.values()))
        where = {step.key: access(keys[step.key], step.node.op.own if step.node else "", lists) for step in kept}
        unpacked = children(kept, keys, parameters)
        where.update(unpacked)
        # A block whose result reaches no output exists, but is not run.
        run = None
        if scope.outputs:
            taken = list(unpacked.values())
            run = forward(scope, self.shaped, self.bound, where, parameters, modules, taken=taken, result=result)
            if taken:
                run = _unpacking(run, taken, "self.children()")
        made: dict[str, Definition] = {}
        origins: list[Span] = []
        for step in kept:
            owner = keys[step.key].rpartition(".")[0]
            key = owner if owner in lists else keys[step.key]
            for outer in (*owners_of(key), key):
                if outer in made:
                    continue
                if outer != key:
                    made[outer] = Made("nn.Module", ())  # a label that only holds what is within
                else:
                    made[key] = self._list(key, kept, keys, scope) if key == owner else self._definition(step, scope)
                origins.append(step.span)
        return Plan("module", tuple(made.items()), run, tuple(origins))

    def _list(self, owner: str, kept: list[Step], keys: dict[str, str], scope: Scope) -> Chain:
        items = [self._definition(step, scope) for step in kept if keys[step.key].rpartition(".")[0] == owner]
        return folded(items)._replace(listed=True)

    def _is_named_chain(self, scope: Scope, members: list[Step]) -> bool:
        """Say whether a scope is its modules one after the other, each under a label."""
        if len(scope.inputs) != 1 or not members or members != scope.steps:
            return False
        value = scope.inputs[0]
        for step in members:
            if step.inputs != (value,) or len(step.outputs) != 1 or not step.live or step.training or step.shared:
                return False
            if not is_attribute(step.key.replace("-", "_")) or step.key in SEQUENTIAL_ATTRIBUTES:
                return False
            if (step.node is not None and step.node.op.own) or not self._fits_chain(step):
                return False
            value = step.outputs[0]
        return scope.outputs == (value,)

    def _named_chain(self, scope: Scope) -> Plan:
        made: list[tuple[str | Counted, Definition]] = []
        origins: list[Span] = []
        steps = list(scope.steps)
        definitions = [self._definition(step, scope) for step in steps]
        position = 0
        while position < len(steps):
            keys, length = counted(steps, definitions, position)
            alike = regular(definitions[position : position + length]) if length > 2 else None
            if alike is not None and keys is not None:
                made.append((keys, Run(length, alike)))
            else:
                length = 1
                made.append((steps[position].key, definitions[position]))
            origins.append(steps[position].span)
            position += length
        return Plan("named", tuple(made), None, tuple(origins))

    def _chain(self, scope: Scope) -> Plan:
        return Plan("chain", ((".", folded(self._items(scope))),), None, (scope.region.span,))

    def _items(self, scope: Scope) -> list[Definition]:
        items: list[Definition] = []
        for step in scope.steps:
            while len(items) < int(step.key):
                items.append(Made("nn.Identity", ()))  # a block without steps has a number, too
            items.append(self._definition(step, scope))
        return items

    def _numbered_members(self, members: list[Step]) -> list[Step]:
        """The modules of a scope whose keys count from 0, if those after them need none; otherwise nothing."""
        found: list[Step] = []
        for step in members:
            if step.key != str(len(found)) or (step.node is not None and step.node.op.module is None):
                break
            found.append(step)
        return found if len(found) > 1 and not any(map(self._is_kept, members[len(found) :])) else []

    def _numbered(self, scope: Scope, members: list[Step]) -> tuple[tuple[str, Definition], ...]:
        return ((".", folded([self._definition(step, scope) for step in members])),)

    def _is_kept(self, step: Step) -> bool:
        """Say whether a step has a module in a class with attributes: one with weights, a label, or no function."""
        node = step.node
        if node is None or node.op.own:
            return True
        if node.op.module is None or (node.op.given is not None and len(node.inputs) > 1):
            return False
        return node.labelled or node.op.function is None or bool(node.op.weights(call_of(step, self.shaped)))

    def _keys(self, kept: list[Step]) -> dict[str, str]:
        """The key of each module: its own, or a name for one that is in no `state_dict` and has only a number."""
        taken = {step.key for step in kept}
        keys: dict[str, str] = {}
        seen: dict[str, int] = {}
        for step in kept:
            keys[step.key] = step.key
            if step.node is not None and step.node.op.own == "constant":
                label = step.node.path.rpartition(".")[2] or "constant"
                name = variable(label, taken)
                keys[step.key] = name if is_attribute(name) else variable(f"its {name}", taken)
                taken.add(keys[step.key])
            elif (
                step.node is not None
                and not step.node.labelled
                and step.node.op.external is None
                and not step.node.op.weights(call_of(step, self.shaped))
            ):
                name = step.node.op.name
                seen[name] = seen.get(name, 0) + 1
                keys[step.key] = variable(name if seen[name] == 1 else f"{name}{seen[name]}", taken)
                taken.add(keys[step.key])
        return keys

    def _definition(self, step: Step, parent: Scope) -> Definition:
        scope = step.scope
        if scope is None:
            assert step.node is not None
            if step.node.op.tensor is not None:
                name = self.shaped.graph.names.get(step.outputs[0], "constant") if step.key[0] == "." else step.key
                return tensor(step.node.op, step.node.op.tensor(call_of(step, self.shaped)), name)
            assert step.node.op.module is not None
            built = self.free.constructs.get(id(step.node))
            made = leaf(step.node.op, built or step.node.op.module(call_of(step, self.shaped)))
            if overwrites(step, parent, self.shaped):
                return made._replace(arguments=(*made.arguments, Argument("inplace", True, "inplace", False)))
            return made
        if (
            id(scope) in self.inner
            and parent.region.kind == "block"
            and self.bases[id(parent)] == self.bases[id(scope)]
        ):
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
        if scope.taken or any(step.shared or not step.live for step in scope.steps):
            return None  # the modules to go through are not all there are
        rounds = rounds_of(scope)
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
            if keyed[0].node is not None and keyed[0].node.op.own:
                return None  # a tensor is no child to go through
            outside = {v for step in steps for v in step.inputs} - {v for step in steps for v in step.outputs}
            match = NUMBERED.fullmatch(keyed[0].key)
            if outside != {value} or match is None or not all(step.live and not step.training for step in steps):
                return None
            this = Counted(match[1], int(match[2]) - number)
            first = first or this
            if this != first:
                return None
            definitions.append(self._definition(keyed[0], scope))
            bodies.append(
                forward(inside, self.shaped, self.bound, {keyed[0].key: "layer"}, ("x",), {}, taken=["layer"])
            )
            value = region.outputs[0]
        texts = [anonymous(body) for body in bodies]
        alike = regular(definitions) if all(text == texts[0] for text in texts) else None
        if alike is None or first is None or value != scope.outputs[0] or (not first.prefix and first.start):
            return None
        return Plan("loop", ((first, Run(len(rounds), alike)),), bodies[0], (rounds[0][0].span,))


def _unpacking(body: Forward, names: list[str], modules: str) -> Forward:
    """A body that first gives names to the modules of its class."""
    return body._replace(statements=(Statement((f"{', '.join(names)} = {modules}",), None), *body.statements))
