"""Changing the axes of a value: the numbers stay, their arrangement changes."""

from collections.abc import Sequence

from archc.compiler.algebra.ratios import lowest_terms
from archc.compiler.algebra.sizes import NotExact, Size, symbols
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.field import Along, Field, identity, joined
from archc.compiler.ops.kept import view
from archc.compiler.ops.kinds import AXES, AXIS, AXIS_LIST, SHAPE
from archc.compiler.ops.rules import axis, construct, elements, plain, position, positions, rank, times
from archc.compiler.ops.symbolic import placed

# ---- flatten and unflatten


def flatten_shape(call: Call) -> tuple[Tensor, ...]:
    x = call.x
    first = position(x, call.integer("start_dim"), argument="start_dim")
    last = position(x, call.integer("end_dim"), argument="end_dim")
    if first > last:
        raise Problem(
            "E0205",
            f"`start_dim` must not come after `end_dim`: axis {axis(x, first)} is after {axis(x, last)} in {x}",
            f"after axis {axis(x, last)}",
            argument="start_dim" if call.integer("start_dim") != 1 else "end_dim",
        )
    return (x._replace(shape=(*x.shape[:first], elements(x.shape[first : last + 1]), *x.shape[last + 1 :])),)


def flatten_function(call: Call) -> Expression:
    start, end = call.integer("start_dim"), call.integer("end_dim")
    if end == -1:
        return Expression("torch.flatten({0}, {start})", {"start": start})
    return Expression("torch.flatten({0}, {start}, {end})", {"start": start, "end": end})


def flatten_field(call: Call, source: int, result: int) -> Field:
    x = call.x
    first, last = (position(x, call.integer(name), argument=name) for name in ("start_dim", "end_dim"))
    places = list(range(len(x.shape)))
    groups = [tuple(places[first : last + 1])]
    return joined([(place,) for place in places[:first]] + groups + [(place,) for place in places[last + 1 :]])


FLATTEN = Op(
    name="flatten",
    role="shape",
    summary="Joins axes into one, by default all but the batch.",
    parameters=(Parameter("start_dim", AXIS, 1), Parameter("end_dim", AXIS, -1)),
    shape=flatten_shape,
    module=lambda call: construct(
        "nn.Flatten",
        keywords=[("start_dim", call.integer("start_dim"), 1), ("end_dim", call.integer("end_dim"), -1)],
    ),
    function=flatten_function,
    field=flatten_field,
    keeps=view("joined"),
    label=lambda call: "flatten",
    examples=(
        Example("flatten", ((16, 5, 5),)),
        Example("flatten", ((16,),)),
        Example("flatten(2)", ((16, 5, 6),)),
        Example("flatten(start_dim=1, end_dim=2)", ((3, 4, 5),)),
    ),
)


def completed(call: Call, argument: str, have: Sequence[Size]) -> tuple[Size, ...]:
    """Return the sizes of an argument with the one that was left open (-1) filled in; `have` are those to be regrouped.

    Raises:
        Problem: they do not hold as many numbers as there are.
        NotExact: whether they do depends on the input's sizes in a way that is not followed.
    """
    shape = call.sizes(argument)
    known = [size for size in shape if size != -1]
    fits = all(call.fits(size) for size in known)
    filled: Size = 1
    if fits and -1 in shape:
        total, divisor = lowest_terms(have, known)
        if isinstance(divisor, int):
            fits = call.divides(total, divisor)
            filled = total // divisor if fits else 1
        elif call.conditions.decide("==", total, divisor) is not True:
            raise NotExact(f"whether {total} is a multiple of {divisor} depends on {_listed_symbols(total, divisor)}")
    elif fits:
        fits = call.equal(elements(known), elements(have))
    if not fits:
        total = elements(have)
        raise Problem(
            "E0304" if -1 in shape else "E0301",
            f"`{argument}` does not hold the numbers of the input: {total} into {times(map(_bracketed, shape))}",
            f"{elements(known)} of {total}",
            argument=argument,
            help=f"the sizes must multiply to {total}; one of them may be -1",
        )
    return tuple(filled if size == -1 else size for size in shape)


def _listed_symbols(*sizes: Size) -> str:
    return " and ".join(sorted(frozenset().union(*map(symbols, sizes))))


def _bracketed(size: Size) -> str:
    return f"({size})" if " " in str(size) else str(size)


def _open(sizes: Sequence[Size]) -> tuple[Size, ...]:
    """The sizes as torch takes them: a single one that is not a number is left open."""
    symbolic = [size for size in sizes if not isinstance(size, int)]
    return tuple(-1 if len(symbolic) == 1 and not isinstance(size, int) else size for size in sizes)


def _listed(call: Call, sizes: Sequence[Size], argument: str) -> tuple[str, dict[str, object]]:
    """The text of sizes in a template, and the values of its placeholders."""
    values: dict[str, object] = {}
    texts = [placed(call, size, f"s{i}", values, argument=argument) for i, size in enumerate(sizes)]
    return ", ".join(texts), values


