"""Edges of a value: added by `pad`, cut off by `crop`."""

from archc.compiler.algebra.sizes import Size, Symbolic, symbol
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.field import Along, Field, identity
from archc.compiler.ops.kept import Kept, view
from archc.compiler.ops.kinds import NUMBER, SIDES, SIZES_PER_AXIS, choice, optional
from archc.compiler.ops.rules import axis, batched, floating, times
from archc.compiler.ops.symbolic import placed

# ---- pad

PAD_MODES = ("constant", "reflect", "replicate", "circular")


def _sides(call: Call) -> tuple[int, ...]:
    """Two numbers for each axis, the last axis first, as torch takes them."""
    padding = call.integers("padding")
    if isinstance(call.arguments["padding"], int):
        if len(call.x.shape) < 2:
            raise Problem(
                "E0303",
                f"one number pads the spatial axes, but the input {call.x} has none",
                f"{call.x}: no spatial axes",
                input=0,
                help="`pad((1, 1))` pads the last axis",
            )
        return padding * 2 * (len(call.x.shape) - 1)
    if len(padding) % 2 or len(padding) > 2 * len(call.x.shape):
        raise Problem(
            "E0205",
            f"`padding` is two numbers for each axis, the last axis first: {len(padding)} of them do not fit {call.x}",
            f"{len(padding)} numbers",
            argument="padding",
            help="`pad((left, right))`, `pad((left, right, top, bottom))`, or one number for all sides",
        )
    return padding


