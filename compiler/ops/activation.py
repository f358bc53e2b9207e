"""Activations: elementwise functions, and those that normalise or gate along an axis."""

from collections.abc import Callable

from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import REQUIRED, Call, Construct, Example, Expression, Op, Parameter, Problem, Weight
from archc.compiler.ops.field import Field, identity, mixing
from archc.compiler.ops.kept import Kept, Rule, its_input, its_output
from archc.compiler.ops.kinds import AXIS, NON_NEGATIVE_NUMBER, NUMBER, POSITIVE, choice, optional
from archc.compiler.ops.rules import applied, axis, construct, elementwise, floating, position, rank, same

# ---- those that work on each number alone


def _pointwise(
    name: str,
    torch_class: str,
    summary: str,
    *parameters: Parameter,
    use: str = "",
    function: str = "",
    label: str = "",
    check: Callable[[Call], None] | None = None,
    keeps: Rule = its_input,
    overwrites: Callable[[Call], bool] = lambda call: False,
) -> Op:
    """Return the entry of an activation that works on each number alone.

    `use` is one more example, with arguments; `function` the callee where it is not `F.` and the name.
    """

    def shape(call: Call) -> tuple[Tensor, ...]:
        floating(call, name)
        if check is not None:
            check(call)
        return same(call)

    def module(call: Call) -> Construct:
        required = [call.arguments[p.name] for p in parameters if p.default is REQUIRED]
        keywords = [(p.name, call.arguments[p.name], p.default) for p in parameters if p.default is not REQUIRED]
        return construct(torch_class, *required, keywords=keywords)

    plain = (
        () if any(p.default is REQUIRED for p in parameters) else (Example(name, ((8, 5, 5),)), Example(name, ((10,),)))
    )
    return Op(
        name=name,
        role="activation",
        summary=summary,
        parameters=parameters,
        shape=shape,
        module=module,
        function=lambda call: applied(function or f"F.{name}", module(call)),
        keeps=keeps,
        overwrites=overwrites,
        label=lambda call: label or name,
        examples=(*plain, *((Example(use, ((4, 3, 2),)), Example(use, ((4, 6),))) if use else ())),
    )


def _check_celu(call: Call) -> None:
    if call.number("alpha") == 0:
        raise Problem("E0205", "`alpha` of `celu` must not be 0: x is divided by it", "0", argument="alpha")


def _check_hardtanh(call: Call) -> None:
    low, high = call.number("min_val"), call.number("max_val")
    if low >= high:
        raise Problem(
            "E0205",
            f"`max_val` must be larger than `min_val`: {high} is not larger than {low}",
            f"not above {low}",
            argument="max_val",
        )


def _with_another(call: Call) -> Kept:
    """The input, and a value of its size on the way to the output."""
    return Kept((0,), (), (call.y,))


def _always(call: Call) -> bool:
    return True


