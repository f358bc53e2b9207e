"""Normalisation."""

from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Construct, Example, Expression, Op, Parameter, Problem, Weight
from archc.compiler.ops.kept import Kept
from archc.compiler.ops.kinds import (
    AXES,
    FLAG,
    NON_NEGATIVE_NUMBER,
    NUMBER,
    POSITIVE,
    POSITIVE_NUMBER,
    optional,
)
from archc.compiler.ops.rules import (
    axis,
    batched,
    construct,
    divided,
    elements,
    floating,
    positions,
    same,
    spatial,
)

EPS = Parameter("eps", NON_NEGATIVE_NUMBER, 1e-5)


def _channels(call: Call) -> int:
    return call.known(call.x.shape[0], "the number of channels")


def _has_weights(call: Call) -> bool:
    return call.flag("affine") or call.flag("track_running_stats")


def _affine(call: Call, channels: int, flag: str = "affine") -> tuple[Weight, ...]:
    if not call.flag(flag):
        return ()
    weight = Weight("weight", (channels,))
    return (weight, Weight("bias", (channels,))) if call.flag("bias") else (weight,)


def _statistics(call: Call, channels: int) -> tuple[Weight, ...]:
    if not call.flag("track_running_stats"):
        return ()
    return (
        Weight("running_mean", (channels,), True),
        Weight("running_var", (channels,), True),
        Weight("num_batches_tracked", (), True, "int64"),
    )


def _with_statistics(call: Call, statistics: Tensor) -> Kept:
    """The input, and what the mean and the deviation are."""
    return Kept((0,), (), (statistics, statistics))


# ---- batch_norm


def batch_norm_shape(call: Call) -> tuple[Tensor, ...]:
    spatial(call, "batch_norm", least=0, weights=_has_weights(call))
    _channels(call)
    return same(call)


BATCH_NORM = Op(
    name="batch_norm",
    inferred=("num_features",),
    role="norm",
    summary="Normalises each channel over the batch, with running statistics for evaluation.",
    parameters=(
        Parameter("eps", POSITIVE_NUMBER, 1e-5),
        Parameter("momentum", optional(NUMBER), 0.1),
        Parameter("affine", FLAG, True),
        Parameter("track_running_stats", FLAG, True),
        Parameter("bias", FLAG, True),
    ),
    shape=batch_norm_shape,
    module=lambda call: construct(
        f"nn.BatchNorm{max(len(call.x.shape) - 1, 1)}d",
        _channels(call),
        keywords=[
            ("eps", call.arguments["eps"], 1e-5),
            ("momentum", call.arguments["momentum"], 0.1),
            ("affine", call.flag("affine"), True),
            ("track_running_stats", call.flag("track_running_stats"), True),
            ("bias", call.flag("bias"), True),
        ],
    ),
    weights=lambda call: (*_affine(call, _channels(call)), *_statistics(call, _channels(call))),
    keeps=lambda call: _with_statistics(call, Tensor(call.x.shape[:1], batched=False)),
    label=lambda call: "batch norm",
    examples=(
        Example("batch_norm", ((64, 8, 8),)),
        Example("batch_norm(eps=0.001, momentum=0.2)", ((6, 5),)),
        Example("batch_norm(affine=false)", ((6,),)),
        Example("batch_norm(track_running_stats=false)", ((6, 3, 4, 5),)),
        Example("batch_norm(bias=false)", ((6, 3, 4),)),
    ),
)


# ---- instance_norm


def instance_norm_shape(call: Call) -> tuple[Tensor, ...]:
    sizes = spatial(call, "instance_norm", weights=_has_weights(call))
    _channels(call)
    if not call.fits(elements(sizes), 2):
        raise Problem(
            "E0302",
            f"`instance_norm` normalises each channel over its places, but the input {call.x} has only one",
            f"{call.x}: one place per channel",
            input=0,
            help="leave it out here, or use `layer_norm(dim=1)`, which normalises over the channels",
        )
    return same(call)


def instance_norm_keeps(call: Call) -> Kept:
    # Mean, deviation, and the weight and the running statistics once for each sample.
    count = 2 + call.flag("affine") + 2 * call.flag("track_running_stats")
    return Kept((0,), (), (Tensor(call.x.shape[:1]),) * count)


