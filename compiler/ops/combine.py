"""Combining several values: arithmetic and concatenation."""

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.field import Along, Field, alike, identity
from archc.compiler.ops.kept import Kept, Rule, nothing
from archc.compiler.ops.kinds import AXIS, NUMBER, optional
from archc.compiler.ops.rules import FLOATING, position, promoted, rank
from archc.compiler.ops.together import projection, to_add, to_concat

# ---- arithmetic


def aligned(call: Call, name: str) -> tuple[tuple[Size, ...], bool]:
    """Return the sizes that the inputs broadcast to, and whether there is a batch among them.

    Values with a batch must have equal rank. Values without one are aligned from the right; where they reach the
    batch they must have size 1 there.

    Raises:
        Problem: they do not fit.
    """
    with_batch = [x for x in call.inputs if x.batched]
    ranks = max(rank(x) for x in (with_batch or call.inputs))
    shape: list[Size] = [1] * ranks
    source = [0] * ranks
    for index, x in enumerate(call.inputs):
        if rank(x) > ranks or (x.batched and rank(x) != ranks):
            other = next(i for i, y in enumerate(call.inputs) if y.batched and (not x.batched or rank(y) != rank(x)))
            raise _mismatch(call, name, other, index, "they have different numbers of axes")
        sizes = (1, *x.shape) if x.batched else x.shape
        for place, size in enumerate(sizes, ranks - len(sizes)):
            if with_batch and place == 0 and not x.batched and size != 1:
                other = call.inputs.index(with_batch[0])
                raise _mismatch(
                    call, name, other, index, "the first axis of a full shape meets the batch and must be 1"
                )
            if size == 1:
                continue
            if shape[place] == 1:
                shape[place], source[place] = size, index
            elif not call.equal(shape[place], size):
                first, second = shape[place], size
                raise _mismatch(call, name, source[place], index, f"axis {place} is {first} and {second}")
    return tuple(shape[1:] if with_batch else shape), bool(with_batch)


def _mismatch(call: Call, name: str, first: int, second: int, why: str) -> Problem:
    a, b = call.inputs[first], call.inputs[second]
    first, second = sorted((first, second))
    a, b = call.inputs[first], call.inputs[second]
    return Problem(
        "E0301",
        f"`{name}` needs inputs of one size: branch {first + 1} is {a}, branch {second + 1} is {b} ({why})",
        f"this branch is {b}",
        input=second,
        help=to_add(call.inputs, first, second),
        projection=projection(call.inputs, first, second),
    )


def _arithmetic(
    name: str, summary: str, role: str, several: str, number: str, *, counts: bool = False, keeps: Rule = nothing
) -> Op:
    """Return the entry of arithmetic on values, or on one value and a number.

    `several` joins two values and is used again for each further one; `number` is the text for a value and a number.
    """

    def shape(call: Call) -> tuple[Tensor, ...]:
        other = call.arguments["other"]
        if len(call.inputs) == 1:
            if other is None:
                raise Problem(
                    "E0401",
                    f"`{name}` needs several values, or a number",
                    "has one value",
                    help=f"`{name} {{ identity; ... }}` takes one value from each statement, `{name}(2)` a number",
                )
            _no_truth_values(call, name)
            dtype = promoted((call.x.dtype, "float32" if isinstance(other, float) else "int64"), (1,))
            return (call.x._replace(dtype=_result(name, dtype)),)
        if other is not None:
            raise Problem(
                "E0401",
                f"`{name}` takes either several values or one number, not both",
                f"beside {len(call.inputs)} values",
                argument="other",
                help=f"use two: `{name} {{ ... }} -> {name}({other})`",
            )
        _no_truth_values(call, name)
        sizes, batch = aligned(call, name)
        dtype, single = call.x.dtype, rank(call.x) == 0
        for x in call.inputs[1:]:
            scalars = [place for place, is_scalar in enumerate((single, rank(x) == 0)) if is_scalar]
            dtype, single = _result(name, promoted((dtype, x.dtype), scalars)), single and rank(x) == 0
        return (Tensor(sizes, dtype, batch),)

    def function(call: Call) -> Expression:
        other = call.arguments["other"]
        if other is not None:
            return _with_number(number, other, call.x)
        template = "{0}"
        for index in range(1, len(call.inputs)):
            template = several.format(template, f"{{{index}}}")
        return Expression(template, atomic=several.endswith(")"))

    return Op(
        name=name,
        role=role,
        summary=summary,
        parameters=(Parameter("other", optional(NUMBER), None),),
        inputs=(1, None),
        counts=counts,
        shape=shape,
        function=function,
        keeps=keeps,
        label=lambda call: name if call.arguments["other"] is None else f"{name} {call.arguments['other']}",
        examples=(
            Example(name, ((4, 5, 6), (4, 5, 6))),
            Example(name, ((4, 5, 6), (4, 1, 6), (1, 5, 1))),
            Example(f"{name}(0.5)", ((4, 6),)),
            Example(f"{name}(-2)", ((7,),)),
        ),
    )