def _unflattened(call: Call) -> tuple[int, tuple[Size, ...]]:
    place = position(call.x, call.integer("dim"))
    return place, completed(call, "unflattened_size", call.x.shape[place : place + 1])


def unflatten_function(call: Call) -> Expression:
    _, sizes = _unflattened(call)
    text, values = _listed(call, _open(sizes), "unflattened_size")
    comma = "," if len(sizes) == 1 else ""
    return Expression(f"{{0}}.unflatten({{dim}}, ({text}{comma}))", {"dim": call.integer("dim"), **values})


def unflatten_shape(call: Call) -> tuple[Tensor, ...]:
    place, sizes = _unflattened(call)
    unflatten_function(call)  # which finds sizes that the input does not tell
    return (call.x._replace(shape=(*call.x.shape[:place], *sizes, *call.x.shape[place + 1 :])),)


def regrouped_field(call: Call, source: int, result: int) -> Field:
    """The axes in front and behind that stay are followed, and those in between where they become one."""
    before, after = call.x.shape, call.y.shape
    common = min(len(before), len(after))
    front = next((i for i in range(common) if before[i] != after[i]), common)
    room = common - front
    back = next((i for i in range(room) if before[-1 - i] != after[-1 - i]), room)
    changed = tuple(range(front, len(before) - back))
    axes: list[Along | None] = [Along((place,)) for place in range(front)]
    new = len(after) - front - back
    axes += [Along(changed)] if new == 1 and changed else [None] * new
    axes += [Along((place,)) for place in range(len(before) - back, len(before))]
    return Field(tuple(axes), (), () if new == 1 else changed)


UNFLATTEN = Op(
    name="unflatten",
    role="shape",
    summary="Splits one axis into several.",
    parameters=(Parameter("dim", AXIS), Parameter("unflattened_size", SHAPE)),
    shape=unflatten_shape,
    function=unflatten_function,
    field=regrouped_field,
    keeps=view("ordered"),
    label=lambda call: "unflatten",
    examples=(
        Example("unflatten(1, [4, 6])", ((24,),)),
        Example("unflatten(-1, (2, -1))", ((3, 24),)),
        Example("unflatten(2, [2, 3, 4])", ((3, 24, 2),)),
    ),
)


def reshape_shape(call: Call) -> tuple[Tensor, ...]:
    sizes = completed(call, "shape", call.x.shape)
    _listed(call, _open(sizes), "shape")  # which finds sizes that the input does not tell
    return (call.x._replace(shape=sizes),)


def reshape_function(call: Call) -> Expression:
    sizes = call.y.shape
    text, values = _listed(call, _open(sizes), "shape")
    if not call.x.batched:
        return Expression(f"{{0}}.reshape({text})", values)
    if all(isinstance(size, int) for size in sizes):
        return Expression(f"{{0}}.reshape(-1, {text})", values)
    return Expression(f"{{0}}.reshape({{0}}.shape[0], {text})", values)


RESHAPE = Op(
    name="reshape",
    role="shape",
    summary="Gives the numbers of each sample other sizes (without the batch); one may be -1.",
    parameters=(Parameter("shape", SHAPE),),
    shape=reshape_shape,
    function=reshape_function,
    field=regrouped_field,
    keeps=view("joined"),
    label=lambda call: f"reshape {call.y}",
    examples=(
        Example("reshape([4, 6])", ((24,),)),
        Example("reshape([-1, 8])", ((4, 6),)),
        Example("reshape([-1])", ((4, 6, 2),)),
    ),
)


# ---- the order of axes


def permute_shape(call: Call) -> tuple[Tensor, ...]:
    dims = call.integers("dims")
    axes = rank(call.x)
    wanted = [dim % axes if -axes <= dim < axes else dim for dim in dims]
    if sorted(wanted) != list(range(axes)):
        raise Problem(
            "E0205",
            f"`permute` needs each axis once: {times(dims)} is no order of the {axes} axes of {call.x} and its batch"
            if call.x.batched
            else f"`permute` needs each axis once: {times(dims)} is no order of the {axes} axes of {call.x}",
            f"not each of 0 to {axes - 1} once",
            argument="dims",
        )
    if call.x.batched and wanted[0] != 0:
        raise Problem(
            "E0205",
            "`permute` would move the batch, axis 0",
            "must begin with 0",
            argument="dims",
            help=f"`permute([0, {', '.join(str(dim) for dim in wanted if dim)}])` keeps it in its place",
        )
    return (call.x._replace(shape=tuple(call.x.shape[dim - call.x.batched] for dim in wanted[call.x.batched :])),)


def permute_function(call: Call) -> Expression:
    text, values = _listed(call, call.integers("dims"), "dims")
    return Expression(f"{{0}}.permute({text})", values)


