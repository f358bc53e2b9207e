"""Undoing `max_pool`: each number back to the place where it was found."""

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.field import lost
from archc.compiler.ops.kept import Kept
from archc.compiler.ops.kinds import COUNT_PER_AXIS, SIZE_PER_AXIS, optional
from archc.compiler.ops.rules import batched, folded, spatial, times


def _windows(call: Call, axes: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    kernel = call.each("kernel_size", axes)
    stride = kernel if call.arguments["stride"] is None else call.each("stride", axes)
    return kernel, stride, call.each("padding", axes)


def max_unpool_shape(call: Call) -> tuple[Tensor, ...]:
    places = batched(call, "max_unpool", 1)
    sizes = spatial(Call({}, call.inputs[:1]), "max_unpool")
    if places.dtype != "int64":
        raise Problem(
            "E0307",
            f"`max_unpool` needs the places that `max_pool` found, but branch 2 holds {places.dtype}",
            places.dtype,
            input=1,
            help="`max_pool(2, return_indices=true) as (y, places)`",
        )
    same_axes = len(places.shape) == len(call.x.shape)
    if not same_axes or not all(map(call.equal, call.x.shape, places.shape)):
        raise Problem(
            "E0301",
            f"`max_unpool` needs a place for each number: branch 1 is {call.x}, branch 2 is {places}",
            f"this branch is {places}",
            input=1,
        )
    kernel, stride, padding = _windows(call, len(sizes))
    after: tuple[Size, ...] = tuple(
        (n - 1) * s - 2 * p + k for n, k, s, p in zip(sizes, kernel, stride, padding, strict=True)
    )
    if len(call.inputs) == 3:
        wanted = batched(call, "max_unpool", 2).shape[1:]
        if len(wanted) != len(after) or not all(
            call.fits(want - size, 1 - s) and call.fits(size - want, 1 - s)
            for want, size, s in zip(wanted, after, stride, strict=True)
        ):
            raise Problem(
                "E0301",
                f"`max_unpool` gives about {times(after)}, less than a stride more or less, but branch 3 is "
                f"{call.inputs[2]}",
                f"this branch is {call.inputs[2]}",
                input=2,
                help="give the value that `max_pool` was applied to",
            )
        after = wanted
    if not all(map(call.fits, after)):
        raise Problem("E0302", f"nothing is left: {times(after)}", f"gives {times(after)}", argument="padding")
    return (Tensor((call.x.shape[0], *after), call.x.dtype),)


def max_unpool_function(call: Call) -> Expression:
    axes = len(call.x.shape) - 1
    kernel, stride, padding = _windows(call, axes)
    text, values = f"F.max_unpool{axes}d({{0}}, {{1}}, {{kernel}}", {"kernel": folded(kernel)}
    for name, given, default in (("stride", stride, kernel), ("padding", padding, (0,) * axes)):
        if given != default:
            text += f", {name}={{{name}}}"
            values[name] = folded(given)
    if len(call.inputs) == 3:
        text += ", output_size={2}.shape[2:]"
    return Expression(text + ")", values)


MAX_UNPOOL = Op(
    name="max_unpool",
    role="pooling",
    summary="Puts numbers back to the places where `max_pool` found them; a third value is what to be as large as.",
    parameters=(
        Parameter("kernel_size", SIZE_PER_AXIS),
        Parameter("stride", optional(SIZE_PER_AXIS), None),
        Parameter("padding", COUNT_PER_AXIS, 0),
    ),
    inputs=(2, 3),
    shape=max_unpool_shape,
    function=max_unpool_function,
    field=lost,
    keeps=lambda call: Kept((1,)),
    label=lambda call: f"max unpool {times(call.each('kernel_size', len(call.x.shape) - 1))}",
    examples=(
        Example("max_unpool(2)", ((3, 4, 5), (3, 4, 5)), ("float32", "int64")),
        Example(
            "max_unpool(3, stride=2, padding=1)", ((3, 4, 5), (3, 4, 5), (3, 8, 9)), ("float32", "int64", "float32")
        ),
        Example("max_unpool(2)", ((3, 4), (3, 4)), ("float32", "int64")),
    ),
)

UNPOOLINGS = (MAX_UNPOOL,)
