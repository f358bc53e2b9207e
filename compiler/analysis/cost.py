"""What a network costs: parameters, buffers and multiply-adds of every node, exact.

Multiply-adds are those of convolutions, linear layers, matrix products and attention, for one sample in evaluation.
"""

from math import prod
from typing import NamedTuple

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Node, ShapedGraph
from archc.compiler.ops.entry import Call


class Cost(NamedTuple):
    """The cost of one node or of several. `macs` depends on the input's size when that is symbolic.

    `unknown` says that classes of one's own are among them, whose cost nobody here knows and which is left out.
    `idle` counts those of the parameters that evaluation never uses, such as an auxiliary head's.
    """

    params: int
    buffers: int
    macs: Size
    unknown: bool = False
    idle: int = 0


def call_of(node: Node, shaped: ShapedGraph) -> Call:
    """Return a node as the rules of its operator see it, inputs and outputs known."""
    inputs = tuple(shaped.types[value] for value in node.inputs)
    return Call(node.arguments, inputs, tuple(shaped.types[value] for value in node.outputs))


def costs(shaped: ShapedGraph) -> tuple[Cost, ...]:
    """Return the cost of every node; weights that are used again cost nothing the second time."""
    seen: set[str] = set()
    needed = shaped.graph.needed(output.value for output in shaped.graph.outputs if not output.training)
    runs = [not needed.isdisjoint(node.outputs) for node in shaped.graph.nodes]
    used = {node.path for node, run in zip(shaped.graph.nodes, runs, strict=True) if run}
    result = []
    for node, run in zip(shaped.graph.nodes, runs, strict=True):
        call = call_of(node, shaped)
        weights = () if node.path in seen else node.op.weights(call)
        if weights:
            seen.add(node.path)
        params = sum(prod(weight.shape) for weight in weights if not weight.buffer)
        buffers = sum(prod(weight.shape) for weight in weights if weight.buffer)
        idle = 0 if node.path in used else params
        macs = node.op.macs(call) if run else 0
        result.append(Cost(params, buffers, macs, node.op.external is not None, idle))
    return tuple(result)


def total(parts: tuple[Cost, ...]) -> Cost:
    """Add costs up.

    >>> total((Cost(10, 0, 100), Cost(5, 2, 0)))
    Cost(params=15, buffers=2, macs=100, unknown=False, idle=0)
    """
    macs: Size = 0
    for part in parts:
        macs = macs + part.macs
    unknown = any(part.unknown for part in parts)
    sums = {name: sum(getattr(part, name) for part in parts) for name in ("params", "buffers", "idle")}
    return Cost(**sums, macs=macs, unknown=unknown)
