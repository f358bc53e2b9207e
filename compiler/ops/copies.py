"""Numbers in another order, several times, or only some of them."""

from collections.abc import Callable

from archc.compiler.algebra.sizes import Size, Symbolic
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.field import Along, Field, identity, lost, mixing
from archc.compiler.ops.kept import Kept, view
from archc.compiler.ops.kinds import AXES, AXIS, EXPANDED, FLAG, INTEGER, POSITIVE, SIZES
from archc.compiler.ops.rules import axis, position, positions, same, times
from archc.compiler.ops.symbolic import placed

# ---- flip


def flip_shape(call: Call) -> tuple[Tensor, ...]:
    positions(call, "dims")
    return (call.x,)


FLIP = Op(
    name="flip",
    role="shape",
    summary="Reverses axes.",
    parameters=(Parameter("dims", AXES),),
    shape=flip_shape,
    function=lambda call: Expression("torch.flip({0}, {dims})", {"dims": list(call.integers("dims"))}),
    field=lambda call, source, result: mixing(*positions(call, "dims"))(call, source, result),
    label=lambda call: "flip",
    examples=(Example("flip(1)", ((4, 5),)), Example("flip((-1, -2))", ((3, 4, 5),))),
)


# ---- tile and expand


def _front(call: Call, name: str, argument: str) -> int:
    """How many axes there are before those that an argument has numbers for."""
    front = len(call.x.shape) - len(call.sizes(argument))
    if front < 0:
        raise Problem(
            "E0303",
            f"`{name}` has {len(call.sizes(argument))} numbers, but the input {call.x} has {len(call.x.shape)} axes",
            f"{len(call.sizes(argument))} numbers",
            argument=argument,
            help="`unsqueeze` inserts an axis",
        )
    return front


def tile_shape(call: Call) -> tuple[Tensor, ...]:
    front = _front(call, "tile", "dims")
    tile_function(call)  # which finds sizes that the input does not tell
    times_each = (1,) * front + call.sizes("dims")
    return (call.x._replace(shape=tuple(size * n for size, n in zip(call.x.shape, times_each, strict=True))),)


def tile_function(call: Call) -> Expression:
    values: dict[str, object] = {}
    texts = [placed(call, n, f"n{i}", values, argument="dims") for i, n in enumerate(call.sizes("dims"))]
    return Expression(f"torch.tile({{0}}, ({', '.join(texts)},))", values)


TILE = Op(
    name="tile",
    role="shape",
    summary="Repeats the whole value along its last axes; one number for each of them.",
    parameters=(Parameter("dims", SIZES),),
    shape=tile_shape,
    function=tile_function,
    field=lost,
    label=lambda call: f"tile {times(call.sizes('dims'))}",
    examples=(Example("tile([2])", ((4, 5),)), Example("tile((3, 1, 2))", ((1, 4, 5),))),
)


def expand_shape(call: Call) -> tuple[Tensor, ...]:
    sizes = call.sizes("size")
    if _front(call, "expand", "size"):
        raise Problem(
            "E0303",
            f"`expand` needs a size for each axis: {len(sizes)} of them do not fit {call.x}",
            f"{len(sizes)} sizes",
            argument="size",
            help="-1 keeps an axis as it is",
        )
    after: list[Size] = []
    for place, (have, want) in enumerate(zip(call.x.shape, sizes, strict=True)):
        if want != -1 and have != 1 and not call.equal(have, want):
            raise Problem(
                "E0301",
                f"`expand` enlarges axes of size 1: axis {axis(call.x, place)} of {call.x} is {have}, not {want}",
                f"axis {axis(call.x, place)} is {have}",
                argument="size",
                help="`tile` repeats an axis of any size",
            )
        if isinstance(want, Symbolic) and not call.fits(want):
            raise Problem("E0302", f"nothing is left: {want}", f"is {want}", argument="size")
        after.append(have if want == -1 else want)
    expand_function(call)  # which finds sizes that the input does not tell
    return (call.x._replace(shape=tuple(after)),)


def expand_function(call: Call) -> Expression:
    values: dict[str, object] = {}
    texts = [placed(call, size, f"s{i}", values, argument="size") for i, size in enumerate(call.sizes("size"))]
    return Expression(f"{{0}}.expand({', '.join(['-1'] * call.x.batched + texts)})", values)


def expand_field(call: Call, source: int, result: int) -> Field:
    axes = identity(call.x)
    sizes = enumerate(zip(call.x.shape, call.y.shape, strict=True))
    grown = [place for place, (have, want) in sizes if have != want]
    kept: tuple[Along | None, ...] = tuple(None if place in grown else along for place, along in enumerate(axes))
    return Field(kept, tuple(grown))


