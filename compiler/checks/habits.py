"""What is legal and means something else than it looks like.

An argument that is taken for another (W0103), `linear` on a map (W0104), an input whose sizes are in another order or
hold the batch (W0105).
"""

from collections.abc import Iterator, Sequence

from archc.compiler.ir import Graph, Input, Node, Tensor
from archc.compiler.ops.order import by_position, taken_for, without_size
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.source import Span

# What makes a map with the channels first, and what leaves a map one.
MAKES_MAPS = ("convolution", "pooling", "resample")
KEEPS_MAPS = ("norm", "activation", "regularisation", "combine")
IMAGE_CHANNELS = (1, 3)
MOST_SCALE = 4


def check_habits(graph: Graph, types: Sequence[Tensor | None]) -> Iterator[Diagnostic]:
    """Yield the warnings about uses of operators; types are missing where a mistake leaves them unknown.

    `linear` on a map is reported where the map was last shaped by a convolution, a pooling or a resampling, or is an
    image as it came in: there the last axis is the width. After a `permute`, `transpose` or `flatten` it may be
    anything, and nothing is said.
    """
    maps: dict[int, Span] = {
        value: entry.span
        for value, entry in enumerate(graph.inputs)
        if len(entry.type.shape) == 3 and entry.type.shape[0] in IMAGE_CHANNELS
    }
    for node in graph.nodes:
        known = [types[value] for value in node.inputs if value < len(types)]
        inputs = [x for x in known if x is not None]
        left = types[node.outputs[0]]
        if len(inputs) < len(node.inputs) or not inputs or left is None:
            continue
        taken = taken_for(node.op, node.arguments, node.argument_spans, inputs)
        if taken:
            yield _order(node, taken)
        yield from _another_size(node, inputs[0], left)
        if node.op.role == "convolution" and node.inputs[0] < len(graph.inputs):
            yield from _layout(graph.inputs[node.inputs[0]])
        if len(inputs[0].shape) >= 2:
            if node.op.role in MAKES_MAPS:
                maps.update((value, node.span) for value in node.outputs)
            elif node.op.role in KEEPS_MAPS or (node.op.role == "arithmetic" and left.shape == inputs[0].shape):
                made = next((maps[value] for value in node.inputs if value in maps), None)
                if made is not None:
                    maps.update((value, made) for value in node.outputs)
            elif node.op.role == "linear" and len(node.inputs) == 1 and node.inputs[0] in maps:
                yield _on_a_map(node, inputs[0], maps[node.inputs[0]])


def _order(node: Node, taken: str) -> Diagnostic:
    """An argument that PyTorch takes and archc does not, taken for the first parameter."""
    op, spans = node.op, node.argument_spans
    given = ", ".join(f"{name} = {node.arguments[name]}" for name in by_position(spans))
    typed = without_size(op, node.arguments, spans, taken)
    return Diagnostic(
        "W0103",
        f"`{op.name}` takes no `{op.inferred[0]}`: this is {given}",
        Label(spans[taken], f"is `{taken}` here"),
        (),
        node.frame.trace(),
        f"`{op.inferred[0]}` follows from the input: if it is meant, write `{typed}`",
    )


def _another_size(node: Node, x: Tensor, y: Tensor | None) -> Iterator[Diagnostic]:
    """A size that stands where PyTorch has the batch, or a factor."""
    sizes, spans = node.arguments.get("shape"), node.argument_spans
    if isinstance(sizes, list | tuple) and len(sizes) > 1 and sizes[0] == -1 and y is not None and y.shape[0] == 1:
        rest = ", ".join(map(str, sizes[1:]))
        typed = "flatten" if len(sizes) == 2 else f"{node.op.name}([{rest}])"
        message = f"`{node.op.name}` keeps the batch by itself: the first size, -1, is 1 here"
        help = f"sizes are written without the batch: write `{typed}`"
        yield Diagnostic("W0103", message, Label(spans["shape"], f"leaves {y}"), (), node.frame.trace(), help)
    size = node.arguments.get("size")
    scales = "scale_factor" in node.arguments and "size" in by_position(spans)
    if scales and isinstance(size, int) and size <= MOST_SCALE and all(isinstance(n, int) for n in x.shape[1:]):
        message = f"the first argument of `{node.op.name}` is the size: this makes {x} smaller"
        help = f"for a map that is {size} times larger write `{node.op.name}(scale_factor={size})`"
        if any(n != size for n in x.shape[1:]):
            yield Diagnostic("W0103", message, Label(spans["size"], f"leaves {y}"), (), node.frame.trace(), help)


def _layout(entry: Input) -> Iterator[Diagnostic]:
    """An image with its channels last, or with its batch."""
    sizes, name = entry.type.shape, entry.name
    if len(sizes) == 3 and sizes[2] in IMAGE_CHANNELS and all(isinstance(n, int) and n >= 8 for n in sizes[:2]):
        right = f"[{sizes[2]}, {sizes[0]}, {sizes[1]}]"
        message = f"the channels come first: `{name}` has {sizes[0]} of them, and a width of {sizes[2]}"
    elif len(sizes) == 4 and sizes[0] == 1 and sizes[1] in IMAGE_CHANNELS:
        right = f"[{', '.join(map(str, sizes[1:]))}]"
        message = f"sizes are written without the batch: `{name}` is a volume of 1 channel here"
    else:
        return
    yield Diagnostic("W0105", message, Label(entry.span, f"is {entry.type}"), help=f"write `{name}: {right}`")


def _on_a_map(node: Node, x: Tensor, made: Span) -> Diagnostic:
    """A linear layer that works on the width of a map."""
    typed = " ".join(node.span.text.split())
    axis = "the width" if len(x.shape) > 2 else "the length"
    return Diagnostic(
        "W0104",
        f"`{node.op.name}` works on the last axis, which is {axis} of a map of {x}",
        Label(node.span, f"multiplies {axis}, {x.shape[-1]}"),
        (Label(made, "made this map, channels first"),),
        node.frame.trace(),
        f"write `flatten -> {typed}` for all values of the map, or `global_avg_pool -> flatten -> {typed}` for its "
        "channels; a convolution with kernel 1 works on the channels at each place",
    )
