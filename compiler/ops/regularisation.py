"""Dropout and its relatives: active while training only."""

from collections.abc import Callable

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Example, Op, Parameter, Problem
from archc.compiler.ops.kept import Kept
from archc.compiler.ops.kinds import PROBABILITY, choice
from archc.compiler.ops.rules import batched, construct, elementwise, floating, same, spatial

P = Parameter("p", PROBABILITY, 0.5)


def _label(name: str) -> Callable[[Call], str]:
    return lambda call: f"{name} {call.arguments['p']}"


def _mask(call: Call, shape: tuple[Size, ...], *, batched: bool = True) -> Kept:
    if call.number("p") == 0:
        return Kept(view="ordered")
    return Kept(further=(Tensor(shape, call.x.dtype, batched and call.x.batched),))


DROPOUT = Op(
    name="dropout",
    role="regularisation",
    summary="Sets numbers to zero at random while training.",
    parameters=(P,),
    shape=elementwise("dropout"),
    module=lambda call: construct("nn.Dropout", keywords=[("p", call.arguments["p"], 0.5)]),
    keeps=lambda call: _mask(call, call.x.shape),
    label=_label("dropout"),
    examples=(Example("dropout", ((10,),)), Example("dropout(0.2)", ((4, 5, 6),)), Example("dropout(p=0)", ((4, 6),))),
)

ALPHA_DROPOUT = Op(
    name="alpha_dropout",
    role="regularisation",
    summary="Dropout that keeps mean and variance, for `selu`.",
    parameters=(P,),
    shape=elementwise("alpha_dropout"),
    module=lambda call: construct("nn.AlphaDropout", keywords=[("p", call.arguments["p"], 0.5)]),
    keeps=lambda call: _mask(call, call.x.shape),
    label=_label("alpha dropout"),
    examples=(Example("alpha_dropout", ((10,),)), Example("alpha_dropout(0.2)", ((4, 5, 6),))),
)


def feature_dropout_shape(call: Call) -> tuple[Tensor, ...]:
    spatial(call, "feature_dropout")
    return same(call)


FEATURE_DROPOUT = Op(
    name="feature_dropout",
    role="regularisation",
    summary="Sets whole channels to zero at random while training.",
    parameters=(P,),
    shape=feature_dropout_shape,
    module=lambda call: construct(f"nn.Dropout{len(call.x.shape) - 1}d", keywords=[("p", call.arguments["p"], 0.5)]),
    keeps=lambda call: _mask(call, (call.x.shape[0], *[1] * (len(call.x.shape) - 1))),
    label=_label("feature dropout"),
    examples=(
        Example("feature_dropout", ((4, 5, 6),)),
        Example("feature_dropout(0.2)", ((4, 5),)),
        Example("feature_dropout(0.1)", ((4, 3, 2, 5),)),
    ),
)


def feature_alpha_dropout_shape(call: Call) -> tuple[Tensor, ...]:
    floating(call, "feature_alpha_dropout")
    batched(call, "feature_alpha_dropout")
    if not call.x.shape:
        raise Problem(
            "E0303", "`feature_alpha_dropout` needs channels, but the input has no axes", "has no axes", input=0
        )
    return same(call)


FEATURE_ALPHA_DROPOUT = Op(
    name="feature_alpha_dropout",
    role="regularisation",
    summary="Alpha dropout of whole channels.",
    parameters=(P,),
    shape=feature_alpha_dropout_shape,
    module=lambda call: construct("nn.FeatureAlphaDropout", keywords=[("p", call.arguments["p"], 0.5)]),
    keeps=lambda call: _mask(call, (call.x.shape[0], *[1] * (len(call.x.shape) - 1))),
    label=_label("feature alpha dropout"),
    examples=(Example("feature_alpha_dropout", ((4, 5, 6),)), Example("feature_alpha_dropout(0.2)", ((4,),))),
)


def stochastic_depth_shape(call: Call) -> tuple[Tensor, ...]:
    floating(call, "stochastic_depth")
    batched(call, "stochastic_depth")
    return same(call)


STOCHASTIC_DEPTH = Op(
    name="stochastic_depth",
    role="regularisation",
    summary="Sets whole samples to zero at random while training, for the branch of a residual unit.",
    parameters=(Parameter("p", PROBABILITY), Parameter("mode", choice("batch", "row"), "row")),
    shape=stochastic_depth_shape,
    module=lambda call: construct("torchvision.ops.StochasticDepth", call.arguments["p"], call.text("mode")),
    keeps=lambda call: _mask(call, (1,) * len(call.x.shape), batched=call.text("mode") == "row"),
    label=_label("stochastic depth"),
    examples=(
        Example("stochastic_depth(0.2)", ((4, 5, 6),)),
        Example('stochastic_depth(0.1, mode="batch")', ((7, 8),)),
    ),
)

REGULARISATIONS = (DROPOUT, FEATURE_DROPOUT, ALPHA_DROPOUT, FEATURE_ALPHA_DROPOUT, STOCHASTIC_DEPTH)