def _result(name: str, dtype: str) -> str:
    if name == "div" and dtype not in FLOATING:
        return "float32"
    return dtype


def _no_truth_values(call: Call, name: str) -> None:
    """torch can add truth values, but not subtract them."""
    for index, x in enumerate(call.inputs):
        if name == "sub" and x.dtype == "bool":
            raise Problem(
                "E0307", "`sub` has no meaning for truth values", "truth values", input=index, help="`ne` compares them"
            )


def _with_number(template: str, other: object, x: Tensor) -> Expression:
    assert isinstance(other, int | float)
    opposite = {"{0} + {other}": "{0} - {other}", "{0} - {other}": "{0} + {other}"}
    if other < 0 and template in opposite and x.dtype != "bool":  # truth values can be added to, not subtracted from
        template, other = opposite[template], -other
    return Expression(template, {"other": other}, atomic=template.endswith(")"))


def _with_between(call: Call) -> Kept:
    """The inputs, and the result of each step but the last."""
    return Kept(tuple(range(len(call.inputs))), (), (call.y,) * (len(call.inputs) - 2))


def _factors(call: Call) -> Kept:
    return Kept() if len(call.inputs) == 1 else _with_between(call)


ARITHMETIC = (
    _arithmetic("add", "Adds values, or a number.", "combine", "{} + {}", "{0} + {other}"),
    _arithmetic(
        "sub", "Subtracts the further values from the first, or a number.", "combine", "{} - {}", "{0} - {other}"
    ),
    _arithmetic("mul", "Multiplies values, or by a number.", "combine", "{} * {}", "{0} * {other}", keeps=_factors),
    _arithmetic(
        "div",
        "Divides the first value by the further ones, or by a number.",
        "combine",
        "{} / {}",
        "{0} / {other}",
        keeps=_factors,
    ),
    _arithmetic(
        "maximum",
        "Takes the larger of several values, or of a value and a number.",
        "combine",
        "torch.maximum({}, {})",
        "{0}.clamp(min={other})",
        counts=True,
        keeps=_with_between,
    ),
    _arithmetic(
        "minimum",
        "Takes the smaller of several values, or of a value and a number.",
        "combine",
        "torch.minimum({}, {})",
        "{0}.clamp(max={other})",
        counts=True,
        keeps=_with_between,
    ),
)


# ---- concat and stack


def _others_equal(call: Call, name: str, place: int | None, what: str) -> tuple[Size, ...]:
    """The sizes of the first input, where all inputs agree outside one axis; places count with the batch."""
    ranks = max(rank(x) for x in call.inputs)
    reference = next((i for i, x in enumerate(call.inputs) if x.batched), 0)
    base = _full(call.inputs[reference])
    for index, x in enumerate(call.inputs):
        sizes = _full(x)
        fits = rank(x) == ranks == len(base)
        if fits:
            fits = all(call.equal(a, b) for i, (a, b) in enumerate(zip(base, sizes, strict=True)) if i != place)
        if not fits:
            first, second = sorted((reference, index))
            raise Problem(
                "E0301",
                f"`{name}` needs inputs that {what}: "
                f"branch {first + 1} is {call.inputs[first]}, branch {second + 1} is {call.inputs[second]}",
                f"this branch is {call.inputs[second]}",
                input=second,
                help=to_concat(call.inputs, first, second, place),
            )
    return base


