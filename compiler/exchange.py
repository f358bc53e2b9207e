"""A checked network as a graph of networkx, for questions that graph algorithms answer."""

from typing import TYPE_CHECKING

from archc.compiler.analysis.cost import costs
from archc.compiler.ir import ShapedGraph

if TYPE_CHECKING:
    import networkx as nx


def to_networkx(shaped: ShapedGraph) -> "nx.MultiDiGraph[str | int]":
    """Return a directed graph: a node per operator by its number, an input or result by its name, an edge per use.

    Operators have `op`, `path`, `params` and `macs`; edges have `shape`, without the batch. A value that is taken
    twice by one operator makes two edges.
    """
    import networkx as nx  # takes longer to import than `archc check` may take

    graph: nx.MultiDiGraph[str | int] = nx.MultiDiGraph(name=shaped.graph.name)
    source: dict[int, str | int] = {}
    for value, entry in enumerate(shaped.graph.inputs):
        graph.add_node(entry.name, op="input", path="", params=0, macs=0)
        source[value] = entry.name
    for number, (node, cost) in enumerate(zip(shaped.graph.nodes, costs(shaped), strict=True)):
        graph.add_node(number, op=node.op.name, path=node.path, params=cost.params, macs=cost.macs)
        for value in node.inputs:
            graph.add_edge(source[value], number, shape=shaped.types[value].shape)
        source.update((value, number) for value in node.outputs)
    for output in shaped.graph.outputs:
        graph.add_node(output.name, op="output", path="", params=0, macs=0)
        graph.add_edge(source[output.value], output.name, shape=shaped.types[output.value].shape)
    return graph