INSTANCE_NORM = Op(
    name="instance_norm",
    inferred=("num_features",),
    role="norm",
    summary="Normalises each channel of each sample over its places.",
    parameters=(
        EPS,
        Parameter("momentum", NUMBER, 0.1),
        Parameter("affine", FLAG, False),
        Parameter("track_running_stats", FLAG, False),
        Parameter("bias", FLAG, True),
    ),
    shape=instance_norm_shape,
    module=lambda call: construct(
        f"nn.InstanceNorm{len(call.x.shape) - 1}d",
        _channels(call),
        keywords=[
            ("eps", call.arguments["eps"], 1e-5),
            ("momentum", call.arguments["momentum"], 0.1),
            ("affine", call.flag("affine"), False),
            ("track_running_stats", call.flag("track_running_stats"), False),
            ("bias", call.flag("bias"), True),
        ],
    ),
    weights=lambda call: (*_affine(call, _channels(call)), *_statistics(call, _channels(call))),
    keeps=instance_norm_keeps,
    label=lambda call: "instance norm",
    examples=(
        Example("instance_norm", ((6, 4, 4),)),
        Example("instance_norm(affine=true, eps=0.01)", ((6, 5),)),
        Example("instance_norm(affine=true, track_running_stats=true)", ((6, 3, 4, 5),)),
    ),
)


# ---- group_norm


def group_norm_shape(call: Call) -> tuple[Tensor, ...]:
    floating(call, "group_norm", weights=call.flag("affine"))
    batched(call, "group_norm")
    if not call.x.shape:
        raise Problem("E0303", "`group_norm` needs channels, but the input has no axes", "has no axes", input=0)
    divided(call, call.x.shape[0], "num_groups", "the number of channels")
    return same(call)


GROUP_NORM = Op(
    name="group_norm",
    inferred=("num_channels",),
    role="norm",
    summary="Normalises groups of channels of each sample.",
    parameters=(Parameter("num_groups", POSITIVE), EPS, Parameter("affine", FLAG, True), Parameter("bias", FLAG, True)),
    shape=group_norm_shape,
    module=lambda call: construct(
        "nn.GroupNorm",
        call.integer("num_groups"),
        _channels(call),
        keywords=[
            ("eps", call.arguments["eps"], 1e-5),
            ("affine", call.flag("affine"), True),
            ("bias", call.flag("bias"), True),
        ],
    ),
    weights=lambda call: _affine(call, _channels(call)),
    keeps=lambda call: _with_statistics(call, Tensor((call.integer("num_groups"),))),
    label=lambda call: f"group norm {call.integer('num_groups')}",
    examples=(
        Example("group_norm(32)", ((64, 4, 4),)),
        Example("group_norm(2, eps=0.001)", ((6,),)),
        Example("group_norm(3, affine=false)", ((6, 7),)),
        Example("group_norm(1)", ((6, 2, 3, 4),)),
    ),
)


# ---- layer_norm and rms_norm: torch's arguments are sizes, these take the axes


def _normalized(call: Call, name: str) -> tuple[int, ...]:
    """The places of the normalised axes: one axis, or all from one on."""
    floating(call, name, weights=call.flag("elementwise_affine"))
    places = tuple(sorted(positions(call)))
    last = len(call.x.shape)
    if len(places) > 1 and places != tuple(range(last - len(places), last)):
        raise Problem(
            "E0205",
            f"`{name}` normalises one axis, or all from one to the last, "
            f"but not the axes {_dims(call, places)} of {call.x}",
            "not the last axes",
            argument="dim",
            help="`permute` or `rearrange` can bring them there",
        )
    return places


def _dims(call: Call, places: tuple[int, ...]) -> str:
    return ", ".join(str(axis(call.x, place)) for place in places)


def _normalized_sizes(call: Call, name: str) -> tuple[int, ...]:
    return tuple(call.known(call.x.shape[place], "a normalised size") for place in _normalized(call, name))


def _over_axes(name: str, call: Call) -> tuple[Tensor, ...]:
    _normalized_sizes(call, name)
    return same(call)


def _over_axes_module(callee: str, name: str, call: Call) -> Construct:
    sizes = _normalized_sizes(call, name)
    keywords = [
        ("eps", call.arguments["eps"], 1e-5 if name == "layer_norm" else None),
        ("elementwise_affine", call.flag("elementwise_affine"), True),
    ]
    if name == "layer_norm":
        keywords.append(("bias", call.flag("bias"), True))
    return construct(callee, sizes[0] if len(sizes) == 1 else sizes, keywords=keywords)


def _over_axes_apply(name: str, call: Call) -> Expression | None:
    (*_, place) = _normalized(call, name)
    if place == len(call.x.shape) - 1:
        return None
    return Expression("{module}({0}.movedim({dim}, -1)).movedim(-1, {dim})", {"dim": axis(call.x, place)})


