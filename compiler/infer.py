"""Graph to shaped graph: every value gets its type, every claim about sizes is checked."""

from archc.compiler.ir import Graph, ShapedGraph
from archc.compiler.shapes import Shapes
from archc.dsl.diagnostics import ArchError


def infer(graph: Graph, shapes: Shapes | None = None) -> ShapedGraph:
    """Return the graph with the type of every value; `shapes` holds those that elaboration needed already.

    Raises:
        ArchError: sizes do not fit; all independent mistakes are reported.
    """
    if shapes is None:
        shapes = Shapes()
        for value, entry in enumerate(graph.inputs):
            shapes.add_input(value, entry.type, entry.span)
        for node in graph.nodes:
            shapes.add(node)
    types = [shapes.of(value) for value in range(graph.values)]
    known = tuple(tensor for tensor in types if tensor is not None)
    if shapes.diagnostics or len(known) < graph.values:  # an input without a type has been reported by elaboration
        raise ArchError(shapes.diagnostics)
    conditions = shapes.conditions
    return ShapedGraph(graph, known, (*conditions.summary(), *conditions.relations()))