EXPAND = Op(
    name="expand",
    role="shape",
    summary="Enlarges axes of size 1 by repeating them; -1 keeps an axis.",
    parameters=(Parameter("size", EXPANDED),),
    shape=expand_shape,
    function=expand_function,
    field=expand_field,
    keeps=view("turned"),
    label=lambda call: f"expand {call.y}",
    examples=(Example("expand([4, -1])", ((1, 5),)), Example("expand((-1, 3, 6))", ((4, 3, 1),))),
)


# ---- triangles


def _triangle(name: str, summary: str) -> Op:
    def shape(call: Call) -> tuple[Tensor, ...]:
        if len(call.x.shape) < 2:
            raise Problem(
                "E0303",
                f"`{name}` works on matrices, the last two axes, but the input is {call.x}",
                f"this is {call.x}",
                input=0,
            )
        return same(call)

    def function(call: Call) -> Expression:
        if call.integer("diagonal") == 0:
            return Expression(f"torch.{name}({{0}})")
        return Expression(f"torch.{name}({{0}}, {{diagonal}})", {"diagonal": call.integer("diagonal")})

    return Op(
        name=name,
        role="arithmetic",
        summary=summary,
        parameters=(Parameter("diagonal", INTEGER, 0),),
        shape=shape,
        function=function,
        label=lambda call: name,
        examples=(Example(name, ((5, 5),)), Example(f"{name}(-1)", ((3, 4, 6),))),
    )


TRIANGLES = (
    _triangle("tril", "Keeps what is on and below a diagonal of the last two axes, and sets the rest to 0."),
    _triangle("triu", "Keeps what is on and above a diagonal of the last two axes, and sets the rest to 0."),
)


# ---- topk and sort


def topk_shape(call: Call) -> tuple[Tensor, ...]:
    place = position(call.x, call.integer("dim"))
    k, size = call.integer("k"), call.x.shape[place]
    if call.x.dtype == "bool":
        raise Problem("E0307", "`topk` compares numbers, but the input holds bool", "bool", input=0)
    if not call.fits(size, k):
        raise Problem(
            "E0302",
            f"there are no {k} numbers in axis {axis(call.x, place)} of {call.x}",
            f"the axis has {size}",
            argument="k",
        )
    values = call.x._replace(shape=(*call.x.shape[:place], k, *call.x.shape[place + 1 :]))
    return values, values._replace(dtype="int64")


def _two(callee: str, *names: tuple[str, object]) -> Callable[[Call], Expression]:
    def function(call: Call) -> Expression:
        given = {name: call.arguments[name] for name, default in names if call.arguments[name] != default}
        return Expression(f"torch.{callee}({{0}}{''.join(f', {name}={{{name}}}' for name in given)})", given)

    return function


TOPK = Op(
    name="topk",
    role="arithmetic",
    summary="The k largest numbers along an axis, largest first, and their places.",
    parameters=(
        Parameter("k", POSITIVE),
        Parameter("dim", AXIS, -1),
        Parameter("largest", FLAG, True),
        Parameter("sorted", FLAG, True),
    ),
    outputs=lambda arguments: 2,
    shape=topk_shape,
    function=_two("topk", ("k", None), ("dim", -1), ("largest", True), ("sorted", True)),
    field=lost,
    keeps=lambda call: Kept((), (1,)),
    label=lambda call: f"top {call.integer('k')}",
    examples=(Example("topk(2)", ((4, 5),)), Example("topk(1, dim=1, largest=false)", ((4, 5),))),
)


def sort_shape(call: Call) -> tuple[Tensor, ...]:
    position(call.x, call.integer("dim"))
    return call.x, call.x._replace(dtype="int64")


SORT = Op(
    name="sort",
    role="arithmetic",
    summary="The numbers along an axis in order, and the places where they were.",
    parameters=(Parameter("dim", AXIS, -1), Parameter("descending", FLAG, False)),
    outputs=lambda arguments: 2,
    shape=sort_shape,
    function=_two("sort", ("dim", -1), ("descending", False)),
    field=lost,
    keeps=lambda call: Kept((), (1,)),
    label=lambda call: "sort",
    examples=(Example("sort", ((4, 5),)), Example("sort(1, descending=true)", ((4, 5),))),
)

COPIES = (FLIP, TILE, EXPAND, *TRIANGLES, TOPK, SORT)
