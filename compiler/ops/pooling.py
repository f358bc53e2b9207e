"""Pooling, one to three spatial axes by the rank of the value."""

from collections.abc import Callable

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Construct, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.field import Along, Field, windows
from archc.compiler.ops.kept import Kept, Rule, its_input
from archc.compiler.ops.kinds import (
    COUNT_PER_AXIS,
    FLAG,
    KEPT_SIZE_PER_AXIS,
    NUMBER,
    POSITIVE,
    SIZE_PER_AXIS,
    optional,
)
from archc.compiler.ops.rules import applied, batched, ceiling, construct, folded, spatial, times

KERNEL = Parameter("kernel_size", SIZE_PER_AXIS)
STRIDE = Parameter("stride", optional(SIZE_PER_AXIS), None)
PADDING = Parameter("padding", COUNT_PER_AXIS, 0)
CEIL = Parameter("ceil_mode", FLAG, False)


# ---- windows


def _given(call: Call, name: str, axes: int, default: int) -> tuple[int, ...]:
    return call.each(name, axes) if name in call.arguments else (default,) * axes


def _stride(call: Call, axes: int) -> tuple[int, ...]:
    return call.each("kernel_size" if call.arguments["stride"] is None else "stride", axes)


def _windows(name: str, *, whole_3d: bool = False) -> Callable[[Call], tuple[Tensor, ...]]:
    """Return the shape rule of a pooling with windows; padding and dilation count where the operator has them.

    `whole_3d` says that torch refuses windows larger than an unpadded input of three axes.
    """

    def rule(call: Call) -> tuple[Tensor, ...]:
        sizes = spatial(call, name)
        axes = len(sizes)
        kernel, stride = call.each("kernel_size", axes), _stride(call, axes)
        padding, dilation = _given(call, "padding", axes, 0), _given(call, "dilation", axes, 1)
        for p, k in zip(padding, kernel, strict=True):
            if 2 * p > k:
                raise Problem(
                    "E0205",
                    f"the padding of `{name}` must not be more than half the kernel: {p} is more than half of {k}",
                    f"at most {k // 2} here",
                    argument="padding",
                    help="`pad` in front of it adds more",
                )
        reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
        ceil = call.flag("ceil_mode")
        room = tuple(n + 2 * p for n, p in zip(sizes, padding, strict=True))
        # Rounding up, the last window may lie partly outside, as long as one place of it is inside.
        least = tuple(max(1, r - s + 1) if ceil else r for r, s in zip(reach, stride, strict=True))
        if not all(call.fits(n, low) for n, low in zip(room, least, strict=True)):
            padded = f" with padding {folded(padding)}" if any(padding) else ""
            raise Problem(
                "E0302",
                f"the window does not fit: it covers {times(reach)}, the input is {times(sizes)}{padded}",
                f"covers {times(reach)}, the input is {times(sizes)}",
                argument="kernel_size",
                help="a smaller window, or fewer strides and poolings before this",
            )
        if whole_3d and axes == 3 and not all(call.fits(n, k) for n, k in zip(sizes, kernel, strict=True)):
            raise Problem(
                "E0302",
                f"the window does not fit: over three axes torch wants the input itself, {times(sizes)}, "
                f"to be as large as the kernel, {times(kernel)}",
                f"covers {times(kernel)}, the input is {times(sizes)}",
                argument="kernel_size",
                help="a smaller window, or `pad` in front of it",
            )
        after = tuple(_count(n, p, r, s, ceil) for n, p, r, s in zip(sizes, padding, reach, stride, strict=True))
        return (Tensor((call.x.shape[0], *after), call.x.dtype),)

    return rule


def _count(size: Size, padding: int, reach: int, stride: int, ceil: bool) -> Size:
    """The number of windows. Rounded up, the last must begin inside the input or its left padding."""
    if not ceil:
        return (size + 2 * padding - reach) // stride + 1
    if stride + padding > reach:
        return ceiling(size + padding, stride)
    return ceiling(size + 2 * padding - reach, stride) + 1


def _window_field(call: Call, source: int, result: int) -> Field:
    axes = len(call.x.shape) - 1
    padding, dilation = _given(call, "padding", axes, 0), _given(call, "dilation", axes, 1)
    each = zip(call.each("kernel_size", axes), _stride(call, axes), padding, dilation, strict=True)
    mixed = windows(*(Along((axis,), k, s, p, d) for axis, (k, s, p, d) in enumerate(each, 1)))
    return mixed._replace(axes=(Along((0,)), *mixed.axes[1:]))


def _window_module(
    callee: str, names: tuple[tuple[str, object], ...], first: tuple[str, ...] = ()
) -> Callable[[Call], Construct]:
    def module(call: Call) -> Construct:
        axes = len(call.x.shape) - 1
        keywords = []
        for name, default in names:
            value = call.arguments[name]
            if isinstance(value, list | tuple):
                value = folded(call.each(name, axes))
            keywords.append((name, value, default))
        leading = [call.arguments[name] for name in first]
        return construct(callee.format(axes), *leading, folded(call.each("kernel_size", axes)), keywords=keywords)

    return module


