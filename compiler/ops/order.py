"""Arguments in PyTorch's order: `conv(64, 128, 3)` and `batch_norm(64)`, where the input's size is no argument here.

Such a use is often legal and another network: a kernel of 128, an `eps` of 64. What is legal and looks like a mistake
is decided here, on the numbers; the tables of the operators say which of torch's parameters the input determines.
"""

from collections.abc import Mapping, Sequence

from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Op
from archc.dsl.source import Span

LARGE_KERNEL = 16
LARGE_EPS = 1
MOST_STACKED = 16  # recurrent layers on each other


def as_typed(name: str, arguments: Sequence[str]) -> str:
    """Write a use of an operator.

    >>> as_typed("conv", ["8", "kernel_size=3"]), as_typed("relu", [])
    ('conv(8, kernel_size=3)', 'relu')
    """
    return f"{name}({', '.join(arguments)})" if arguments else name


def by_position(spans: Mapping[str, Span]) -> tuple[str, ...]:
    """The parameters that were given by position; the place of the others begins with their name."""
    found = []
    for name, span in spans.items():
        rest = span.text[len(name) :].lstrip() if span.text.startswith(name) else ""
        if not (rest.startswith("=") and not rest.startswith("==")):
            found.append(name)
    return tuple(found)


def without_size(op: Op, arguments: Mapping[str, object], spans: Mapping[str, Span], dropped: str) -> str:
    """The use as it is typed here, without the argument that PyTorch takes and archc does not.

    `dropped` is the parameter that it was taken for; the arguments after it move up.
    """
    keep = [" ".join(span.text.split()) for name, span in spans.items() if name != dropped]
    value = arguments[dropped]
    if dropped == "dim" and isinstance(value, list | tuple) and len(value) > 1:  # `layer_norm([3, 32, 32])`
        keep.insert(0, f"dim={list(range(-len(value), 0))}")
    return as_typed(op.name, keep)


def taken_for(
    op: Op, arguments: Mapping[str, object], spans: Mapping[str, Span], inputs: Sequence[Tensor], *, wrong: bool = False
) -> str:
    """Return the parameter that took what PyTorch's order means for the input's size; empty where nothing looks so.

    `conv(64, 32, 3)` on 64 channels is such a use, and `conv(64, 7, 2)` is not. Of one that is `wrong` anyway the
    channels need not be those of the input.
    """
    if not op.inferred or not inputs or not inputs[0].shape:
        return ""
    places = by_position(spans)
    if not places:
        return ""
    values = [arguments.get(name) for name in places]
    first = places[0]
    if _large("eps", LARGE_EPS, places, arguments):
        return "eps"  # `batch_norm(64)`, `group_norm(8, 64)`
    if _large("num_layers", MOST_STACKED, places, arguments):
        return first  # `lstm(32, 64)`
    if first == "dim" and not _is_axis(values[0], inputs[0]):
        return first  # `layer_norm(768)`
    if (
        len(values) >= 3
        and places[1:3] == ("kernel_size", "stride")
        and _swapped(values)
        and (wrong or values[0] == inputs[0].shape[0])
    ):
        return first
    return ""


def _large(name: str, least: int, places: Sequence[str], arguments: Mapping[str, object]) -> bool:
    value = arguments.get(name)
    return name in places and isinstance(value, int | float) and value >= least


def _is_axis(value: object, x: Tensor) -> bool:
    rank = len(x.shape) + x.batched
    return isinstance(value, int) and -rank <= value < rank


def _swapped(values: Sequence[object]) -> bool:
    """Whether channels, kernel and stride read better as input channels, output channels and kernel.

    A number of channels is even, and no usual kernel for the stride after it.
    """
    _, kernel, stride = values[:3]
    if not isinstance(kernel, int) or not isinstance(stride, int):
        return False
    if kernel in (stride, 2 * stride):
        return False  # patches, and transposed convolutions that enlarge `stride` times
    return kernel >= LARGE_KERNEL or (kernel % 2 == 0 and stride % 2 == 1)
