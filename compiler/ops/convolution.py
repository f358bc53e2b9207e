"""Convolutions, one to three spatial axes by the rank of the value."""

from collections.abc import Mapping

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Construct, Example, Op, Parameter, Problem, Weight
from archc.compiler.ops.field import Along, Field, windows
from archc.compiler.ops.given import accepting_weights, functional
from archc.compiler.ops.kept import Kept, what_it_weighs
from archc.compiler.ops.kinds import COUNT_PER_AXIS, FLAG, PADDING, POSITIVE, SIZE_PER_AXIS, choice
from archc.compiler.ops.rules import construct, divided, elements, folded, spatial, times

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


# ---- conv


def _padding(call: Call, axes: int) -> tuple[int, ...] | str:
    value = call.arguments["padding"]
    if not isinstance(value, str):
        return call.each("padding", axes)
    if value == "same" and any(stride != 1 for stride in call.each("stride", axes)):
        raise Problem(
            "E0205",
            '`padding="same"` keeps the size, which a stride other than 1 does not',
            f"with stride {times(call.each('stride', axes))}",
            argument="padding",
            help="give the padding as a number: half the kernel, rounded down, halves the size at stride 2",
        )
    return value


def _channels(call: Call) -> int:
    """The input's channels, checked against the groups."""
    channels = divided(call, call.x.shape[0], "groups", "the number of input channels")
    divided(call, call.integer("out_channels"), "groups", "`out_channels`")
    return channels


