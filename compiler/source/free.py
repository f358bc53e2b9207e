"""The parameters of an architecture that are numbers in its constructors and nothing else: arguments of its class.

Such a number is followed from the text (`reach`) through the sizes of the values to the arguments of the modules, and
there it is a `Multiple` of the parameter instead of an integer. A parameter that decides anything else is compiled in.
"""

from collections.abc import Mapping
from typing import NamedTuple

from archc.compiler.algebra.conditions import Conditions
from archc.compiler.algebra.sizes import NotExact
from archc.compiler.ir import Graph, Node, ShapedGraph, Tensor
from archc.compiler.ops.entry import Call, Construct, Problem
from archc.compiler.problems import Stop
from archc.compiler.source.decisions import nodes
from archc.compiler.source.reach import Reach, reach
from archc.dsl import ast

OTHER = 100_003  # a prime that no number of a network is likely to be


class Multiple(NamedTuple):
    """A number that is `factor` times a parameter of the architecture; here it is `value`."""

    parameter: str
    factor: int
    value: int


class Free(NamedTuple):
    """What depends on the free parameters of a network.

    constructs  the modules of operators, by the `id` of their node
    shapes      the sizes of values, by their number
    arguments   what blocks are used with, by the `id` of their region
    """

    constructs: Mapping[int, Construct] = {}
    shapes: Mapping[int, tuple[object, ...]] = {}
    arguments: Mapping[int, Mapping[str, object]] = {}


def free(shaped: ShapedGraph) -> Free:
    """Follow the free parameters of a network to all that depends on them."""
    found = Free({}, {}, {})
    for name, value in shaped.graph.parameters.items():
        if type(value) is not int or value < 1:
            continue
        reached = reach(shaped.graph, name)
        one = _Following(shaped, name, value, reached).run() if reached is not None else None
        if one is not None:
            found = _both(found, one) or found
    return found


def _both(a: Free, b: Free) -> Free | None:
    """What depends on one parameter or another; `None` where a number depends on both."""
    constructs, shapes, arguments = dict(a.constructs), dict(a.shapes), dict(a.arguments)
    for node, construct in b.constructs.items():
        if node in constructs:
            pairs = list(zip(constructs[node].arguments, construct.arguments, strict=True))
            if any(isinstance(x, Multiple) and isinstance(y, Multiple) for (_, x), (_, y) in pairs):
                return None
            listed = tuple((name, y if isinstance(y, Multiple) else x) for (name, x), (_, y) in pairs)
            constructs[node] = construct._replace(arguments=listed)
        else:
            constructs[node] = construct
    for value, shape in b.shapes.items():
        known = shapes.get(value, shape)
        shapes[value] = tuple(y if isinstance(y, Multiple) else x for x, y in zip(known, shape, strict=True))
    for region, values in b.arguments.items():
        arguments[region] = {**arguments.get(region, {}), **values}
    return Free(constructs, shapes, arguments)


class _Differs(Exception):
    """With another value the network is another one."""


