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

from bisect import bisect_right
from collections.abc import Iterator

from archc.compiler.ir import Node, ShapedGraph
from archc.compiler.lints.values import makers, readings, results
from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.node import Node as Tree
from archc.dsl.source import Source, Span

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
    choices = _Choices(shaped)
    return [_warning(*pair) for pair in pairs if _always(*pair, choices)]


def _biased(node: Node, shaped: ShapedGraph) -> bool:
    """Whether a layer of its own weights has a bias for each number that the norm calls a channel."""
    if node.op.role not in ("convolution", "linear") or node.arguments.get("bias") is not True:
        return False
    if len(node.inputs) > 1 and node.op.given is not None:
        return False
    return node.op.role == "convolution" or len(shaped.types[node.outputs[0]].shape) == 1


def _always(layer: Node, norm: Node, choices: "_Choices") -> bool:
    """Whether the text of the layer always has the norm behind it."""
    if not norm.span.text.startswith(NORM):
        return False  # a parameter or a `let` says which norm it is
    around = choices.around(norm.span)
    return around is None or _within(layer.span, around)


def _within(inner: Span, outer: Span) -> bool:
    return inner.source is outer.source and outer.start <= inner.start and inner.end <= outer.end


class _Choices:
    """The `if`s in the blocks that a network uses, an `else if` as one of its own."""

    __slots__ = ("_around", "_starts")

    def __init__(self, shaped: ShapedGraph) -> None:
        definitions = {r.definition.span: r.definition for r in shaped.graph.root.walk() if r.definition is not None}
        found = sorted((choice for d in definitions.values() for choice in _ifs(d)), key=lambda s: (s.start, -s.end))
        self._starts: dict[Source, list[int]] = {}
        self._around: dict[Source, list[tuple[Span, int]]] = {}  # each with the place of the one around it, or -1
        for choice in found:
            starts = self._starts.setdefault(choice.source, [])
            around = self._around.setdefault(choice.source, [])
            outer = len(around) - 1
            while outer >= 0 and not _within(choice, around[outer][0]):
                outer = around[outer][1]
            starts.append(choice.start)
            around.append((choice, outer))

    def around(self, span: Span) -> Span | None:
        """The innermost `if` that a place lies in."""
        place = bisect_right(self._starts.get(span.source, []), span.start) - 1
        while place >= 0:
            choice, outer = self._around[span.source][place]
            if _within(span, choice):
                return choice
            place = outer
        return None


def _ifs(tree: Tree) -> Iterator[Span]:
    waiting: list[object] = [tree]
    while waiting:
        at = waiting.pop()
        if isinstance(at, ast.If):
            yield at.span
        if isinstance(at, Tree):
            waiting.extend(at.fields())
        elif isinstance(at, tuple) and not isinstance(at, Span):
            waiting.extend(at)


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