def conv_shape(call: Call) -> tuple[Tensor, ...]:
    sizes = spatial(call, "conv", weights=True)
    axes = len(sizes)
    kernel, stride, dilation = (call.each(name, axes) for name in ("kernel_size", "stride", "dilation"))
    padding = _padding(call, axes)
    _channels(call)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if padding == "same":
        before: tuple[int, ...] = tuple((r - 1) // 2 for r in reach)
        total = tuple(r - 1 for r in reach)
    else:
        before = (0,) * axes if isinstance(padding, str) else padding
        total = tuple(2 * p for p in before)
    _fill(call, sizes, tuple(t - b for t, b in zip(total, before, strict=True)))
    if not all(call.fits(n + t, r) for n, t, r in zip(sizes, total, reach, strict=True)):
        covers = (
            f"{times(reach)} (kernel {times(kernel)}, dilation {times(dilation)})"
            if dilation != (1,) * axes
            else times(reach)
        )
        raise Problem(
            "E0302",
            f"the kernel does not fit: it covers {covers}, the input is {times(sizes)} with padding {folded(before)}",
            f"covers {times(reach)}, the input is {times(sizes)}",
            argument="kernel_size",
            help="a smaller kernel, more padding, or fewer strides and poolings before this",
        )
    after = tuple((n + t - r) // s + 1 for n, t, r, s in zip(sizes, total, reach, stride, strict=True))
    return (Tensor((call.integer("out_channels"), *after), call.x.dtype),)


def _fill(call: Call, sizes: tuple[Size, ...], padding: tuple[int, ...]) -> None:
    """Check that the input is large enough for a padding that repeats it."""
    mode = call.text("padding_mode")
    if mode not in ("reflect", "circular") or not any(padding):
        return
    spare = 1 if mode == "reflect" else 0
    if not all(call.fits(n, p + spare) for n, p in zip(sizes, padding, strict=True)):
        need = "more than the padding" if spare else "at least the padding"
        raise Problem(
            "E0302",
            f'`padding_mode="{mode}"` needs {need} in each axis: '
            f"the input is {times(sizes)}, the padding {folded(padding)}",
            f"the input is {times(sizes)}, the padding {folded(padding)}",
            argument="padding_mode",
            help='use less padding, or `padding_mode="replicate"`',
        )


def conv_module(call: Call) -> Construct:
    axes = len(call.x.shape) - 1
    padding = _padding(call, axes)
    return construct(
        f"nn.Conv{axes}d",
        call.x.shape[0],
        call.integer("out_channels"),
        keywords=[
            ("kernel_size", folded(call.each("kernel_size", axes)), None),
            ("stride", folded(call.each("stride", axes)), 1),
            ("padding", padding if isinstance(padding, str) else folded(padding), 0),
            ("dilation", folded(call.each("dilation", axes)), 1),
            ("groups", call.integer("groups"), 1),
            ("bias", call.flag("bias"), True),
            ("padding_mode", call.text("padding_mode"), "zeros"),
        ],
    )


def conv_weights(call: Call) -> tuple[Weight, ...]:
    out = call.integer("out_channels")
    per_group = call.known(call.x.shape[0], "the number of input channels") // call.integer("groups")
    weight = Weight("weight", (out, per_group, *call.each("kernel_size", len(call.x.shape) - 1)))
    return (weight, Weight("bias", (out,))) if call.flag("bias") else (weight,)


def conv_macs(call: Call) -> Size:
    return elements(call.y.shape) * elements(conv_weights(call)[0].shape[1:])


def conv_field(call: Call, source: int, result: int) -> Field:
    axes = len(call.x.shape) - 1
    kernel, stride, dilation = (call.each(name, axes) for name in ("kernel_size", "stride", "dilation"))
    padding = _padding(call, axes)
    if isinstance(padding, str):
        same = padding == "same"
        padding = tuple(d * (k - 1) // 2 if same else 0 for k, d in zip(kernel, dilation, strict=True))
    each = zip(kernel, stride, padding, dilation, strict=True)
    return windows(*(Along((axis,), k, s, p, d) for axis, (k, s, p, d) in enumerate(each, 1)))


def _label(call: Call, name: str) -> str:
    axes = len(call.x.shape) - 1
    parts = [f"{name} {'×'.join(map(str, call.each('kernel_size', axes)))}", str(call.integer("out_channels"))]
    parts += [
        f"{argument} {_short(call.each(argument, axes))}"
        for argument in ("stride", "dilation")
        if any(value != 1 for value in call.each(argument, axes))
    ]
    groups = call.integer("groups")
    if groups > 1:
        parts.append("depthwise" if groups == call.x.shape[0] == call.integer("out_channels") else f"groups {groups}")
    return ", ".join(parts)


def _short(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))


def conv_keeps(call: Call) -> Kept:
    mode = call.text("padding_mode")
    if mode == "zeros":
        return what_it_weighs(call)
    axes = len(call.x.shape) - 1
    padding = _padding(call, axes)
    sides = (0,) * axes if isinstance(padding, str) else tuple(2 * each for each in padding)
    if padding == "same":
        kernels, dilations = call.each("kernel_size", axes), call.each("dilation", axes)
        sides = tuple(d * (k - 1) for k, d in zip(kernels, dilations, strict=True))
    padded = tuple(size + more for size, more in zip(call.x.shape[1:], sides, strict=True))
    edge = call.x._replace(shape=(call.x.shape[0], *padded))
    return Kept(() if mode == "circular" else (0,), (), (edge,))


CONV = Op(
    name="conv",
    inferred=("in_channels",),
    role="convolution",
    summary="Convolves a map with learned kernels.",
    parameters=(
        Parameter("out_channels", POSITIVE),
        Parameter("kernel_size", SIZE_PER_AXIS),
        Parameter("stride", SIZE_PER_AXIS, 1),
        Parameter("padding", PADDING, 0),
        Parameter("dilation", SIZE_PER_AXIS, 1),
        Parameter("groups", POSITIVE, 1),
        Parameter("bias", FLAG, True),
        Parameter("padding_mode", choice(*PADDING_MODES), "zeros"),
    ),
    shape=conv_shape,
    module=conv_module,
    weights=conv_weights,
    macs=conv_macs,
    field=conv_field,
    keeps=conv_keeps,
    label=lambda call: _label(call, "conv"),
    examples=(
        Example("conv(6, 5, padding=2)", ((1, 28, 28),)),
        Example("conv(8, (3, 5), stride=(2, 1), padding=(1, 2), bias=false)", ((3, 17, 16),)),
        Example("conv(8, 3, dilation=2, groups=4)", ((4, 9, 9),)),
        Example("conv(4, 3)", ((2, 10),)),
        Example("conv(4, 3, stride=2, padding=1)", ((2, 5, 6, 7),)),
        Example('conv(4, 3, padding="same", dilation=(3, 1))', ((2, 8, 9),)),
        Example('conv(4, 3, padding="valid")', ((2, 8, 9),)),
        Example('conv(4, 3, padding=2, padding_mode="reflect")', ((2, 8, 9),)),
        Example('conv(4, 3, padding=(2, 1), padding_mode="circular")', ((2, 2, 9),)),
    ),
)


# ---- conv_transpose


def transpose_shape(call: Call) -> tuple[Tensor, ...]:
    sizes = spatial(call, "conv_transpose", weights=True)
    axes = len(sizes)
    names = ("kernel_size", "stride", "padding", "output_padding", "dilation")
    kernel, stride, padding, output_padding, dilation = (call.each(name, axes) for name in names)
    _channels(call)
    for extra, s, d in zip(output_padding, stride, dilation, strict=True):
        if extra >= max(s, d):
            raise Problem(
                "E0205",
                f"`output_padding` must be smaller than the stride or the dilation: {extra} is not below {max(s, d)}",
                f"at most {max(s, d) - 1} here",
                argument="output_padding",
            )
    after = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
        for n, s, p, d, k, extra in zip(sizes, stride, padding, dilation, kernel, output_padding, strict=True)
    )
    if not all(call.fits(n, 1) for n in after):
        raise Problem(
            "E0302",
            f"nothing is left: with padding {folded(padding)}, the input {times(sizes)} would become {times(after)}",
            f"the output would be {times(after)}",
            argument="padding",
            help="in a transposed convolution padding makes the output smaller: use less",
        )
    return (Tensor((call.integer("out_channels"), *after), call.x.dtype),)


def transpose_module(call: Call) -> Construct:
    axes = len(call.x.shape) - 1
    return construct(
        f"nn.ConvTranspose{axes}d",
        call.x.shape[0],
        call.integer("out_channels"),
        keywords=[
            ("kernel_size", folded(call.each("kernel_size", axes)), None),
            ("stride", folded(call.each("stride", axes)), 1),
            ("padding", folded(call.each("padding", axes)), 0),
            ("output_padding", folded(call.each("output_padding", axes)), 0),
            ("groups", call.integer("groups"), 1),
            ("bias", call.flag("bias"), True),
            ("dilation", folded(call.each("dilation", axes)), 1),
        ],
    )


def transpose_weights(call: Call) -> tuple[Weight, ...]:
    out = call.integer("out_channels")
    channels = call.known(call.x.shape[0], "the number of input channels")
    kernel = call.each("kernel_size", len(call.x.shape) - 1)
    weight = Weight("weight", (channels, out // call.integer("groups"), *kernel))
    return (weight, Weight("bias", (out,))) if call.flag("bias") else (weight,)


def transpose_macs(call: Call) -> Size:
    # Every element of the input is multiplied with the kernels of its group.
    return elements(call.x.shape) * elements(transpose_weights(call)[0].shape[1:])


def transpose_field(call: Call, source: int, result: int) -> Field:
    axes = len(call.x.shape) - 1
    names = ("kernel_size", "stride", "padding", "dilation")
    each = zip(*(call.each(name, axes) for name in names), strict=True)
    # Place o gets from i where o = i s - p + d j: backwards, i s = o + p - d j.
    return windows(
        *(Along((axis,), k, 1, d * (k - 1) - p, d, up=s) for axis, (k, s, p, d) in enumerate(each, 1)),
    )


CONV_TRANSPOSE = Op(
    name="conv_transpose",
    inferred=("in_channels",),
    role="convolution",
    summary="Convolves backwards: enlarges a map with learned kernels.",
    parameters=(
        Parameter("out_channels", POSITIVE),
        Parameter("kernel_size", SIZE_PER_AXIS),
        Parameter("stride", SIZE_PER_AXIS, 1),
        Parameter("padding", COUNT_PER_AXIS, 0),
        Parameter("output_padding", COUNT_PER_AXIS, 0),
        Parameter("groups", POSITIVE, 1),
        Parameter("bias", FLAG, True),
        Parameter("dilation", SIZE_PER_AXIS, 1),
        Parameter("padding_mode", choice("zeros"), "zeros"),
    ),
    shape=transpose_shape,
    module=transpose_module,
    weights=transpose_weights,
    macs=transpose_macs,
    field=transpose_field,
    keeps=what_it_weighs,
    label=lambda call: _label(call, "conv transpose"),
    examples=(
        Example("conv_transpose(64, 2, stride=2)", ((128, 4, 4),)),
        Example("conv_transpose(6, 3, stride=2, padding=1, output_padding=1, bias=false)", ((4, 5, 7),)),
        Example("conv_transpose(6, (3, 2), dilation=(2, 1), groups=2)", ((4, 5, 7),)),
        Example("conv_transpose(6, 4, stride=2, padding=1)", ((4, 9),)),
        Example("conv_transpose(2, 3, stride=2)", ((4, 3, 4, 5),)),
    ),
)

# ---- with weights from further branches


def _from_weight(call: Call, weight: tuple[int, ...]) -> Mapping[str, object]:
    if call.text("padding_mode") != "zeros":
        raise Problem(
            "E0205",
            "`padding_mode` belongs to a convolution with weights of its own",
            "not with given weights",
            argument="padding_mode",
            help="`pad` before it fills in this way, and the convolution needs no padding then",
        )
    return {"out_channels": weight[0], "kernel_size": weight[2:]}


CONVOLUTIONS = (
    accepting_weights(
        CONV,
        Example("conv(padding=1, groups=2)", ((4, 9, 9), (6, 2, 3, 3), (6,)), unbatched=(1, 2)),
        Example("conv(8, stride=2)", ((4, 9), (8, 4, 3)), unbatched=(1,)),
        rank=lambda call: len(call.x.shape) + 1,
        derive=_from_weight,
        function=lambda call: functional(
            f"F.conv{len(call.x.shape) - 1}d", call, conv_module(call), "kernel_size", "bias"
        ),
    ),
    accepting_weights(
        CONV_TRANSPOSE,
        Example("conv_transpose(stride=2, groups=2)", ((4, 5, 5), (4, 3, 2, 2), (6,)), unbatched=(1, 2)),
        rank=lambda call: len(call.x.shape) + 1,
        derive=lambda call, weight: {"out_channels": weight[1] * call.integer("groups"), "kernel_size": weight[2:]},
        function=lambda call: functional(
            f"F.conv_transpose{len(call.x.shape) - 1}d", call, transpose_module(call), "kernel_size", "bias"
        ),
    ),
)