def _full(x: Tensor) -> tuple[Size, ...]:
    """The sizes with 1 in the place of the batch, where values without one must have 1 as well."""
    return (1, *x.shape) if x.batched else x.shape


def concat_place(call: Call) -> int:
    """The place of the axis, counted with the batch where there is one."""
    x = next((x for x in call.inputs if x.batched), call.x)
    return position(x, call.integer("dim")) + x.batched


def concat_shape(call: Call) -> tuple[Tensor, ...]:
    place = concat_place(call)
    batch = any(x.batched for x in call.inputs)
    base = _others_equal(call, "concat", place, f"differ in axis {place} only")
    total: Size = 0
    for x in call.inputs:
        total = total + _full(x)[place]
    sizes = (*base[:place], total, *base[place + 1 :])
    dtype = promoted(tuple(x.dtype for x in call.inputs))
    return (Tensor(sizes[1:] if batch else sizes, dtype, batch),)


def _listed(call: Call) -> str:
    """The inputs of a concatenation; those without a batch are expanded to it."""
    batch = next((i for i, x in enumerate(call.inputs) if x.batched), None)
    parts = []
    for index, x in enumerate(call.inputs):
        if batch is None or x.batched or rank(x) == 0:
            parts.append(f"{{{index}}}")
        else:
            parts.append(f"{{{index}}}.expand({{{batch}}}.shape[0]{', -1' * (rank(x) - 1)})")
    return f"[{', '.join(parts)}]"


def concat_field(call: Call, source: int, result: int) -> Field:
    x = call.inputs[source]
    if not x.batched and call.y.batched:
        return alike(call, source, result)
    place = concat_place(call) - call.y.batched
    offset: Size = 0
    for other in call.inputs[:source]:
        offset = offset + _full(other)[place + call.y.batched]
    axes = identity(x)
    # A place of the result is one of this input or of another: what it reads where it is one of this.
    axes[place] = Along((place,), padding=offset) if isinstance(offset, int) else None
    return Field(tuple(axes), (), () if isinstance(offset, int) else (place,))


CONCAT = Op(
    name="concat",
    role="combine",
    summary="Joins values along an axis, by default the channels.",
    parameters=(Parameter("dim", AXIS, 1),),
    inputs=(2, None),
    counts=False,
    shape=concat_shape,
    function=lambda call: Expression(f"torch.cat({_listed(call)}, dim={{dim}})", {"dim": call.integer("dim")}),
    field=concat_field,
    label=lambda call: "concat",
    examples=(
        Example("concat", ((4, 5, 6), (7, 5, 6))),
        Example("concat(dim=-1)", ((4, 5), (4, 1), (4, 2))),
        Example("concat", ((4,), (6,))),
        Example("concat(dim=2)", ((4, 3), (4, 3))),
    ),
)


def stack_shape(call: Call) -> tuple[Tensor, ...]:
    base = _others_equal(call, "stack", None, "have one size")
    batch = any(x.batched for x in call.inputs)
    x = Tensor(base[1:] if batch else base, batched=batch)
    place = position(x, call.integer("dim"), extra=1)
    dtype = promoted(tuple(x.dtype for x in call.inputs))
    return (Tensor((*x.shape[:place], len(call.inputs), *x.shape[place:]), dtype, batch),)


def stack_field(call: Call, source: int, result: int) -> Field:
    x = call.inputs[source]
    if not x.batched and call.y.batched:
        return alike(call, source, result)
    place = position(call.y, call.integer("dim"))
    axes = identity(x)
    return Field((*axes[:place], None, *axes[place:]))


STACK = Op(
    name="stack",
    role="combine",
    summary="Joins values of one size along a new axis.",
    parameters=(Parameter("dim", AXIS, 1),),
    inputs=(2, None),
    counts=False,
    shape=stack_shape,
    function=lambda call: Expression(f"torch.stack({_listed(call)}, dim={{dim}})", {"dim": call.integer("dim")}),
    field=stack_field,
    label=lambda call: "stack",
    examples=(
        Example("stack", ((4, 5), (4, 5), (4, 5))),
        Example("stack(dim=-1)", ((4, 5), (4, 5))),
        Example("stack(dim=2)", ((4, 5, 6), (4, 5, 6))),
    ),
)

COMBINATIONS = (*ARITHMETIC, CONCAT, STACK)
