"""Modules that are applied several times: every application must fit the same weights, and do the same."""

from collections.abc import Iterator

from archc.compiler.analysis.cost import call_of
from archc.compiler.ir import Node, Region, ShapedGraph
from archc.dsl.diagnostics import Diagnostic, Label


def check_sharing(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return a diagnostic for every module whose applications need weights of different sizes, or differ otherwise."""
    found = list(_weights(shaped))
    return found or list(_forms(shaped))


def _weights(shaped: ShapedGraph) -> Iterator[Diagnostic]:
    first: dict[str, Node] = {}
    for node in shaped.graph.nodes:
        if not node.path or (node.op.given is not None and len(node.inputs) > 1):  # these weights come from branches
            continue
        before = first.setdefault(node.path, node)
        if before is node or before.op is not node.op:
            continue
        weights, other = (one.op.weights(call_of(one, shaped)) for one in (before, node))
        if weights == other:
            continue
        sizes = [" and ".join("x".join(map(str, weight.shape)) for weight in kept) for kept in (weights, other)]
        takes = [", ".join(str(shaped.types[value]) for value in one.inputs) for one in (before, node)]
        yield Diagnostic(
            "E0308",
            f"the weights of `{node.path}` fit one input only: they are {sizes[0]}, and this needs {sizes[1]}",
            Label(node.span, f"takes {takes[1]} the second time"),
            (Label(before.frame.use.span, f"took {takes[0]} the first time"),),
            node.frame.trace(),
            "a module that is applied several times needs inputs of one size; declare one module for each size",
        )


def _forms(shaped: ShapedGraph) -> Iterator[Diagnostic]:
    """Blocks that are one module and do something else the second time, because the text asks for sizes."""
    first: dict[str, Region] = {}
    for region in shaped.graph.root.walk():
        if region.kind not in ("block", "inline") or not region.path:
            continue
        before = first.setdefault(region.path, region)
        if before is not region and not _is_repeated(before, region, shaped):
            takes = [", ".join(str(shaped.types[value]) for value in one.inputs) for one in (before, region)]
            yield Diagnostic(
                "E0308",
                f"`{region.path}` is one module, and does something else for {takes[1]} than for {takes[0]}",
                Label(region.span, f"takes {takes[1]} the second time"),
                (Label(before.span, f"took {takes[0]} the first time"),),
                (),
                "a module that is applied several times does the same each time; declare one module for each size",
            )


def _is_repeated(before: Region, region: Region, shaped: ShapedGraph) -> bool:
    """Say whether a block does what it did before, on other values."""
    nodes = shaped.graph.nodes
    if region.end - region.start != before.end - before.start:
        return False
    if len(before.inputs) != len(region.inputs) or len(before.outputs) != len(region.outputs):
        return False
    values: dict[int, int] = {}  # what stands here for a value of before
    pairs = list(zip(before.inputs, region.inputs, strict=True))
    for one, other in zip(nodes[before.start : before.end], nodes[region.start : region.end], strict=True):
        if one.op is not other.op or one.path != other.path or len(one.inputs) != len(other.inputs):
            return False
        if _written(one, shaped) != _written(other, shaped):
            return False
        pairs += zip(one.outputs, other.outputs, strict=True)
        pairs += zip(one.inputs, other.inputs, strict=True)
    pairs += zip(before.outputs, region.outputs, strict=True)
    return all(values.setdefault(one, other) == other for one, other in pairs)


def _written(node: Node, shaped: ShapedGraph) -> object:
    call = call_of(node, shaped)
    return [rule(call) for rule in (node.op.module, node.op.apply, node.op.function) if rule is not None]
