"""Parts of a value: edges added and cut off, pieces taken and rolled round."""

from collections.abc import Mapping, Sequence

from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.kinds import (
    AXIS,
    INTEGER,
    INTEGERS,
    NUMBER,
    OFFSET,
    POSITIVE,
    SIDES,
    SIZES,
    SIZES_PER_AXIS,
    choice,
    optional,
)
from archc.compiler.ops.rules import axis, batched, ceiling, position, times
from archc.compiler.sizes import Size


def _replaced(x: Tensor, place: int, *sizes: Size) -> Tensor:
    """The value with one axis replaced by others."""
    return x._replace(shape=(*x.shape[:place], *sizes, *x.shape[place + 1 :]))


# ---- pad

PAD_MODES = ("constant", "reflect", "replicate", "circular")


def _sides(call: Call) -> tuple[int, ...]:
    """Two numbers for each axis, the last axis first, as torch takes them."""
    padding = call.arguments["padding"]
    if isinstance(padding, int):
        if len(call.x.shape) < 2:
            raise Problem(
                "E0303",
                f"one number pads the spatial axes, but the input {call.x} has none",
                f"{call.x}: no spatial axes",
                input=0,
                help="`pad((1, 1))` pads the last axis",
            )
        return (padding, padding) * (len(call.x.shape) - 1)
    assert isinstance(padding, list | tuple)
    if len(padding) % 2 or len(padding) > 2 * len(call.x.shape):
        raise Problem(
            "E0205",
            f"`padding` is two numbers for each axis, the last axis first: {len(padding)} of them do not fit {call.x}",
            f"{len(padding)} numbers",
            argument="padding",
            help="`pad((left, right))`, `pad((left, right, top, bottom))`, or one number for all sides",
        )
    return tuple(padding)


def pad_shape(call: Call) -> tuple[Tensor, ...]:
    mode = call.text("mode")
    sides = _sides(call)
    sizes = list(call.x.shape)
    if mode != "constant":
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
    text, values = "F.pad({0}, {padding}", {"padding": _sides(call)}
    extra: dict[str, object] = {}
    if call.text("mode") != "constant":
        text, extra["mode"] = text + ", mode={mode}", call.text("mode")
    if call.number("value") != 0:
        text, extra["value"] = text + ", value={value}", call.arguments["value"]
    return Expression(text + ")", {**values, **extra})


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
        return tuple(size)
    return (size,) * (len(call.x.shape) - 1)  # type: ignore[return-value]


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
    if not all(call.fits(have - want, 0) for have, want in zip(x.shape[front:], wanted, strict=True)):
        raise Problem(
            "E0302",
            f"`crop` only makes smaller: the input is {times(x.shape[front:])}, wanted is {times(wanted)}",
            f"the input is {times(x.shape[front:])}",
            argument="size" if len(call.inputs) == 1 else "",
            input=None if len(call.inputs) == 1 else 1,
            help="`pad` makes larger",
        )
    return (x._replace(shape=(*x.shape[:front], *wanted)),)


def crop_function(call: Call) -> Expression:
    wanted = _wanted(call)
    parts, values = [], {}
    for number, (have, want) in enumerate(zip(call.x.shape[-len(wanted) :], wanted, strict=True)):
        start, end = (have - want) // 2, (have - want) // 2 + want
        parts.append(f"{{start{number}}}:{{end{number}}}")
        if isinstance(have, int) or not isinstance(have - want, int):
            values |= {f"start{number}": start, f"end{number}": end}
        else:
            # A fixed number is cut off whatever the size: count the end from the end.
            cut = have - want - start
            parts[-1] = f"{{start{number}}}:{{end{number}}}" if cut else f"{{start{number}}}:"
            values |= {f"start{number}": start} | ({f"end{number}": -cut} if cut else {})
    return Expression(f"{{0}}[..., {', '.join(parts)}]", values)


CROP = Op(
    name="crop",
    role="shape",
    summary="Cuts out the middle: to given sizes, or to those of a second value.",
    parameters=(Parameter("size", optional(SIZES_PER_AXIS), None),),
    inputs=(1, 2),
    shape=crop_shape,
    function=crop_function,
    label=lambda call: f"crop to {'×'.join(map(str, call.y.shape[1:]))}",
    examples=(
        Example("crop(4)", ((3, 9, 8),)),
        Example("crop((3, 7))", ((3, 9, 8),)),
        Example("crop", ((3, 9, 8), (5, 6, 8))),
        Example("crop(4)", ((3, 7),)),
    ),
)


# ---- pieces


def _index(place: int, what: str, x: Tensor) -> str:
    return f"{{0}}[{':, ' * axis(x, place)}{what}]"