def _function(name: str, module: Callable[[Call], Construct]) -> Callable[[Call], Expression]:
    return lambda call: applied(f"F.{name}{len(call.x.shape) - 1}d", module(call))


def _label(name: str) -> Callable[[Call], str]:
    def label(call: Call) -> str:
        axes = len(call.x.shape) - 1
        stride = _stride(call, axes)
        text = str(stride[0]) if len(set(stride)) == 1 else "×".join(map(str, stride))
        return f"{name} {'×'.join(map(str, call.each('kernel_size', axes)))}, stride {text}"

    return label


# ---- max_pool

_max_names = (("stride", None), ("padding", 0), ("dilation", 1), ("return_indices", False), ("ceil_mode", False))
_max_module = _window_module("nn.MaxPool{}d", _max_names)


def _max_places(call: Call) -> tuple[Tensor, ...]:
    (y,) = _windows("max_pool")(call)
    return (y, y._replace(dtype="int64")) if call.flag("return_indices") else (y,)


def max_pool_keeps(call: Call) -> Kept:
    if call.flag("return_indices"):
        return Kept((0,), (1,))
    return Kept((0,), (), (call.y._replace(dtype="int64"),))


MAX_POOL = Op(
    name="max_pool",
    role="pooling",
    summary="Takes the largest value of each window; with `return_indices` also its place, for `max_unpool`.",
    parameters=(
        KERNEL,
        STRIDE,
        PADDING,
        Parameter("dilation", SIZE_PER_AXIS, 1),
        Parameter("return_indices", FLAG, False),
        CEIL,
    ),
    outputs=lambda arguments: 2 if arguments["return_indices"] else 1,
    shape=_max_places,
    module=_max_module,
    function=_function("max_pool", _max_module),
    field=_window_field,
    keeps=max_pool_keeps,
    label=_label("max pool"),
    examples=(
        Example("max_pool(3, stride=2, padding=1)", ((16, 112, 112),)),
        Example("max_pool(3, stride=2, ceil_mode=true)", ((16, 12, 13),)),
        Example("max_pool(2)", ((4, 9),)),
        Example("max_pool(2, return_indices=true)", ((4, 8, 9),)),
        Example("max_pool((2, 3), stride=(1, 2), dilation=2, padding=(1, 0))", ((4, 9, 9),)),
        Example("max_pool(2, stride=3, padding=1, ceil_mode=true)", ((4, 5, 6, 7),)),
    ),
)


# ---- avg_pool

_avg_names = (("stride", None), ("padding", 0), ("ceil_mode", False), ("count_include_pad", True))
_avg_plain = _window_module("nn.AvgPool{}d", _avg_names)
_avg_divided = _window_module("nn.AvgPool{}d", (*_avg_names, ("divisor_override", None)))


def avg_pool_shape(call: Call) -> tuple[Tensor, ...]:
    outputs = _windows("avg_pool", whole_3d=True)(call)
    if len(call.x.shape) == 2 and call.arguments["divisor_override"] is not None:
        raise Problem(
            "E0205",
            f"`divisor_override` needs two or three spatial axes, but the input is {call.x}",
            f"the input is {call.x}",
            argument="divisor_override",
            help="multiply instead: `mul(0.5)`",
        )
    return outputs


def avg_pool_module(call: Call) -> Construct:
    return (_avg_plain if len(call.x.shape) == 2 else _avg_divided)(call)


AVG_POOL = Op(
    name="avg_pool",
    role="pooling",
    summary="Takes the mean of each window.",
    parameters=(
        KERNEL,
        STRIDE,
        PADDING,
        CEIL,
        Parameter("count_include_pad", FLAG, True),
        Parameter("divisor_override", optional(POSITIVE), None),
    ),
    shape=avg_pool_shape,
    module=avg_pool_module,
    function=_function("avg_pool", avg_pool_module),
    field=_window_field,
    keeps=its_input,
    label=_label("avg pool"),
    examples=(
        Example("avg_pool(2)", ((6, 28, 28),)),
        Example("avg_pool(3, stride=2, padding=1, ceil_mode=true, count_include_pad=false)", ((6, 8, 9),)),
        Example("avg_pool(3, stride=1, padding=1)", ((6, 8),)),
        Example("avg_pool((2, 2, 1), divisor_override=3)", ((6, 5, 6, 7),)),
    ),
)


# ---- lp_pool

_lp_module = _window_module("nn.LPPool{}d", (("stride", None), ("ceil_mode", False)), first=("norm_type",))
_lp_windows = _windows("lp_pool", whole_3d=True)


def lp_pool_shape(call: Call) -> tuple[Tensor, ...]:
    if call.number("norm_type") == 0:
        raise Problem("E0205", "`norm_type` must not be 0", "0 is no power", argument="norm_type")
    return _lp_windows(call)


