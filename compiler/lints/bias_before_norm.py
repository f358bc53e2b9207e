"""W0201: a bias that the batch norm right behind it takes away.

What: a convolution or linear layer with a bias, whose result goes into `batch_norm` and nowhere else.

Why: the norm subtracts the mean of each channel, and the bias is a part of that mean. It costs memory and time, gets no
gradient but rounding errors, and is counted among the parameters; the norm has a bias of its own.

It is silent where the text may need the bias elsewhere: the same line is used without the norm, the norm stands in an
`if` that the layer is outside of, or which norm it is is a parameter of the block.

>>> from archc.compiler.lints.example import warnings
>>> warnings("arch A { input x: [3, 8, 8]; conv(4, 3) -> batch_norm -> relu }")
['W0201 conv(4, 3): the bias of this `conv` has no effect: `batch_norm` takes it away again']
>>> warnings("arch A { input x: [3, 8, 8]; conv(4, 3, bias=false) -> batch_norm -> relu }")
[]
"""

from archc.compiler.ir import Node, ShapedGraph
from archc.compiler.lints.nesting import Nest, choices
from archc.compiler.lints.values import makers, readings, results
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.source import Span

NORM = "batch_norm"


def find(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return a warning for each such bias."""
    made, read, kept = makers(shaped), readings(shaped), results(shaped)
    normed: dict[Span, tuple[Node, Node]] = {}
    for node in shaped.graph.nodes:
        if node.op.name == NORM and node.inputs[0] in made:
            before = made[node.inputs[0]]
            if _biased(before, shaped) and len(read[node.inputs[0]]) == 1 and node.inputs[0] not in kept:
                normed.setdefault(before.span, (before, node))
    # A line of the text makes many layers, and a module is used in many places: each must be followed by the norm.
    paths = {layer.path for layer, _ in normed.values()}
    needed = set[object]()
    for node in shaped.graph.nodes:
        if node.span in normed or node.path in paths:
            readers = read.get(node.outputs[0], [])
            if len(readers) != 1 or readers[0].node.op.name != NORM or not _biased(node, shaped):
                needed.update((node.span, node.path))
    pairs = [(layer, norm) for layer, norm in normed.values() if needed.isdisjoint((layer.span, layer.path))]
    if not pairs:
        return []
    ifs = choices(shaped)
    return [_warning(*pair) for pair in pairs if _always(*pair, ifs)]


def _biased(node: Node, shaped: ShapedGraph) -> bool:
    """Whether a layer of its own weights has a bias for each number that the norm calls a channel."""
    if node.op.role not in ("convolution", "linear") or node.arguments.get("bias") is not True:
        return False
    if len(node.inputs) > 1 and node.op.given is not None:
        return False
    return node.op.role == "convolution" or len(shaped.types[node.outputs[0]].shape) == 1


def _always(layer: Node, norm: Node, ifs: Nest[Span]) -> bool:
    """Whether the text of the layer always has the norm behind it."""
    if not norm.span.text.startswith(NORM):
        return False  # a parameter or a `let` says which norm it is
    around = next(ifs.around(norm.span), None)
    return around is None or around.holds(layer.span)


def _warning(layer: Node, norm: Node) -> Diagnostic:
    name = layer.op.name
    return Diagnostic(
        "W0201",
        f"the bias of this `{name}` has no effect: `{NORM}` takes it away again",
        Label(layer.argument_spans.get("bias", layer.span), "adds a number to each channel"),
        (Label(norm.span, "subtracts the mean of each channel, and has a bias of its own"),),
        layer.frame.trace(),
        f"leave the bias out: `{name}(..., bias=false)`",
    )
