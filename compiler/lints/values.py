"""What the lints ask about the values of a graph: who makes them, who reads them, and which places."""

from collections.abc import Iterator
from typing import NamedTuple

from archc.compiler.analysis.cost import call_of
from archc.compiler.ir import Node, ShapedGraph
from archc.compiler.ops.field import Field


class Reading(NamedTuple):
    """One input of one node: who reads a value, and which of the node's inputs it is."""

    node: Node
    source: int


def makers(shaped: ShapedGraph) -> dict[int, Node]:
    """Return the node that leaves each value; inputs of the network have none."""
    return {value: node for node in shaped.graph.nodes for value in node.outputs}


def readings(shaped: ShapedGraph) -> dict[int, list[Reading]]:
    """Return who reads each value."""
    found: dict[int, list[Reading]] = {}
    for node in shaped.graph.nodes:
        for source, value in enumerate(node.inputs):
            found.setdefault(value, []).append(Reading(node, source))
    return found


def results(shaped: ShapedGraph) -> set[int]:
    """Return the values that are results of the network."""
    return {output.value for output in shaped.graph.outputs}


def fields(reading: Reading, shaped: ShapedGraph) -> Iterator[Field]:
    """Yield which places of the value each output of the reader reads."""
    call = call_of(reading.node, shaped)
    for result in range(len(reading.node.outputs)):
        yield reading.node.op.field(call, reading.source, result)