# SiLU, hard swish and the like have an `inplace` too, but their backward pass reads the input: torch would copy it.
POINTWISE = (
    _pointwise("relu", "nn.ReLU", "max(0, x).", label="ReLU", keeps=its_output, overwrites=_always),
    _pointwise("relu6", "nn.ReLU6", "min(max(0, x), 6).", label="ReLU6", overwrites=_always),
    _pointwise(
        "leaky_relu",
        "nn.LeakyReLU",
        "x above 0, a small slope below.",
        Parameter("negative_slope", NUMBER, 0.01),
        use="leaky_relu(0.2)",
        label="leaky ReLU",
        overwrites=lambda call: call.number("negative_slope") >= 0,  # the result has the sign of the input
    ),
    _pointwise(
        "elu",
        "nn.ELU",
        "x above 0, alpha (exp(x) - 1) below.",
        Parameter("alpha", NUMBER, 1.0),
        use="elu(alpha=0.5)",
        label="ELU",
    ),
    _pointwise("selu", "nn.SELU", "The self-normalising ELU.", label="SELU"),
    _pointwise(
        "celu",
        "nn.CELU",
        "x above 0, alpha (exp(x / alpha) - 1) below.",
        Parameter("alpha", NUMBER, 1.0),
        use="celu(2)",
        label="CELU",
        check=_check_celu,
    ),
    _pointwise(
        "gelu",
        "nn.GELU",
        "x times the normal distribution function of x.",
        Parameter("approximate", choice("none", "tanh"), "none"),
        use='gelu(approximate="tanh")',
        label="GELU",
    ),
    _pointwise("silu", "nn.SiLU", "x sigmoid(x), also called swish.", label="SiLU"),
    _pointwise("mish", "nn.Mish", "x tanh(softplus(x)).", label="Mish"),
    _pointwise("hardswish", "nn.Hardswish", "x relu6(x + 3) / 6.", label="hard swish"),
    _pointwise("hardsigmoid", "nn.Hardsigmoid", "relu6(x + 3) / 6.", label="hard sigmoid"),
    _pointwise(
        "hardtanh",
        "nn.Hardtanh",
        "x, cut off at two bounds.",
        Parameter("min_val", NUMBER, -1.0),
        Parameter("max_val", NUMBER, 1.0),
        use="hardtanh(-2, max_val=2.5)",
        label="hard tanh",
        check=_check_hardtanh,
        overwrites=_always,
    ),
    _pointwise("sigmoid", "nn.Sigmoid", "1 / (1 + exp(-x)).", function="torch.sigmoid", keeps=its_output),
    _pointwise("tanh", "nn.Tanh", "The hyperbolic tangent.", function="torch.tanh", keeps=its_output),
    _pointwise(
        "softplus",
        "nn.Softplus",
        "log(1 + exp(beta x)) / beta.",
        Parameter("beta", NUMBER, 1.0),
        Parameter("threshold", NUMBER, 20.0),
        use="softplus(beta=2, threshold=10)",
    ),
    _pointwise("softsign", "nn.Softsign", "x / (1 + |x|).", keeps=_with_another),
    _pointwise("logsigmoid", "nn.LogSigmoid", "log(sigmoid(x)).", label="log sigmoid", keeps=_with_another),
    _pointwise(
        "hardshrink",
        "nn.Hardshrink",
        "x, but 0 between -lambd and lambd.",
        Parameter("lambd", NUMBER, 0.5),
        use="hardshrink(0.25)",
    ),
    _pointwise(
        "softshrink",
        "nn.Softshrink",
        "x moved towards 0 by lambd.",
        Parameter("lambd", NON_NEGATIVE_NUMBER, 0.5),
        use="softshrink(lambd=0.25)",
    ),
    _pointwise("tanhshrink", "nn.Tanhshrink", "x - tanh(x).", keeps=lambda call: Kept(further=(call.y,))),
    _pointwise(
        "threshold",
        "nn.Threshold",
        "x above a threshold, a fixed value below.",
        Parameter("threshold", NUMBER),
        Parameter("value", NUMBER),
        use="threshold(0.1, 20)",
    ),
)


# ---- those with weights or randomness


def prelu_shape(call: Call) -> tuple[Tensor, ...]:
    floating(call, "prelu", weights=True)
    number = call.integer("num_parameters")
    if number == 1:
        return same(call)
    place = 0 if call.x.batched else 1
    if len(call.x.shape) <= place or not call.equal(call.x.shape[place], number):
        raise Problem(
            "E0301",
            f"`num_parameters` must be 1 or the number of channels: it is {number}, the input is {call.x}",
            f"the input is {call.x}",
            argument="num_parameters",
        )
    return same(call)


PRELU = Op(
    name="prelu",
    role="activation",
    summary="x above 0, a learned slope below: one for all, or one for each channel.",
    parameters=(Parameter("num_parameters", POSITIVE, 1), Parameter("init", NUMBER, 0.25)),
    shape=prelu_shape,
    module=lambda call: construct(
        "nn.PReLU",
        keywords=[("num_parameters", call.integer("num_parameters"), 1), ("init", call.arguments["init"], 0.25)],
    ),
    weights=lambda call: (Weight("weight", (call.integer("num_parameters"),)),),
    keeps=its_input,
    label=lambda call: "PReLU",
    examples=(
        Example("prelu", ((8, 5, 5),)),
        Example("prelu(8, init=0.1)", ((8, 5, 5),)),
        Example("prelu(8)", ((8,),)),
    ),
)


def rrelu_shape(call: Call) -> tuple[Tensor, ...]:
    low, high = call.number("lower"), call.number("upper")
    if low > high:
        raise Problem(
            "E0205", f"`lower` must not be above `upper`: {low} is above {high}", f"above {high}", argument="lower"
        )
    return elementwise("rrelu")(call)


