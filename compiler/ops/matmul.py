"""The matrix product of two values."""

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.combine import aligned
from archc.compiler.ops.entry import Call, Example, Expression, Op, Problem
from archc.compiler.ops.field import Along, Field, alike
from archc.compiler.ops.kept import Kept
from archc.compiler.ops.rules import elements, rank, same_dtype


def matmul_shape(call: Call) -> tuple[Tensor, ...]:
    same_dtype(call, "matmul")
    a, b = call.inputs
    if a.dtype == "bool":
        raise Problem("E0307", "`matmul` has no meaning for truth values", "truth values", input=0)
    if b.batched and len(b.shape) == 1:
        raise Problem(
            "E0303",
            f"`matmul` would sum over the batch: branch 2 is {b}, a matrix needs two axes beside the batch",
            f"{b}: one axis",
            input=1,
            help="`unsqueeze(-1)` makes a column of it; `linear { x; weight }` multiplies with a matrix",
        )
    for index, x in enumerate(call.inputs):
        if not x.shape:
            raise Problem(
                "E0303",
                f"`matmul` needs vectors or matrices, but branch {index + 1} is a single number",
                "no axes",
                input=index,
            )
    row, column = rank(a) == 1, rank(b) == 1
    inner = b.shape[0] if column else b.shape[-2]
    if not call.equal(a.shape[-1], inner):
        raise Problem(
            "E0301",
            f"`matmul` sums over the last axis of the first and the one before the last of the second value: "
            f"branch 1 is {a}, branch 2 is {b} ({a.shape[-1]} and {inner})",
            f"this branch is {b}",
            input=1,
            help="`transpose(-2, -1)` on branch 2" if not column and a.shape[-1] == b.shape[-1] else "",
        )
    # What stands before the two matrix axes broadcasts; the batch axis of a vector's batch is its row axis.
    front = Call({}, tuple(_front(x, a) for x in call.inputs), conditions=call.conditions, cause=call.cause)
    if a.batched and len(a.shape) == 1:
        if rank(b) > 2:
            raise Problem(
                "E0303",
                f"`matmul` would mix the batch: branch 1 is {a}, one vector for each sample, branch 2 is {b}",
                "a vector for each sample",
                input=0,
                help="`unsqueeze(1)` makes a row of it",
            )
        return (Tensor(() if column else (b.shape[-1],), a.dtype),)
    for x, y in ((a, b), (b, a)):
        if x.batched and ((y.batched and rank(y) != rank(x)) or rank(y) > rank(x)):
            raise _matmul_ranks(a, b)
    sizes, batch = aligned(front, "matmul")
    matrix = (*(() if row else (a.shape[-2],)), *(() if column else (b.shape[-1],)))
    return (Tensor((*sizes, *matrix), a.dtype, batch),)


def _front(x: Tensor, first: Tensor) -> Tensor:
    return x._replace(shape=x.shape[:-2]) if len(x.shape) >= 2 else Tensor((), x.dtype, batched=False)


def _matmul_ranks(a: Tensor, b: Tensor) -> Problem:
    return Problem(
        "E0303",
        f"`matmul` needs matrices that are stacked alike: branch 1 is {a}, branch 2 is {b}",
        f"this branch is {b}",
        input=1,
        help="values with a batch need the same number of axes; `unsqueeze` adds one",
    )


def matmul_macs(call: Call) -> Size:
    return elements(call.y.shape) * call.x.shape[-1]


def matmul_field(call: Call, source: int, result: int) -> Field:
    """Rows come from the first value, columns from the second; what is summed over is read as a whole."""
    x, ranks = call.inputs[source], [len(given.shape) for given in call.inputs]
    if min(ranks) < 2 or x.batched != call.y.batched:
        return Field((None,) * len(call.y.shape), (), tuple(range(len(x.shape))))
    front = Call({}, (x._replace(shape=x.shape[:-2]),), (call.y._replace(shape=call.y.shape[:-2]),))
    stacked = alike(front, 0, 0)
    kept = Along((len(x.shape) - 2 + source,))
    return stacked._replace(axes=(*stacked.axes, *((kept, None) if source == 0 else (None, kept))))


def matmul_keeps(call: Call) -> Kept:
    inputs, further = [], []
    for number, x in enumerate(call.inputs):
        front = call.y.shape[:-2]
        if len(x.shape) > 2 and x.shape[:-2] != front:  # written out for each of the matrices beside it
            further.append(call.y._replace(shape=(*front, *x.shape[-2:])))
        else:
            inputs.append(number)
    return Kept(tuple(inputs), (), tuple(further))


MATMUL = Op(
    name="matmul",
    role="combine",
    summary="The matrix product of two values, over their last two axes.",
    parameters=(),
    inputs=(2, 2),
    counts=False,
    shape=matmul_shape,
    function=lambda call: Expression("{0} @ {1}", atomic=False),
    macs=matmul_macs,
    field=matmul_field,
    keeps=matmul_keeps,
    label=lambda call: "matmul",
    examples=(
        Example("matmul", ((4, 5), (5, 6))),
        Example("matmul", ((3, 4, 5), (3, 5, 6))),
        Example("matmul", ((3, 4, 5), (1, 5, 2))),
    ),
)
