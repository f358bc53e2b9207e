"""W0209: layers with weights whose result nothing uses.

What: a statement or branch that ends in a value which no result of the network depends on, and which weights made.

Why: the next statement starts from a name, or another value is the `output`: the chain before it is computed, and its
weights are kept and counted, but they get no gradient and change nothing. Mostly the chain should go on, or its result
should have joined another.

It is silent where the value has a name: that is W0102, or a choice of parameters. What is for training only is used.

>>> from archc.compiler.lints.example import warnings
>>> warnings("arch A { input x: [3, 8, 8]; conv(3, 1) -> relu; x -> conv(4, 1) }")
['W0209 relu: the result of this statement is never used']
>>> warnings("arch A { input x: [3, 8, 8]; conv(3, 1) -> relu as y; x -> conv(4, 1) as z; output y, z }")
[]
"""

from archc.compiler.ir import Node, Region, ShapedGraph
from archc.compiler.lints.nesting import Nest, trees
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.source import Span

Following = ast.Pipeline | ast.Output
WITH_WEIGHTS = ("convolution", "linear", "norm", "recurrent", "attention", "embedding", "extern")


def find(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return a warning for each value that is left over."""
    graph = shaped.graph
    taken = {value for node in graph.nodes for value in node.inputs}
    used = graph.needed(output.value for output in graph.outputs)
    learned: set[int] = set()  # values that nothing uses and that weights have made
    left: list[Node] = []
    for node in graph.nodes:
        if not used.isdisjoint(node.outputs):
            continue
        if node.op.role in WITH_WEIGHTS or not learned.isdisjoint(node.inputs):
            learned.update(node.outputs)
            if taken.isdisjoint(node.outputs) and not any(value in graph.names for value in node.outputs):
                left.append(node)
    if not left:
        return []
    ends, followers = _ends(shaped), _followers(shaped)
    return [_warning(node, ends.get(node.outputs[0]), shaped, followers) for node in left]


def _ends(shaped: ShapedGraph) -> dict[int, Region]:
    """The outermost use of a block that leaves each value."""
    ends: dict[int, Region] = {}
    for region in shaped.graph.root.walk():
        if region.kind in ("block", "inline"):
            for value in region.outputs:
                ends.setdefault(value, region)
    return ends


def _warning(node: Node, block: Region | None, shaped: ShapedGraph, followers: Nest[Following | None]) -> Diagnostic:
    span, frame = node.span, node.frame
    if block is not None:
        span, outer = block.span, frame
        while outer.parent is not None:
            use, outer = outer.use.span, outer.parent
            if use.source is span.source and use.start == span.start:
                frame = outer
    shape = shaped.types[node.outputs[0]]
    after = next((statement for statement in followers.around(span) if statement is not None), None)
    related: list[Label] = []
    if isinstance(after, ast.Output):
        related = [Label(after.span, "the results are others")]
    elif after is not None:
        related = [Label(after.stages[0].span, "goes on from another value")]
    return Diagnostic(
        "W0209",
        "the result of this statement is never used",
        Label(span, f"leaves {shape}, which nothing takes"),
        tuple(related),
        frame.trace(),
        "remove it, or use its result: go on from it, or name it, `... as NAME`, and use the name",
    )


def _followers(shaped: ShapedGraph) -> Nest[Following | None]:
    """For each statement, what stands behind it and leaves its value behind."""
    pieces: list[tuple[Span, Following | None]] = []
    for tree in trees(shaped):
        if isinstance(tree, ast.Body):
            behind: Following | None = None
            for statement in reversed(tree.statements):
                pieces.append((statement.span, behind))
                behind = statement if isinstance(statement, ast.Pipeline | ast.Output) else behind
    return Nest(pieces)