RRELU = Op(
    name="rrelu",
    role="activation",
    summary="x above 0, a random slope below while training.",
    parameters=(Parameter("lower", NUMBER, 1.0 / 8), Parameter("upper", NUMBER, 1.0 / 3)),
    shape=rrelu_shape,
    module=lambda call: construct(
        "nn.RReLU",
        keywords=[("lower", call.arguments["lower"], 1.0 / 8), ("upper", call.arguments["upper"], 1.0 / 3)],
    ),
    keeps=_with_another,
    label=lambda call: "RReLU",
    examples=(Example("rrelu", ((8, 5),)), Example("rrelu(0.1, upper=0.2)", ((8,),))),
)


# ---- those along an axis


def _along(call: Call, name: str) -> int:
    """The place of the axis; without one, torch's choice: 1, but 0 for one or three axes."""
    dim = call.arguments["dim"]
    if dim is None:
        if rank(call.x) in (0, 1, 3):
            raise Problem(
                "E0205",
                f"`{name}` needs `dim` for {call.x}: torch's own choice would be axis 0, the batch"
                if call.x.batched
                else f"`{name}` needs `dim` here",
                "along which axis?",
                help=f"`{name}(dim=-1)` takes the last axis, `{name}(dim=1)` the first after the batch",
            )
        dim = 1
    assert isinstance(dim, int)
    return position(call.x, dim)


def _normalizing(name: str, torch_class: str, summary: str) -> Op:
    def shape(call: Call) -> tuple[Tensor, ...]:
        floating(call, name)
        _along(call, name)
        return same(call)

    def module(call: Call) -> Construct:
        given = call.arguments["dim"]
        dim = given if isinstance(given, int) else axis(call.x, _along(call, name))
        return construct(torch_class, keywords=[("dim", dim, None)])

    return Op(
        name=name,
        role="activation",
        summary=summary,
        parameters=(Parameter("dim", optional(AXIS), None),),
        shape=shape,
        module=module,
        function=lambda call: applied(f"F.{name}", module(call)),
        field=lambda call, source, result: mixing(_along(call, name))(call, source, result),
        keeps=its_output,
        label=lambda call: name.replace("_", " "),
        examples=(
            Example(name, ((10,),)),
            Example(f"{name}(dim=1)", ((4, 6, 6),)),
            Example(f"{name}(dim=-1)", ((4, 6),)),
        ),
    )


SOFTMAX = _normalizing("softmax", "nn.Softmax", "exp(x), divided by its sum along an axis.")
LOG_SOFTMAX = _normalizing("log_softmax", "nn.LogSoftmax", "The logarithm of softmax.")
SOFTMIN = _normalizing("softmin", "nn.Softmin", "softmax of -x.")


def glu_shape(call: Call) -> tuple[Tensor, ...]:
    floating(call, "glu")
    place = position(call.x, call.integer("dim"))
    size = call.x.shape[place]
    if not call.divides(size, 2):
        raise Problem(
            "E0304",
            f"`glu` halves axis {axis(call.x, place)}, but its size {size} is odd",
            f"the input is {call.x}",
            input=0,
            help="make it twice the size that is wanted after the `glu`",
        )
    return (call.x._replace(shape=(*call.x.shape[:place], size // 2, *call.x.shape[place + 1 :])),)


def glu_field(call: Call, source: int, result: int) -> Field:
    place = position(call.x, call.integer("dim"))
    axes = identity(call.x)
    axes[place] = None
    return Field(tuple(axes), (), (place,))  # each place reads two, half the axis apart


def glu_module(call: Call) -> Construct:
    return construct("nn.GLU", keywords=[("dim", call.integer("dim"), -1)])


def glu_function(call: Call) -> Expression:
    return applied("F.glu", glu_module(call))


GLU = Op(
    name="glu",
    role="activation",
    summary="Gates the first half of an axis with the sigmoid of the second.",
    parameters=(Parameter("dim", AXIS, -1),),
    shape=glu_shape,
    module=glu_module,
    function=glu_function,
    field=glu_field,
    keeps=its_input,
    label=lambda call: "GLU",
    examples=(Example("glu", ((10,),)), Example("glu(dim=1)", ((8, 5, 5),)), Example("glu(1)", ((8, 5),))),
)

ACTIVATIONS = (*POINTWISE, PRELU, RRELU, SOFTMAX, LOG_SOFTMAX, SOFTMIN, GLU)
