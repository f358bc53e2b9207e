"""W0205: an average over a map whose places each see less than half of the image.

What: all that the network computes goes through a global pooling, and a place of the map that is pooled has a receptive
field of less than half the input, in some axis.

Why: a pooling mixes nothing, it takes the mean or the largest. Where no place sees more than a part of the image, the
network counts local patterns and cannot relate what is far apart; the usual cause is a network for small images that is
given large ones. Half, because a large part at the middle is enough for most objects: SqueezeNet sees 207 of 224.

It is silent where anything else mixes places before the pooling, or beside it: a linear layer, attention, a gate that
pools (squeeze and excitation), and for symbolic sizes.

>>> from archc.compiler.lints.example import warnings
>>> text = "arch A {{ input x: [3, {0}, {0}]; conv(8, 3) -> relu -> conv(8, 3) -> global_avg_pool -> flatten }}"
>>> warnings(text.format(32))
['W0205 global_avg_pool: a place of the map that is pooled here sees only 5x5 of the input 3x32x32']
>>> warnings(text.format(8))
[]
"""

from archc.compiler.analysis.receptive import Seen, receptive
from archc.compiler.ir import Node, ShapedGraph
from archc.compiler.lints.values import Reading, fields, makers
from archc.dsl.diagnostics import Diagnostic, Label

MANY = 20_000  # layers; in larger networks a receptive field is not small


def find(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return a warning for the pooling that everything goes through, if it sees too little."""
    graph = shaped.graph
    sizes = shaped.types[0].shape
    if (
        len(graph.inputs) > 1
        or len(sizes) < 2
        or not all(isinstance(size, int) for size in sizes)
        or len(graph.nodes) > MANY
    ):
        return []
    narrow: list[tuple[Node, tuple[Seen, ...]]] = []
    seen = receptive(shaped)
    for node in graph.nodes:
        if node.op.role == "pooling" and all(_whole(node, place, shaped) for place in range(1, len(sizes))):
            along = seen[node.inputs[0]]
            known = all(axis.kind == "some" for axis in along)
            if known and any(2 * axis.size < size for axis, size in zip(along, sizes[1:], strict=True)):  # type: ignore[operator]
                narrow.append((node, along))
    if not narrow or _reaches({id(node) for node, _ in narrow}, shaped):
        return []
    return [_warning(node, along, shaped) for node, along in narrow]


def _whole(node: Node, place: int, shaped: ShapedGraph) -> bool:
    """Whether each place of the result is made of all places of an axis."""
    field = next(fields(Reading(node, 0), shaped))
    followed = [along for along in field.axes if along is not None and place in along.sources]
    return not followed and place not in field.picked and place not in field.lost


def _reaches(stops: set[int], shaped: ShapedGraph) -> bool:
    """Whether a result depends on an input by a way around these nodes."""
    made = makers(shaped)
    waiting, done = [output.value for output in shaped.graph.outputs], set[int]()
    while waiting:
        value = waiting.pop()
        if value in done:
            continue
        done.add(value)
        if value < len(shaped.graph.inputs):
            return True
        if id(made[value]) not in stops:
            waiting.extend(made[value].inputs)
    return False


def _warning(node: Node, along: tuple[Seen, ...], shaped: ShapedGraph) -> Diagnostic:
    view = "x".join(str(axis.size) for axis in along)
    return Diagnostic(
        "W0205",
        f"a place of the map that is pooled here sees only {view} of the input {shaped.types[0]}",
        Label(node.span, f"its receptive field is {view}"),
        (Label(shaped.graph.inputs[0].span, f"this is {shaped.types[0]}"),),
        node.frame.trace(),
        "more layers or strides before it, a larger first kernel, or a smaller input",
    )
