"""Calculations on each number, comparisons, and summaries over axes."""

from collections.abc import Callable

from archc.compiler.ir import Tensor
from archc.compiler.ops.combine import aligned
from archc.compiler.ops.entry import Call, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.field import Field, identity, mixing
from archc.compiler.ops.kept import Kept, Rule, input_and_output, its_input, its_output, nothing
from archc.compiler.ops.kinds import AXES, AXIS, FLAG, NON_NEGATIVE_NUMBER, NUMBER, optional
from archc.compiler.ops.rules import FLOATING, elementwise, floating, plain, position, positions, promoted, same

# ---- one number at a time


def _unary(name: str, summary: str, template: str = "", *, keeps: Rule = nothing) -> Op:
    text = template or f"torch.{name}({{0}})"
    return Op(
        name=name,
        role="arithmetic",
        summary=summary,
        parameters=(),
        shape=elementwise(name),
        function=lambda call: Expression(text, atomic=text.endswith(")")),
        keeps=keeps,
        label=lambda call: name,
        examples=(Example(name, ((4, 5),)), Example(name, ((7,),))),
    )


UNARY = (
    _unary("exp", "The exponential function.", keeps=its_output),
    _unary("log", "The natural logarithm.", keeps=its_input),
    _unary("sqrt", "The square root.", keeps=its_output),
    _unary("rsqrt", "1 / sqrt(x).", keeps=its_output),
    _unary("square", "x times x.", keeps=its_input),
    _unary("reciprocal", "1 / x.", keeps=its_output),
    _unary("abs", "The absolute value.", keeps=its_input),
    _unary("neg", "-x.", "-{0}"),
    _unary("sign", "-1, 0 or 1."),
    _unary("sin", "The sine.", keeps=its_input),
    _unary("cos", "The cosine.", keeps=its_input),
    _unary("erf", "The error function.", keeps=its_input),
    _unary("floor", "Rounds down."),
    _unary("ceil", "Rounds up."),
    _unary("round", "Rounds to the nearest whole number, halves to even."),
)

POW = Op(
    name="pow",
    role="arithmetic",
    summary="x to the power of a number.",
    parameters=(Parameter("exponent", NUMBER),),
    shape=elementwise("pow"),
    function=lambda call: Expression("{0} ** {exponent}", {"exponent": call.arguments["exponent"]}, atomic=False),
    keeps=its_input,
    label=lambda call: f"pow {call.arguments['exponent']}",
    examples=(Example("pow(2)", ((4, 5),)), Example("pow(exponent=-0.5)", ((7,),))),
)


def clamp_shape(call: Call) -> tuple[Tensor, ...]:
    floating(call, "clamp")
    if call.arguments["min"] is None and call.arguments["max"] is None:
        raise Problem("E0201", "`clamp` needs `min` or `max`", "both are missing", help="`clamp(min=0)`, `clamp(0, 1)`")
    return same(call)


def clamp_function(call: Call) -> Expression:
    values = {name: call.arguments[name] for name in ("min", "max") if call.arguments[name] is not None}
    return Expression(f"{{0}}.clamp({', '.join(f'{name}={{{name}}}' for name in values)})", values)


CLAMP = Op(
    name="clamp",
    role="arithmetic",
    summary="Cuts off below `min` and above `max`.",
    parameters=(Parameter("min", optional(NUMBER), None), Parameter("max", optional(NUMBER), None)),
    shape=clamp_shape,
    function=clamp_function,
    keeps=its_input,
    label=lambda call: "clamp",
    examples=(Example("clamp(0, 1)", ((4, 5),)), Example("clamp(max=2.5)", ((7,),)), Example("clamp(min=-1)", ((7,),))),
)


# ---- comparisons