def layer_norm_weights(call: Call) -> tuple[Weight, ...]:
    if not call.flag("elementwise_affine"):
        return ()
    sizes = _normalized_sizes(call, "layer_norm")
    weight = Weight("weight", sizes)
    return (weight, Weight("bias", sizes)) if call.flag("bias") else (weight,)


def _over_axes_statistics(call: Call) -> Tensor:
    places = positions(call)
    return call.x._replace(shape=tuple(1 if i in places else size for i, size in enumerate(call.x.shape)))


LAYER_NORM = Op(
    name="layer_norm",
    inferred=("normalized_shape",),
    role="norm",
    summary="Normalises over the last axis, or the channels of a map (`dim=1`), or several last axes.",
    parameters=(
        Parameter("dim", AXES, -1),
        EPS,
        Parameter("elementwise_affine", FLAG, True),
        Parameter("bias", FLAG, True),
    ),
    shape=lambda call: _over_axes("layer_norm", call),
    module=lambda call: _over_axes_module("nn.LayerNorm", "layer_norm", call),
    apply=lambda call: _over_axes_apply("layer_norm", call),
    weights=layer_norm_weights,
    keeps=lambda call: _with_statistics(call, _over_axes_statistics(call)),
    label=lambda call: "layer norm",
    examples=(
        Example("layer_norm", ((7, 16),)),
        Example("layer_norm(dim=1, eps=0.000001)", ((16, 4, 5),)),
        Example("layer_norm(dim=(1, 2, 3), bias=false)", ((6, 4, 5),)),
        Example("layer_norm(elementwise_affine=false)", ((16,),)),
    ),
)


def rms_norm_keeps(call: Call) -> Kept:
    scaled = (call.x,) if call.flag("elementwise_affine") else ()
    return Kept((0,), (), (_over_axes_statistics(call), *scaled))


RMS_NORM = Op(
    name="rms_norm",
    inferred=("normalized_shape",),
    role="norm",
    summary="Divides by the root mean square over the last axis, or the given ones.",
    parameters=(
        Parameter("dim", AXES, -1),
        Parameter("eps", optional(NON_NEGATIVE_NUMBER), None),
        Parameter("elementwise_affine", FLAG, True),
    ),
    shape=lambda call: _over_axes("rms_norm", call),
    module=lambda call: _over_axes_module("nn.RMSNorm", "rms_norm", call),
    apply=lambda call: _over_axes_apply("rms_norm", call),
    weights=lambda call: (
        (Weight("weight", _normalized_sizes(call, "rms_norm")),) if call.flag("elementwise_affine") else ()
    ),
    keeps=rms_norm_keeps,
    label=lambda call: "RMS norm",
    examples=(
        Example("rms_norm", ((7, 16),)),
        Example("rms_norm(dim=1, eps=0.001)", ((16, 4, 5),)),
        Example("rms_norm(dim=(-1, -2), elementwise_affine=false)", ((16, 4, 5),)),
    ),
)


# ---- local_response_norm


def local_response_norm_shape(call: Call) -> tuple[Tensor, ...]:
    spatial(call, "local_response_norm")
    return same(call)


def local_response_norm_keeps(call: Call) -> Kept:
    padded = call.x._replace(shape=(call.x.shape[0] + call.integer("size") - 1, *call.x.shape[1:]))
    return Kept((0,), (), (padded, call.x, call.x))  # the squares with an edge, their mean, and its power


LOCAL_RESPONSE_NORM = Op(
    name="local_response_norm",
    role="norm",
    summary="Divides each value by a sum over neighbouring channels (AlexNet's normalisation).",
    parameters=(
        Parameter("size", POSITIVE),
        Parameter("alpha", NUMBER, 1e-4),
        Parameter("beta", NUMBER, 0.75),
        Parameter("k", NUMBER, 1.0),
    ),
    shape=local_response_norm_shape,
    module=lambda call: construct(
        "nn.LocalResponseNorm",
        call.integer("size"),
        keywords=[
            (name, call.arguments[name], default) for name, default in (("alpha", 1e-4), ("beta", 0.75), ("k", 1.0))
        ],
    ),
    keeps=local_response_norm_keeps,
    label=lambda call: "local response norm",
    examples=(
        Example("local_response_norm(5)", ((16, 4, 4),)),
        Example("local_response_norm(2, alpha=0.001, beta=0.5, k=2)", ((6, 7),)),
        Example("local_response_norm(3)", ((6, 3, 4, 5),)),
    ),
)

NORMS = (BATCH_NORM, LAYER_NORM, GROUP_NORM, INSTANCE_NORM, LOCAL_RESPONSE_NORM, RMS_NORM)
