"""Patches of a map as a sequence, and back."""

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Construct, Example, Op, Parameter, Problem
from archc.compiler.ops.field import lost
from archc.compiler.ops.kinds import COUNT_PER_AXIS, SIZE_PER_AXIS
from archc.compiler.ops.rules import applied, batched, construct, elements, floating, folded, spatial, times

_NAMES = (("dilation", 1), ("padding", 0), ("stride", 1))
_WINDOW = (
    Parameter("kernel_size", SIZE_PER_AXIS),
    Parameter("dilation", SIZE_PER_AXIS, 1),
    Parameter("padding", COUNT_PER_AXIS, 0),
    Parameter("stride", SIZE_PER_AXIS, 1),
)


def _patches(call: Call, name: str, sizes: tuple[Size, ...]) -> Size:
    """The number of patches of a map."""
    given = (call.each(argument, 2) for argument in ("kernel_size", "stride", "padding", "dilation"))
    count: Size = 1
    for size, kernel, stride, padding, dilation in zip(sizes, *given, strict=True):
        reach = dilation * (kernel - 1) + 1
        if not call.fits(size + 2 * padding, reach):
            raise Problem(
                "E0302",
                f"the patches of `{name}` do not fit: they cover {reach}, the map is {times(sizes)}",
                f"covers {reach} of {size}",
                argument="kernel_size",
                help="smaller patches, or more padding",
            )
        count = ((size + 2 * padding - reach) // stride + 1) * count
    return count


def _module(call: Call, callee: str, *first: str) -> Construct:
    keywords = [(name, folded(call.each(name, 2)), default) for name, default in _NAMES]
    return construct(callee, *(folded(call.each(name, 2)) for name in first), keywords=keywords)


def unfold_shape(call: Call) -> tuple[Tensor, ...]:
    sizes = spatial(call, "unfold", least=2, most=2)
    channels = elements(call.each("kernel_size", 2)) * call.x.shape[0]
    return (Tensor((channels, _patches(call, "unfold", sizes)), call.x.dtype),)


UNFOLD = Op(
    name="unfold",
    role="shape",
    summary="Cuts a map into patches: (C, H, W) becomes (C x k x k, patches).",
    parameters=_WINDOW,
    shape=unfold_shape,
    module=lambda call: _module(call, "nn.Unfold", "kernel_size"),
    function=lambda call: applied("F.unfold", _module(call, "nn.Unfold", "kernel_size")),
    field=lost,
    label=lambda call: f"unfold {times(call.each('kernel_size', 2))}",
    examples=(
        Example("unfold(3)", ((3, 8, 9),)),
        Example("unfold((4, 2), stride=(4, 2))", ((3, 8, 10),)),
        Example("unfold(3, dilation=2, padding=(1, 2), stride=2)", ((3, 8, 9),)),
    ),
)


def fold_shape(call: Call) -> tuple[Tensor, ...]:
    floating(call, "fold")
    x = batched(call, "fold")
    kernel, sizes = call.each("kernel_size", 2), call.each("output_size", 2)
    if len(x.shape) != 2:
        raise Problem(
            "E0303", f"`fold` takes patches, (C x k x k) x patches, but the input is {x}", f"this is {x}", input=0
        )
    channels = call.known(x.shape[0], "the size of a patch")
    if channels % elements(kernel):
        raise Problem(
            "E0304",
            f"a patch of `fold` holds {times(kernel)} places of each channel: {channels} is no multiple of it",
            f"does not divide {channels}",
            argument="kernel_size",
        )
    patches = _patches(call, "fold", sizes)
    if not call.equal(x.shape[1], patches):
        raise Problem(
            "E0301",
            f"`fold` needs {patches} patches for a map of {times(sizes)}, but the input has {x.shape[1]}",
            f"needs {patches} patches",
            argument="output_size",
        )
    return (Tensor((channels // elements(kernel), *sizes), x.dtype),)


FOLD = Op(
    name="fold",
    role="shape",
    summary="Adds patches up to a map, the reverse of `unfold`: (C x k x k, patches) becomes (C, H, W).",
    parameters=(Parameter("output_size", SIZE_PER_AXIS), *_WINDOW),
    shape=fold_shape,
    module=lambda call: _module(call, "nn.Fold", "output_size", "kernel_size"),
    function=lambda call: applied("F.fold", _module(call, "nn.Fold", "output_size", "kernel_size")),
    field=lost,
    label=lambda call: f"fold {times(call.each('kernel_size', 2))}",
    examples=(
        Example("fold((4, 5), 2)", ((12, 12),)),
        Example("fold(8, 4, stride=4)", ((48, 4),)),
        Example("fold((8, 9), 3, dilation=2, padding=(1, 2), stride=2)", ((27, 15),)),
    ),
)

PATCHES = (UNFOLD, FOLD)