def pad_shape(call: Call) -> tuple[Tensor, ...]:
    mode = call.text("mode")
    sides = _sides(call)
    sizes = list(call.x.shape)
    if mode != "constant":
        floating(call, "pad")
        batched(call, "pad")
        if len(sides) != 2 * (len(sizes) - 1) or not 2 <= len(sides) <= 6:
            raise Problem(
                "E0205",
                f'`mode="{mode}"` pads all of one to three spatial axes: {len(sides)} numbers do not fit {call.x}',
                f"needs {2 * (len(sizes) - 1)} numbers" if 2 <= len(sizes) <= 4 else f"not for {call.x}",
                argument="padding",
            )
        if min(sides) < 0:
            raise Problem("E0205", f'`mode="{mode}"` cannot cut off', "negative", argument="padding", help="`crop` can")
        if call.number("value") != 0:
            raise Problem("E0205", f'`mode="{mode}"` takes no `value`', "leave it out", argument="value")
    for number in range(len(sides) // 2):
        place = len(sizes) - 1 - number
        before, after = sides[2 * number : 2 * number + 2]
        size = sizes[place]
        # Each side is cut off alone first: neither may take more than there is, and something must be left.
        fits = (
            call.fits(size + min(before, 0), 0)
            and call.fits(size + min(after, 0), 0)
            and call.fits(size + before + after)
        )
        if mode in ("reflect", "circular"):
            fits = fits and call.fits(size, max(before, after) + (mode == "reflect"))
        if not fits:
            raise Problem(
                "E0302",
                f"`pad` with {before} and {after} ({mode}) does not fit axis {axis(call.x, place)} of {call.x}",
                f"axis {axis(call.x, place)} is {size}",
                argument="padding",
                help="reflected padding must be smaller than the axis, circular at most as large"
                if mode != "constant"
                else "",
            )
        sizes[place] = size + before + after
    return (call.x._replace(shape=tuple(sizes)),)


def pad_function(call: Call) -> Expression:
    if not any(_sides(call)):
        return Expression("{0}")
    text, values = "F.pad({0}, {padding}", {"padding": _sides(call)}
    extra: dict[str, object] = {}
    if call.text("mode") != "constant":
        text, extra["mode"] = text + ", mode={mode}", call.text("mode")
    if call.number("value") != 0:
        text, extra["value"] = text + ", value={value}", call.arguments["value"]
    return Expression(text + ")", {**values, **extra})


def pad_field(call: Call, source: int, result: int) -> Field:
    axes = identity(call.x)
    for number, before in enumerate(_sides(call)[::2]):
        axes[-1 - number] = Along((len(axes) - 1 - number,), padding=before)
    return Field(tuple(axes))


PAD = Op(
    name="pad",
    role="shape",
    summary="Adds edges: one number for all spatial sides, or two for each axis, the last axis first.",
    parameters=(
        Parameter("padding", SIDES),
        Parameter("mode", choice(*PAD_MODES), "constant"),
        Parameter("value", NUMBER, 0),
    ),
    shape=pad_shape,
    function=pad_function,
    field=pad_field,
    keeps=lambda call: Kept((0,) if call.text("mode") in ("reflect", "replicate") else ()),
    label=lambda call: f"pad to {'×'.join(map(str, call.y.shape[1:]))}",
    examples=(
        Example("pad(2)", ((3, 5, 6),)),
        Example("pad((1, 0, 2, -1), value=0.5)", ((3, 5, 6),)),
        Example('pad((1, 2), mode="reflect")', ((3, 5),)),
        Example('pad(2, mode="circular")', ((3, 5, 6, 4),)),
        Example('pad(2, mode="replicate")', ((3, 5, 1),)),
    ),
)


# ---- crop


def _wanted(call: Call) -> tuple[Size, ...]:
    """The sizes after cropping: of the second input, or as given."""
    size = call.arguments["size"]
    if (size is None) == (len(call.inputs) == 1):
        raise Problem(
            "E0201" if size is None else "E0203",
            "`crop` takes either `size` or a second value to be as large as",
            "both are missing" if size is None else "beside a second value",
            argument="" if size is None else "size",
            help="`crop(56)`, `crop((56, 48))`, or `crop { skip; up }`",
        )
    if size is None:
        other = call.inputs[1]
        if len(other.shape) != len(call.x.shape):
            raise Problem(
                "E0303",
                f"`crop` needs values with the same number of axes: branch 1 is {call.x}, branch 2 is {other}",
                f"this branch is {other}",
                input=1,
            )
        return other.shape[1:]
    if isinstance(size, list | tuple):
        return call.sizes("size")
    assert isinstance(size, int | Symbolic)
    return (size,) * (len(call.x.shape) - 1)


def crop_shape(call: Call) -> tuple[Tensor, ...]:
    wanted = _wanted(call)
    x = call.x
    if not 0 < len(wanted) < len(x.shape):
        raise Problem(
            "E0303",
            f"`crop` cuts the spatial axes: {len(wanted)} sizes do not fit {x}",
            f"the input is {x}",
            input=0,
        )
    front = len(x.shape) - len(wanted)
    pairs = zip(x.shape[front:], wanted, strict=True)
    if not all(call.fits(want) and call.fits(have - want, 0) for have, want in pairs):
        raise Problem(
            "E0302",
            f"`crop` only makes smaller: the input is {times(x.shape[front:])}, wanted is {times(wanted)}",
            f"the input is {times(x.shape[front:])}",
            argument="size" if len(call.inputs) == 1 else "",
            input=None if len(call.inputs) == 1 else 1,
            help="`pad` makes larger",
        )
    crop_function(call)  # which finds sizes that the inputs do not tell
    return (x._replace(shape=(*x.shape[:front], *wanted)),)


def crop_function(call: Call) -> Expression:
    wanted = _wanted(call)
    parts: list[str] = []
    values: dict[str, object] = {}
    for number, (have, want) in enumerate(zip(call.x.shape[-len(wanted) :], wanted, strict=True)):
        if have == want:
            parts.append(":")
            continue
        if isinstance(want, int) and not isinstance(have, int):
            # Counted from the axis itself: its size need not be told by others.
            start = (symbol(f"{{0}}.shape[{axis(call.x, len(call.x.shape) - len(wanted) + number)}]") - want) // 2
            parts.append(f"{start}:{start + want}")
            continue
        start = (have - want) // 2
        end: Size | None = start + want
        if not isinstance(have, int) and isinstance(have - want, int):
            # A fixed number is cut off whatever the size: count the end from the end.
            end = -(have - want - start) if have - want - start != 0 else None
        first, last = (
            placed(call, bound, f"{name}{number}", values, argument="size") if bound is not None else ""
            for name, bound in (("start", start), ("end", end))
        )
        parts.append(f"{first}:{last}")
    return Expression(f"{{0}}[..., {', '.join(parts)}]", values)


def crop_field(call: Call, source: int, result: int) -> Field:
    if source > 0:  # only its size is read
        every = tuple(range(len(call.inputs[source].shape)))
        return Field((None,) * len(call.y.shape), every)
    axes = identity(call.x)
    lost = []
    for place, (have, want) in enumerate(zip(call.x.shape, call.y.shape, strict=True)):
        start = (have - want) // 2
        if isinstance(start, int):
            axes[place] = Along((place,), padding=-start)
        else:
            axes[place] = None
            lost.append(place)
    return Field(tuple(axes), (), tuple(lost))


CROP = Op(
    name="crop",
    role="shape",
    summary="Cuts out the middle: to given sizes, or to those of a second value.",
    parameters=(Parameter("size", optional(SIZES_PER_AXIS), None),),
    inputs=(1, 2),
    shape=crop_shape,
    function=crop_function,
    field=crop_field,
    keeps=view("turned"),
    label=lambda call: f"crop to {'×'.join(map(str, call.y.shape[1:]))}",
    examples=(
        Example("crop(4)", ((3, 9, 8),)),
        Example("crop((3, 7))", ((3, 9, 8),)),
        Example("crop", ((3, 9, 8), (5, 6, 8))),
        Example("crop(4)", ((3, 7),)),
    ),
)


EDGES = (PAD, CROP)