def slice_shape(call: Call) -> tuple[Tensor, ...]:
    place = position(call.x, call.integer("dim"))
    size = call.x.shape[place]
    start, end = (_bound(call, size, name) for name in ("start", "end"))
    ordered = call.fits(end - start, 1)
    if not ordered:
        raise Problem(
            "E0302",
            f"the slice is empty: from {start} to {end} of axis {axis(call.x, place)} ({size})",
            "nothing is left",
            argument="end" if call.arguments["end"] is not None else "start",
        )
    return (_replaced(call.x, place, ceiling(end - start, call.integer("step"))),)


def _bound(call: Call, size: Size, name: str) -> Size:
    value = call.arguments[name]
    if value is None:
        return 0 if name == "start" else size
    bound: Size = value  # type: ignore[assignment]
    if isinstance(bound, int) and bound < 0:
        bound = size + bound
    if not (call.fits(bound, 0) and call.fits(size - bound, 0)):
        raise Problem("E0302", f"there is no {value} in an axis of size {size}", f"the axis has {size}", argument=name)
    return bound


def slice_function(call: Call) -> Expression:
    place = position(call.x, call.integer("dim"))
    values: dict[str, object] = {}
    text = []
    for name in ("start", "end"):
        if call.arguments[name] is not None:
            values[name] = call.arguments[name]
        text.append(f"{{{name}}}" if name in values else "")
    if call.integer("step") != 1:
        values["step"] = call.integer("step")
        text.append("{step}")
    return Expression(_index(place, ":".join(text), call.x), values)


SLICE = Op(
    name="slice",
    role="shape",
    summary="Takes part of an axis, from `start` up to, not including, `end`.",
    parameters=(
        Parameter("dim", AXIS),
        Parameter("start", optional(OFFSET), None),
        Parameter("end", optional(OFFSET), None),
        Parameter("step", POSITIVE, 1),
    ),
    shape=slice_shape,
    function=slice_function,
    label=lambda call: "slice",
    examples=(
        Example("slice(1, 2, 6)", ((8, 5),)),
        Example("slice(-1, start=1, step=2)", ((8, 6),)),
        Example("slice(2, end=-1)", ((8, 6),)),
    ),
)


def select_shape(call: Call) -> tuple[Tensor, ...]:
    place = position(call.x, call.integer("dim"))
    index, size = call.integer("index"), call.x.shape[place]
    if not call.fits(size, index + 1 if index >= 0 else -index):
        raise Problem(
            "E0302",
            f"there is no place {index} in axis {axis(call.x, place)} of {call.x}",
            f"the axis has {size} places",
            argument="index",
        )
    return (_replaced(call.x, place),)


SELECT = Op(
    name="select",
    role="shape",
    summary="Takes one place of an axis; the axis is gone.",
    parameters=(Parameter("dim", AXIS), Parameter("index", INTEGER)),
    shape=select_shape,
    function=lambda call: Expression(
        _index(position(call.x, call.integer("dim")), "{index}", call.x), {"index": call.integer("index")}
    ),
    label=lambda call: "select",
    examples=(
        Example("select(1, 0)", ((7, 16),)),
        Example("select(-1, -2)", ((7, 16),)),
        Example("select(dim=2, index=3)", ((7, 16),)),
    ),
)


def take_shape(call: Call) -> tuple[Tensor, ...]:
    table, index = call.inputs
    if index.dtype not in ("int32", "int64"):
        raise Problem(
            "E0307",
            f"`take` looks up whole numbers, but branch 2 holds {index.dtype}",
            index.dtype,
            input=1,
            help="give the indices as `constant` or `buffer` of whole numbers, or as an input with dtype int64",
        )
    if table.batched and index.batched:
        raise Problem(
            "E0205",
            "`take` would mix the batch: both the values and the indices have one",
            "has a batch",
            input=1,
        )
    place = position(table, call.integer("dim"))
    if index.batched and place != 0:
        raise Problem(
            "E0205",
            f"`take` would move the batch of the indices behind axis {place - 1}",
            "only axis 0 here",
            argument="dim",
        )
    return (
        Tensor(
            (*table.shape[:place], *index.shape, *table.shape[place + 1 :]), table.dtype, table.batched or index.batched
        ),
    )


TAKE = Op(
    name="take",
    role="combine",
    summary="Looks up the places of an axis of the first value that the second value holds.",
    parameters=(Parameter("dim", AXIS, 0),),
    inputs=(2, 2),
    counts=False,
    shape=take_shape,
    function=lambda call: Expression(_index(position(call.x, call.integer("dim")), "{1}", call.x)),
    label=lambda call: "take",
    examples=(
        Example("take", ((13, 4), (3, 3)), ("float32", "int64"), (0, 1)),
        Example("take(1)", ((13, 4), (6,)), ("float32", "int64"), (1,)),
        Example("take", ((13, 4), (5,)), ("float32", "int64"), (0,)),
        Example("take(dim=-1)", ((5, 13), (2, 3)), ("float32", "int32"), (1,)),
    ),
)


