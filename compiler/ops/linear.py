"""Linear layers: matrix products with learned matrices over the last axis."""

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Construct, Example, Op, Parameter, Problem, Weight
from archc.compiler.ops.field import mixing
from archc.compiler.ops.given import accepting_weights, functional
from archc.compiler.ops.kept import its_inputs, what_it_weighs
from archc.compiler.ops.kinds import FLAG, POSITIVE
from archc.compiler.ops.rules import construct, elements, floating


def _features(call: Call, index: int = 0) -> int:
    x = call.inputs[index]
    if not x.shape:
        raise Problem(
            "E0303",
            "a linear layer works on the last axis, but the input is a single number",
            "has no axes",
            input=index,
            help="`unsqueeze(-1)` gives it one",
        )
    return call.known(x.shape[-1], "the number of input features")


def linear_shape(call: Call) -> tuple[Tensor, ...]:
    floating(call, "linear", weights=True)
    _features(call)
    return (call.x._replace(shape=(*call.x.shape[:-1], call.integer("out_features"))),)


def linear_module(call: Call) -> Construct:
    return construct(
        "nn.Linear", _features(call), call.integer("out_features"), keywords=[("bias", call.flag("bias"), True)]
    )


def linear_weights(call: Call) -> tuple[Weight, ...]:
    out = call.integer("out_features")
    weight = Weight("weight", (out, _features(call)))
    return (weight, Weight("bias", (out,))) if call.flag("bias") else (weight,)


def linear_macs(call: Call) -> Size:
    return elements(call.x.shape) * call.integer("out_features")


LINEAR = Op(
    name="linear",
    inferred=("in_features",),
    role="linear",
    summary="Multiplies the last axis with a learned matrix.",
    parameters=(Parameter("out_features", POSITIVE), Parameter("bias", FLAG, True)),
    shape=linear_shape,
    module=linear_module,
    weights=linear_weights,
    macs=linear_macs,
    field=mixing(-1),
    keeps=what_it_weighs,
    label=lambda call: f"linear {call.integer('out_features')}",
    examples=(
        Example("linear(10)", ((84,),)),
        Example("linear(10, bias=false)", ((84,),)),
        Example("linear(10)", ((7, 84),)),
        Example("linear(3)", ((2, 5, 6),)),
    ),
)


def bilinear_shape(call: Call) -> tuple[Tensor, ...]:
    floating(call, "bilinear", weights=True)
    first, second = call.inputs
    _features(call, 0)
    _features(call, 1)
    fits = first.batched == second.batched and len(first.shape) == len(second.shape)
    if not (fits and all(call.equal(a, b) for a, b in zip(first.shape[:-1], second.shape[:-1], strict=True))):
        raise Problem(
            "E0301",
            f"`bilinear` needs inputs that differ in their last axis only: branch 1 is {first}, branch 2 is {second}",
            f"{second}",
            input=1,
        )
    return (first._replace(shape=(*first.shape[:-1], call.integer("out_features"))),)


def bilinear_module(call: Call) -> Construct:
    return construct(
        "nn.Bilinear",
        _features(call, 0),
        _features(call, 1),
        call.integer("out_features"),
        keywords=[("bias", call.flag("bias"), True)],
    )


def bilinear_weights(call: Call) -> tuple[Weight, ...]:
    out = call.integer("out_features")
    weight = Weight("weight", (out, _features(call, 0), _features(call, 1)))
    return (weight, Weight("bias", (out,))) if call.flag("bias") else (weight,)


def bilinear_macs(call: Call) -> Size:
    # Per place and output feature: x1 times the matrix, and that times x2.
    first, second = _features(call, 0), _features(call, 1)
    return elements(call.y.shape) * (first * second + second)


BILINEAR = Op(
    name="bilinear",
    inferred=("in1_features", "in2_features"),
    role="linear",
    summary="Multiplies the last axes of two values with a learned form: x1 A x2 + b.",
    parameters=(Parameter("out_features", POSITIVE), Parameter("bias", FLAG, True)),
    inputs=(2, 2),
    shape=bilinear_shape,
    module=bilinear_module,
    weights=bilinear_weights,
    macs=bilinear_macs,
    field=mixing(-1),
    keeps=its_inputs,
    label=lambda call: f"bilinear {call.integer('out_features')}",
    examples=(
        Example("bilinear(5)", ((3,), (4,))),
        Example("bilinear(5, bias=false)", ((7, 3), (7, 4))),
    ),
)

LINEARS = (
    accepting_weights(
        LINEAR,
        Example("linear", ((7, 84), (10, 84), (10,)), unbatched=(1, 2)),
        Example("linear(10)", ((84,), (10, 84)), unbatched=(1,)),
        rank=lambda call: 2,
        derive=lambda call, weight: {"out_features": weight[0]},
        function=lambda call: functional("F.linear", call, linear_module(call), "bias"),
    ),
    BILINEAR,
)