def _comparison(name: str, sign: str, words: str) -> Op:
    def shape(call: Call) -> tuple[Tensor, ...]:
        other = call.arguments["other"]
        if (other is None) == (len(call.inputs) == 1):
            raise Problem(
                "E0401",
                f"`{name}` compares two values, or one with a number",
                "has one value" if other is None else "beside two values",
                argument="" if other is None else "other",
                help=f"`{name}(0)`, or `{name} {{ a; b }}`",
            )
        sizes, batch = aligned(call, name)
        return (Tensor(sizes, "bool", batch),)

    def function(call: Call) -> Expression:
        if call.arguments["other"] is None:
            return Expression(f"{{0}} {sign} {{1}}", atomic=False)
        return Expression(f"{{0}} {sign} {{other}}", {"other": call.arguments["other"]}, atomic=False)

    return Op(
        name=name,
        role="arithmetic",
        summary=f"True where the first value is {words} the second, or a number.",
        parameters=(Parameter("other", optional(NUMBER), None),),
        inputs=(1, 2),
        shape=shape,
        function=function,
        label=lambda call: sign,
        examples=(Example(f"{name}(0.5)", ((4, 5),)), Example(name, ((4, 5), (4, 1)))),
    )


COMPARISONS = (
    _comparison("eq", "==", "equal to"),
    _comparison("ne", "!=", "not equal to"),
    _comparison("lt", "<", "less than"),
    _comparison("le", "<=", "at most"),
    _comparison("gt", ">", "greater than"),
    _comparison("ge", ">=", "at least"),
)


def where_shape(call: Call) -> tuple[Tensor, ...]:
    if call.x.dtype != "bool":
        raise Problem(
            "E0307",
            f"`where` chooses by truth values, but branch 1 holds {call.x.dtype}",
            call.x.dtype,
            input=0,
            help="a comparison such as `gt(0)` leaves truth values",
        )
    sizes, batch = aligned(call, "where")
    scalars = tuple(i for i, x in enumerate(call.inputs[1:]) if not x.shape and not x.batched)
    return (Tensor(sizes, promoted(tuple(x.dtype for x in call.inputs[1:]), scalars), batch),)


WHERE = Op(
    name="where",
    role="arithmetic",
    summary="Takes numbers from the second value where the first is true, else from the third.",
    parameters=(),
    inputs=(3, 3),
    shape=where_shape,
    function=lambda call: Expression("torch.where({0}, {1}, {2})"),
    keeps=its_input,
    label=lambda call: "where",
    examples=(
        Example("where", ((4, 5), (4, 5), (4, 5)), ("bool", "float32", "float32")),
        Example("where", ((4, 1), (4, 5), (1, 5)), ("bool", "float32", "float32")),
    ),
)


# ---- summaries over axes


def _same(dtype: str) -> str:
    return dtype


def _summed(dtype: str) -> str:
    return dtype if dtype in FLOATING else "int64"


def reduced_field(call: Call, source: int, result: int) -> Field:
    removed, keep = positions(call), call.flag("keepdim")
    axes = enumerate(identity(call.x))
    return Field(tuple(None if place in removed else axis for place, axis in axes if keep or place not in removed))


def _reduction(
    name: str,
    summary: str,
    callee: str = "",
    *,
    only_one: bool = False,
    whole: bool = False,
    dtype: Callable[[str], str] = _same,
    keeps: Rule = nothing,
) -> Op:
    """Return the entry of a summary over axes.

    `whole` says that it takes whole numbers and truth values as well, `dtype` what its result holds.
    """

    def shape(call: Call) -> tuple[Tensor, ...]:
        if not whole:
            floating(call, name)
        removed = positions(call)
        kept = tuple(
            1 if place in removed else size
            for place, size in enumerate(call.x.shape)
            if place not in removed or call.flag("keepdim")
        )
        return (call.x._replace(shape=kept, dtype=dtype(call.x.dtype)),)

    def function(call: Call) -> Expression:
        values: dict[str, object] = {"dim": plain(call.arguments["dim"])}
        keep = ""
        if call.flag("keepdim"):
            keep, values["keepdim"] = ", keepdim={keepdim}", True
        return Expression(f"{{0}}.{callee or name}(dim={{dim}}{keep})", values)

    return Op(
        name=name,
        role="arithmetic",
        summary=summary,
        parameters=(Parameter("dim", AXIS if only_one else AXES), Parameter("keepdim", FLAG, False)),
        shape=shape,
        function=function,
        field=reduced_field,
        keeps=keeps,
        label=lambda call: name,
        examples=(
            Example(f"{name}(1)", ((4, 5),)),
            Example(f"{name}(-1, keepdim=true)", ((4, 5, 6),)),
            *(() if only_one else (Example(f"{name}((2, 3))", ((4, 5, 6),)),)),
        ),
    )