def roll_shape(call: Call) -> tuple[Tensor, ...]:
    shifts, dims = call.arguments["shifts"], call.arguments["dims"]
    assert isinstance(shifts, int | list | tuple)
    assert isinstance(dims, int | list | tuple)
    shifts, dims = ((value,) if isinstance(value, int) else value for value in (shifts, dims))
    if len(shifts) != len(dims):
        raise Problem(
            "E0205",
            f"`roll` needs one shift for each axis: {len(shifts)} of them for {len(dims)}",
            "not as many as `dims`",
            argument="shifts",
        )
    for dim in dims:
        position(call.x, dim, argument="dims")
    return (call.x,)


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


ROLL = Op(
    name="roll",
    role="shape",
    summary="Moves numbers along axes; what leaves at one end comes in at the other.",
    parameters=(Parameter("shifts", INTEGERS), Parameter("dims", INTEGERS)),
    shape=roll_shape,
    function=lambda call: Expression(
        "torch.roll({0}, {shifts}, {dims})", {name: _tuple(call.arguments[name]) for name in ("shifts", "dims")}
    ),
    label=lambda call: "roll",
    examples=(Example("roll([-3, -3], [1, 2])", ((8, 8, 4),)), Example("roll(1, -1)", ((8,),))),
)


# ---- several pieces


def chunk_shape(call: Call) -> tuple[Tensor, ...]:
    place = position(call.x, call.integer("dim"))
    size, chunks = call.x.shape[place], call.integer("chunks")
    each = ceiling(size, chunks)
    rest = size - each * (chunks - 1)
    if not call.fits(rest, 1):
        raise Problem(
            "E0304",
            f"axis {axis(call.x, place)} of {call.x} does not give {chunks} chunks: each would have {each} of {size}",
            f"the axis has {size}",
            argument="chunks",
            help="`split([...])` takes the sizes of the pieces",
        )
    return (*(_replaced(call.x, place, each) for _ in range(chunks - 1)), _replaced(call.x, place, rest))


def _count(arguments: Mapping[str, object]) -> int:
    chunks = arguments["chunks"]
    assert isinstance(chunks, int)
    return chunks


CHUNK = Op(
    name="chunk",
    role="shape",
    summary="Cuts an axis, by default the channels, into equal pieces; the last may be smaller.",
    parameters=(Parameter("chunks", POSITIVE), Parameter("dim", AXIS, 1)),
    outputs=_count,
    shape=chunk_shape,
    function=lambda call: Expression(
        "{0}.chunk({chunks}, dim={dim})", {"chunks": call.integer("chunks"), "dim": call.integer("dim")}
    ),
    label=lambda call: f"chunk {call.integer('chunks')}",
    examples=(Example("chunk(2)", ((8, 5),)), Example("chunk(3, dim=-1)", ((8, 5),)), Example("chunk(1)", ((8,),))),
)


def _pieces(arguments: Mapping[str, object]) -> Sequence[Size]:
    pieces = arguments["split_size"]
    assert isinstance(pieces, list | tuple)
    return pieces


def split_shape(call: Call) -> tuple[Tensor, ...]:
    place = position(call.x, call.integer("dim"))
    pieces = _pieces(call.arguments)
    total: Size = 0
    for piece in pieces:
        total = total + piece
    if not call.equal(total, call.x.shape[place]):
        raise Problem(
            "E0301",
            f"the pieces of `split` must add up to axis {axis(call.x, place)} of {call.x}: "
            f"{' + '.join(map(str, pieces))} is {total}, not {call.x.shape[place]}",
            f"add up to {total}",
            argument="split_size",
        )
    return tuple(_replaced(call.x, place, piece) for piece in pieces)


SPLIT = Op(
    name="split",
    role="shape",
    summary="Cuts an axis, by default the channels, into pieces of given sizes.",
    parameters=(Parameter("split_size", SIZES), Parameter("dim", AXIS, 1)),
    outputs=lambda arguments: len(_pieces(arguments)),
    shape=split_shape,
    function=lambda call: Expression(
        "{0}.split({sizes}, dim={dim})", {"sizes": tuple(_pieces(call.arguments)), "dim": call.integer("dim")}
    ),
    label=lambda call: "split",
    examples=(Example("split([2, 6])", ((8, 5),)), Example("split((1, 3, 1), dim=2)", ((8, 5),))),
)

PARTS = (PAD, CROP, SLICE, SELECT, TAKE, ROLL, CHUNK, SPLIT)
