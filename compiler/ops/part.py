"""Parts of a value: pieces taken, and pieces rolled round."""

from collections.abc import Mapping

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.field import Along, Field, identity, lost
from archc.compiler.ops.kept import Kept, view
from archc.compiler.ops.kinds import (
    AXIS,
    INTEGER,
    INTEGERS,
    OFFSET,
    POSITIVE,
    SIZES,
    optional,
)
from archc.compiler.ops.rules import axis, ceiling, plain, position
from archc.compiler.ops.symbolic import placed


def _replaced(x: Tensor, place: int, *sizes: Size) -> Tensor:
    """The value with one axis replaced by others."""
    return x._replace(shape=(*x.shape[:place], *sizes, *x.shape[place + 1 :]))


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
    slice_function(call)  # which finds sizes that the input does not tell
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
    size, step = call.x.shape[place], call.integer("step")
    if step == 1 and call.arguments["start"] in (None, 0) and call.arguments["end"] in (None, size):
        return Expression("{0}")
    values: dict[str, object] = {}
    text = []
    for name in ("start", "end"):
        bound: Size | None = call.arguments[name]  # type: ignore[assignment]
        text.append("" if bound is None else placed(call, bound, name, values, argument=name))
    if step != 1:
        values["step"] = step
        text.append("{step}")
    return Expression(_index(place, ":".join(text), call.x), values)


def _moved(call: Call, place: int, start: Size, step: int = 1) -> Field:
    """The field of what takes every `step`-th place of an axis from `start`."""
    axes = identity(call.x)
    known = isinstance(start, int)
    axes[place] = Along((place,), stride=step, padding=-start) if isinstance(start, int) else None
    return Field(tuple(axes), (), () if known else (place,))


def slice_field(call: Call, source: int, result: int) -> Field:
    place = position(call.x, call.integer("dim"))
    return _moved(call, place, _bound(call, call.x.shape[place], "start"), call.integer("step"))


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
    field=slice_field,
    keeps=view("turned"),
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


def select_field(call: Call, source: int, result: int) -> Field:
    place = position(call.x, call.integer("dim"))
    axes = identity(call.x)
    return Field((*axes[:place], *axes[place + 1 :]), (place,))


SELECT = Op(
    name="select",
    role="shape",
    summary="Takes one place of an axis; the axis is gone.",
    parameters=(Parameter("dim", AXIS), Parameter("index", INTEGER)),
    shape=select_shape,
    function=lambda call: Expression(
        _index(position(call.x, call.integer("dim")), "{index}", call.x), {"index": call.integer("index")}
    ),
    field=select_field,
    keeps=view("turned"),
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
    field=lost,
    keeps=lambda call: Kept((1,)),
    label=lambda call: "take",
    examples=(
        Example("take", ((13, 4), (3, 3)), ("float32", "int64"), (0, 1)),
        Example("take(1)", ((13, 4), (6,)), ("float32", "int64"), (1,)),
        Example("take", ((13, 4), (5,)), ("float32", "int64"), (0,)),
        Example("take(dim=-1)", ((5, 13), (2, 3)), ("float32", "int32"), (1,)),
    ),
)


def roll_shape(call: Call) -> tuple[Tensor, ...]:
    shifts, dims = call.integers("shifts"), call.integers("dims")
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


def roll_field(call: Call, source: int, result: int) -> Field:
    axes = identity(call.x)
    for shift, dim in zip(call.integers("shifts"), call.integers("dims"), strict=True):
        place = position(call.x, dim, argument="dims")
        axes[place] = Along((place,), padding=shift)
    return Field(tuple(axes))


def roll_function(call: Call) -> Expression:
    if not any(call.integers("shifts")):
        roll_shape(call)  # what is left out is wrong all the same where its axes are
        return Expression("{0}")
    return Expression(
        "torch.roll({0}, {shifts}, {dims})", {name: plain(call.arguments[name]) for name in ("shifts", "dims")}
    )


ROLL = Op(
    name="roll",
    role="shape",
    summary="Moves numbers along axes; what leaves at one end comes in at the other.",
    parameters=(Parameter("shifts", INTEGERS), Parameter("dims", INTEGERS)),
    shape=roll_shape,
    function=roll_function,
    field=roll_field,
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


def pieces_field(call: Call, source: int, result: int) -> Field:
    place = position(call.x, call.integer("dim"))
    start: Size = 0
    for piece in call.outputs[:result]:
        start = start + piece.shape[place]
    return _moved(call, place, start)


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
    field=pieces_field,
    keeps=view("turned"),
    label=lambda call: f"chunk {call.integer('chunks')}",
    examples=(Example("chunk(2)", ((8, 5),)), Example("chunk(3, dim=-1)", ((8, 5),)), Example("chunk(1)", ((8,),))),
)


def _pieces(arguments: Mapping[str, object]) -> int:
    pieces = arguments["split_size"]
    assert isinstance(pieces, list | tuple)
    return len(pieces)


def split_shape(call: Call) -> tuple[Tensor, ...]:
    place = position(call.x, call.integer("dim"))
    pieces = call.sizes("split_size")
    total: Size = 0
    for piece in pieces:
        total = total + piece
    if not (call.equal(total, call.x.shape[place]) and all(map(call.fits, pieces))):
        raise Problem(
            "E0301",
            f"the pieces of `split` must add up to axis {axis(call.x, place)} of {call.x}: "
            f"{' + '.join(map(str, pieces))} is {total}, not {call.x.shape[place]}",
            f"add up to {total}",
            argument="split_size",
        )
    split_function(call)  # which finds sizes that the input does not tell
    return tuple(_replaced(call.x, place, piece) for piece in pieces)


def split_function(call: Call) -> Expression:
    values: dict[str, object] = {"dim": call.integer("dim")}
    pieces = call.sizes("split_size")
    texts = [placed(call, piece, f"s{i}", values, argument="split_size") for i, piece in enumerate(pieces)]
    return Expression(f"{{0}}.split([{', '.join(texts)}], dim={{dim}})", values)


SPLIT = Op(
    name="split",
    role="shape",
    summary="Cuts an axis, by default the channels, into pieces of given sizes.",
    parameters=(Parameter("split_size", SIZES), Parameter("dim", AXIS, 1)),
    outputs=_pieces,
    shape=split_shape,
    function=split_function,
    field=pieces_field,
    keeps=view("turned"),
    label=lambda call: "split",
    examples=(Example("split([2, 6])", ((8, 5),)), Example("split((1, 3, 1), dim=2)", ((8, 5),))),
)

PARTS = (SLICE, SELECT, TAKE, ROLL, CHUNK, SPLIT)