class _Following:
    """One parameter: the network with another value of it is compared with the network as it is."""

    def __init__(self, shaped: ShapedGraph, name: str, value: int, reached: Reach) -> None:
        self.shaped = shaped
        self.name = name
        self.value = value
        self.reached = reached
        self.types: dict[int, Tensor] = {}  # those that are others
        self.constructs: dict[int, Construct] = {}

    def run(self) -> Free | None:
        graph = self.shaped.graph
        for number, axis in self.reached.sizes:
            known = self.types.get(number, graph.inputs[number].type)
            self.types[number] = known._replace(shape=(*known.shape[:axis], OTHER, *known.shape[axis + 1 :]))
        names: dict[int, set[str]] = {}
        for index, name in self.reached.nodes:
            names.setdefault(index, set()).add(name)
        try:
            for index, node in enumerate(graph.nodes):
                if index in names or not self.types.keys().isdisjoint(node.inputs):
                    self._follow(node, names.get(index, set()))
            shapes = {value: self._sizes(value) for value in self.types}
        except (_Differs, Problem, NotExact, Stop):
            return None
        if not self.constructs or self._is_read(graph):
            return None
        arguments = {
            region: dict.fromkeys(names, Multiple(self.name, 1, self.value))
            for region, names in self.reached.regions.items()
        }
        # The network's own arguments are called as its parameters are.
        arguments[id(graph.root)] = {self.name: Multiple(self.name, 1, self.value)}
        return Free(self.constructs, shapes, arguments)

    def _sizes(self, value: int) -> tuple[object, ...]:
        pairs = zip(self.shaped.types[value].shape, self.types[value].shape, strict=True)
        return tuple(self._multiple(here, there) for here, there in pairs)

    def _multiple(self, here: object, there: object) -> object:
        """What a number is over the parameter, from what it is here and with the other value."""
        if type(here) is type(there) and here == there:
            return here
        if type(here) is int and type(there) is int and here % self.value == 0:
            factor = here // self.value
            if factor >= 1 and factor * OTHER == there:
                return Multiple(self.name, factor, here)
        raise _Differs

    def _follow(self, node: Node, names: set[str]) -> None:
        """Compare an operator with what it is with the other value."""
        types, op = self.shaped.types, node.op
        conditions, other_conditions = Conditions(), Conditions()
        inputs = tuple(types[value] for value in node.inputs)
        others = tuple(self.types.get(value, types[value]) for value in node.inputs)
        arguments = {**node.arguments, **dict.fromkeys(names, OTHER)}
        outputs = op.shape(Call(node.arguments, inputs, conditions=conditions, cause=node.span))
        changed = op.shape(Call(arguments, others, conditions=other_conditions, cause=node.span))
        if (*conditions.summary(), *conditions.relations()) != (
            *other_conditions.summary(),
            *other_conditions.relations(),
        ):
            raise _Differs
        here, there = Call(node.arguments, inputs, outputs), Call(arguments, others, changed)
        for value, a, b in zip(node.outputs, outputs, changed, strict=True):
            if a != b:
                self.types[value] = b
        weights = [weight.name for weight in op.weights(here)]
        if weights != [weight.name for weight in op.weights(there)]:
            raise _Differs
        rules = [op.apply, op.tensor]
        if not weights:
            rules.append(op.function)
        if len(node.inputs) > 1:
            rules.append(op.given)
        if any(rule is not None and rule(here) != rule(there) for rule in rules):
            raise _Differs
        if op.module is None:
            return
        made, other = op.module(here), op.module(there)
        if made.callee != other.callee or [n for n, _ in made.arguments] != [n for n, _ in other.arguments]:
            raise _Differs
        pairs = zip(made.arguments, other.arguments, strict=True)
        lifted = tuple((name, self._multiple(a, b)) for (name, a), (_, b) in pairs)
        if lifted != made.arguments:
            self.constructs[id(node)] = made._replace(arguments=lifted)

    # ---- sizes that the text reads

    def _is_read(self, graph: Graph) -> bool:
        """Say whether the text of a block may read a size that is another one."""
        read: dict[int, list[ast.Attribute]] = {}  # the sizes that a block reads
        for region in graph.root.walk():
            block = region.definition
            if block is None:
                continue
            if id(block) not in read:
                read[id(block)] = [one for one in nodes(block.body) if isinstance(one, ast.Attribute)]
            if not read[id(block)]:
                continue
            inside = graph.nodes[region.start : region.end]
            around = {*region.inputs, *region.outputs, *(v for node in inside for v in (*node.inputs, *node.outputs))}
            around &= self.types.keys()
            flowing_in = around & {*region.inputs}
            for attribute in read[id(block)]:
                is_in = isinstance(attribute.value, ast.Name) and attribute.value.text == "in"
                if any(self._is_other(value, attribute.name.text) for value in (flowing_in if is_in else around)):
                    return True
        return False

    def _is_other(self, value: int, attribute: str) -> bool:
        axes = {"channels": slice(1), "height": slice(-2, -1), "width": slice(-1, None), "features": slice(-1, None)}
        part = axes.get(attribute, slice(None))
        return self.shaped.types[value].shape[part] != self.types[value].shape[part]
