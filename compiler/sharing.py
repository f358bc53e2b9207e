"""Modules that are applied several times: every application must fit the same weights."""

from archc.compiler.cost import call_of
from archc.compiler.ir import Node, ShapedGraph
from archc.dsl.diagnostics import Diagnostic, Label


def check_sharing(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return a diagnostic for every module whose applications need weights of different sizes."""
    first: dict[str, Node] = {}
    found = []
    for node in shaped.graph.nodes:
        if not node.path:
            continue
        before = first.setdefault(node.path, node)
        if before is node:
            continue
        weights, other = (one.op.weights(call_of(one, shaped)) for one in (before, node))
        if before.op is node.op and weights == other:
            continue
        sizes = [" and ".join("x".join(map(str, weight.shape)) for weight in kept) for kept in (weights, other)]
        takes = [", ".join(str(shaped.types[value]) for value in one.inputs) for one in (before, node)]
        found.append(
            Diagnostic(
                "E0308",
                f"the weights of `{node.path}` fit one input only: they are {sizes[0]}, and this needs {sizes[1]}",
                Label(node.span, f"takes {takes[1]} the second time"),
                (Label(before.frame.use.span, f"took {takes[0]} the first time"),),
                node.frame.trace(),
                "a module that is applied several times needs inputs of one size; declare one module for each size",
            )
        )
    return found