LP_POOL = Op(
    name="lp_pool",
    role="pooling",
    summary="Takes the p-norm of each window.",
    parameters=(Parameter("norm_type", NUMBER), KERNEL, STRIDE, CEIL),
    shape=lp_pool_shape,
    module=_lp_module,
    function=_function("lp_pool", _lp_module),
    field=_window_field,
    keeps=lambda call: Kept((0,), (), (call.x, *[call.y] * 4)),
    label=_label("lp pool"),
    examples=(
        Example("lp_pool(2, 3)", ((6, 9, 10),)),
        Example("lp_pool(1.5, 2, stride=1)", ((6, 7),)),
        Example("lp_pool(2, (2, 3), stride=2, ceil_mode=true)", ((6, 6, 6),)),
    ),
)


# ---- adaptive and global pooling


def _adaptive(name: str) -> Callable[[Call], tuple[Tensor, ...]]:
    def rule(call: Call) -> tuple[Tensor, ...]:
        sizes = spatial(call, name)
        wanted = _output_size(call)
        after = tuple(n if new is None else new for n, new in zip(sizes, wanted, strict=True))
        return (Tensor((call.x.shape[0], *after), call.x.dtype),)

    return rule


def _output_size(call: Call) -> tuple[int | None, ...]:
    axes = len(call.x.shape) - 1
    value = call.arguments["output_size"]
    return (None,) * axes if value is None else call.each("output_size", axes)


def adaptive_field(call: Call, source: int, result: int) -> Field:
    """The windows are equal where the sizes divide; otherwise they differ and are not followed."""
    axes: list[Along | None] = [Along((0,))]
    lost = []
    for place, (size, new) in enumerate(zip(call.x.shape[1:], call.y.shape[1:], strict=True), 1):
        if size == new:
            axes.append(Along((place,)))
        elif isinstance(size, int) and isinstance(new, int) and new > 1 and size % new == 0:
            axes.append(Along((place,), kernel=size // new, stride=size // new))
        else:
            axes.append(None)
            if new != 1:
                lost.append(place)
    return Field(tuple(axes), (), tuple(lost))


def _adaptive_module(callee: str) -> Callable[[Call], Construct]:
    def module(call: Call) -> Construct:
        size = _output_size(call)
        # One axis wants a number or a tuple of one; `None` alone is no size there.
        value = size if len(size) == 1 and size[0] is None else folded(size)
        return construct(callee.format(len(size)), value)

    return module


def _adaptive_keeps(call: Call) -> Kept:
    return Kept(() if all(size == 1 for size in _output_size(call)) else (0,))  # one mean needs sizes only


def _adaptive_max_keeps(call: Call) -> Kept:
    return Kept((0,), (), (call.y._replace(dtype="int64"),))


def _adaptive_op(name: str, summary: str, callee: str, label: str, keeps: Rule) -> Op:
    module = _adaptive_module(callee)
    return Op(
        name=name,
        role="pooling",
        summary=summary,
        parameters=(Parameter("output_size", KEPT_SIZE_PER_AXIS),),
        shape=_adaptive(name),
        module=module,
        function=_function(name, module),
        field=adaptive_field,
        keeps=keeps,
        label=lambda call: f"{label} to {'×'.join(map(str, call.y.shape[1:]))}",
        examples=(
            Example(f"{name}(7)", ((16, 14, 15),)),
            Example(f"{name}((3, none))", ((16, 14, 5),)),
            Example(f"{name}(1)", ((16, 9),)),
            Example(f"{name}((1, 2, 3))", ((4, 5, 6, 7),)),
        ),
    )


ADAPTIVE_AVG_POOL = _adaptive_op(
    "adaptive_avg_pool",
    "Takes means so that the output has a given size.",
    "nn.AdaptiveAvgPool{}d",
    "avg pool",
    _adaptive_keeps,
)
ADAPTIVE_MAX_POOL = _adaptive_op(
    "adaptive_max_pool",
    "Takes largest values so that the output has a given size.",
    "nn.AdaptiveMaxPool{}d",
    "max pool",
    _adaptive_max_keeps,
)


def global_avg_pool_shape(call: Call) -> tuple[Tensor, ...]:
    sizes = spatial(call, "global_avg_pool")
    batched(call, "global_avg_pool")
    return (Tensor((call.x.shape[0], *(1 for _ in sizes)), call.x.dtype),)


def global_avg_pool_module(call: Call) -> Construct:
    return construct(f"nn.AdaptiveAvgPool{len(call.x.shape) - 1}d", 1)


GLOBAL_AVG_POOL = Op(
    name="global_avg_pool",
    role="pooling",
    summary="Takes the mean of each channel; every spatial axis becomes 1.",
    parameters=(),
    shape=global_avg_pool_shape,
    module=global_avg_pool_module,
    function=_function("adaptive_avg_pool", global_avg_pool_module),
    field=adaptive_field,
    label=lambda call: "global avg pool",
    examples=(
        Example("global_avg_pool", ((16, 7, 7),)),
        Example("global_avg_pool", ((16, 9),)),
        Example("global_avg_pool", ((4, 3, 4, 5),)),
    ),
)

POOLINGS = (MAX_POOL, AVG_POOL, LP_POOL, ADAPTIVE_AVG_POOL, ADAPTIVE_MAX_POOL, GLOBAL_AVG_POOL)
