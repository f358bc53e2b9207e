"""What a network costs: parameters, buffers and multiply-adds of every node, exact.

Multiply-adds are those of convolutions, linear layers, matrix products and attention, for one sample.
"""

from math import prod
from typing import NamedTuple

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Node, ShapedGraph
from archc.compiler.ops.entry import Call


class Cost(NamedTuple):
    """The cost of one node or of several. `macs` depends on the input's size when that is symbolic.

    `unknown` says that classes of one's own are among them, whose cost nobody here knows and which is left out.
    """

    params: int
    buffers: int
    macs: Size
    unknown: bool = False


def call_of(node: Node, shaped: ShapedGraph) -> Call:
    """Return a node as the rules of its operator see it, inputs and outputs known."""
    inputs = tuple(shaped.types[value] for value in node.inputs)
    return Call(node.arguments, inputs, tuple(shaped.types[value] for value in node.outputs))


def costs(shaped: ShapedGraph) -> tuple[Cost, ...]:
    """Return the cost of every node; weights that are used again cost nothing the second time."""
    seen: set[str] = set()
    result = []
    for node in shaped.graph.nodes:
        call = call_of(node, shaped)
        weights = () if node.path in seen else node.op.weights(call)
        if weights:
            seen.add(node.path)
        sizes = {kept: sum(prod(w.shape) for w in weights if w.buffer is kept) for kept in (False, True)}
        result.append(Cost(sizes[False], sizes[True], node.op.macs(call), node.op.external is not None))
    return tuple(result)


def total(parts: tuple[Cost, ...]) -> Cost:
    """Add costs up.

    >>> total((Cost(10, 0, 100), Cost(5, 2, 0)))
    Cost(params=15, buffers=2, macs=100, unknown=False)
    """
    macs: Size = 0
    for part in parts:
        macs = macs + part.macs
    unknown = any(part.unknown for part in parts)
    return Cost(sum(part.params for part in parts), sum(part.buffers for part in parts), macs, unknown)