REDUCTIONS = (
    _reduction("mean", "The mean over axes."),
    _reduction("sum", "The sum over axes.", whole=True, dtype=_summed),
    _reduction("max", "The largest number over axes.", "amax", whole=True, keeps=input_and_output),
    _reduction("min", "The smallest number over axes.", "amin", whole=True, keeps=input_and_output),
    _reduction("prod", "The product over an axis.", only_one=True, whole=True, dtype=_summed, keeps=input_and_output),
    _reduction("var", "The variance over axes (divided by n - 1).", keeps=its_input),
    _reduction("std", "The standard deviation over axes (divided by n - 1).", keeps=input_and_output),
    _reduction("logsumexp", "log(sum(exp(x))) over axes.", keeps=input_and_output),
    _reduction("argmax", "The place of the largest number along an axis.", only_one=True, dtype=lambda dtype: "int64"),
    _reduction("argmin", "The place of the smallest number along an axis.", only_one=True, dtype=lambda dtype: "int64"),
)


def _on_axis(name: str) -> Callable[[Call], tuple[Tensor, ...]]:
    def shape(call: Call) -> tuple[Tensor, ...]:
        floating(call, name)
        position(call.x, call.integer("dim"))
        return same(call)

    return shape


CUMSUM = Op(
    name="cumsum",
    role="arithmetic",
    summary="Sums up along an axis.",
    parameters=(Parameter("dim", AXIS),),
    shape=_on_axis("cumsum"),
    function=lambda call: Expression("{0}.cumsum(dim={dim})", {"dim": call.integer("dim")}),
    field=lambda call, source, result: mixing(position(call.x, call.integer("dim")))(call, source, result),
    label=lambda call: "cumsum",
    examples=(Example("cumsum(1)", ((4, 5),)), Example("cumsum(-1)", ((4,),))),
)


def normalize_function(call: Call) -> Expression:
    text, values = "", {}
    for name, default in (("p", 2.0), ("dim", 1), ("eps", 1e-12)):
        if call.arguments[name] != default:
            text += f", {name}={{{name}}}"
            values[name] = call.arguments[name]
    return Expression(f"F.normalize({{0}}{text})", values)


def normalize_keeps(call: Call) -> Kept:
    place = position(call.x, call.integer("dim"))
    norm = call.x._replace(shape=(*call.x.shape[:place], 1, *call.x.shape[place + 1 :]))
    return Kept((0,), (), (norm, norm))


NORMALIZE = Op(
    name="normalize",
    role="norm",
    summary="Divides by the p-norm along an axis.",
    parameters=(
        Parameter("p", NUMBER, 2.0),
        Parameter("dim", AXIS, 1),
        Parameter("eps", NON_NEGATIVE_NUMBER, 1e-12),
    ),
    shape=_on_axis("normalize"),
    function=normalize_function,
    keeps=normalize_keeps,
    label=lambda call: "normalize",
    examples=(
        Example("normalize", ((16,),)),
        Example("normalize(dim=-1)", ((4, 5),)),
        Example("normalize(p=1, dim=2, eps=0.001)", ((4, 5),)),
    ),
)

ARITHMETICS = (*UNARY, POW, CLAMP, *COMPARISONS, WHERE, *REDUCTIONS, CUMSUM, NORMALIZE)