def permute_field(call: Call, source: int, result: int) -> Field:
    axes = rank(call.x)
    order = [dim % axes - call.x.batched for dim in call.integers("dims")]
    return joined([(place,) for place in order[call.x.batched :]])


PERMUTE = Op(
    name="permute",
    role="shape",
    summary="Puts the axes in another order; the batch stays first.",
    parameters=(Parameter("dims", AXIS_LIST),),
    shape=permute_shape,
    module=lambda call: construct("torchvision.ops.Permute", list(call.integers("dims"))),
    function=permute_function,
    field=permute_field,
    keeps=view("turned"),
    label=lambda call: "permute",
    examples=(
        Example("permute([0, 2, 3, 1])", ((3, 8, 9),)),
        Example("permute([0, -1, 1])", ((3, 8),)),
    ),
)


def transpose_shape(call: Call) -> tuple[Tensor, ...]:
    first = position(call.x, call.integer("dim0"), argument="dim0")
    second = position(call.x, call.integer("dim1"), argument="dim1")
    sizes = list(call.x.shape)
    sizes[first], sizes[second] = sizes[second], sizes[first]
    return (call.x._replace(shape=tuple(sizes)),)


def transpose_field(call: Call, source: int, result: int) -> Field:
    first = position(call.x, call.integer("dim0"), argument="dim0")
    second = position(call.x, call.integer("dim1"), argument="dim1")
    axes = identity(call.x)
    axes[first], axes[second] = axes[second], axes[first]
    return Field(tuple(axes))


TRANSPOSE = Op(
    name="transpose",
    role="shape",
    summary="Exchanges two axes.",
    parameters=(Parameter("dim0", AXIS), Parameter("dim1", AXIS)),
    shape=transpose_shape,
    function=lambda call: Expression(
        "{0}.transpose({dim0}, {dim1})", {"dim0": call.integer("dim0"), "dim1": call.integer("dim1")}
    ),
    field=transpose_field,
    keeps=view("turned"),
    label=lambda call: "transpose",
    examples=(
        Example("transpose(1, 2)", ((3, 8),)),
        Example("transpose(-2, -1)", ((3, 8, 9),)),
        Example("transpose(1, 1)", ((3, 8),)),
    ),
)


# ---- axes of size 1


def unsqueeze_shape(call: Call) -> tuple[Tensor, ...]:
    place = position(call.x, call.integer("dim"), extra=1)
    return (call.x._replace(shape=(*call.x.shape[:place], 1, *call.x.shape[place:])),)


def unsqueeze_field(call: Call, source: int, result: int) -> Field:
    place = position(call.x, call.integer("dim"), extra=1)
    axes = identity(call.x)
    return Field((*axes[:place], None, *axes[place:]))


UNSQUEEZE = Op(
    name="unsqueeze",
    role="shape",
    summary="Inserts an axis of size 1.",
    parameters=(Parameter("dim", AXIS),),
    shape=unsqueeze_shape,
    function=lambda call: Expression("{0}.unsqueeze({dim})", {"dim": call.integer("dim")}),
    field=unsqueeze_field,
    keeps=view("ordered"),
    label=lambda call: "unsqueeze",
    examples=(
        Example("unsqueeze(1)", ((8, 9),)),
        Example("unsqueeze(-1)", ((8, 9),)),
        Example("unsqueeze(2)", ((8,),)),
    ),
)


def squeeze_shape(call: Call) -> tuple[Tensor, ...]:
    places = positions(call)
    for place in places:
        if not call.equal(call.x.shape[place], 1):
            raise Problem(
                "E0301",
                f"`squeeze` removes axes of size 1: axis {axis(call.x, place)} of {call.x} is {call.x.shape[place]}",
                f"axis {axis(call.x, place)} is {call.x.shape[place]}",
                argument="dim",
            )
    return (call.x._replace(shape=tuple(size for i, size in enumerate(call.x.shape) if i not in places)),)


def squeeze_field(call: Call, source: int, result: int) -> Field:
    places = positions(call)
    return Field(tuple(axis for place, axis in enumerate(identity(call.x)) if place not in places), places)


SQUEEZE = Op(
    name="squeeze",
    role="shape",
    summary="Removes axes of size 1.",
    parameters=(Parameter("dim", AXES),),
    shape=squeeze_shape,
    function=lambda call: Expression("{0}.squeeze({dim})", {"dim": plain(call.arguments["dim"])}),
    field=squeeze_field,
    keeps=view("ordered"),
    label=lambda call: "squeeze",
    examples=(
        Example("squeeze(1)", ((1, 9),)),
        Example("squeeze((-1, -2))", ((8, 1, 1),)),
    ),
)

SHAPES = (FLATTEN, UNFLATTEN, RESHAPE, PERMUTE, TRANSPOSE, UNSQUEEZE, SQUEEZE)
