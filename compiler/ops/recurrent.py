"""Recurrent layers over sequences, length x features; states have the batch first, as every value here."""

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Construct, Example, Op, Parameter, Problem, Statements, Weight
from archc.compiler.ops.field import whole
from archc.compiler.ops.kept import input_and_output
from archc.compiler.ops.kinds import COUNT, FLAG, POSITIVE, PROBABILITY, choice
from archc.compiler.ops.rules import batched, construct, floating


def _directions(call: Call) -> int:
    return 2 if call.flag("bidirectional") else 1


def _projected(call: Call) -> int:
    """The features of the output of one direction."""
    return call.arguments.get("proj_size") or call.arguments["hidden_size"]  # type: ignore[return-value]


def _features(call: Call) -> int:
    return call.known(call.x.shape[1], "the number of input features")


def _recurrent_shape(call: Call, name: str, states: tuple[str, ...]) -> tuple[Tensor, ...]:
    floating(call, name, weights=True)
    x = batched(call, name)
    if len(x.shape) != 2:
        raise Problem(
            "E0303",
            f"`{name}` works on sequences, length x features, but the input is {x}",
            f"{x}: {len(x.shape)} axes",
            input=0,
            help='`rearrange("c h w -> (h w) c")` makes a sequence of a map' if len(x.shape) == 3 else "",
        )
    _features(call)
    hidden, layers = call.integer("hidden_size"), call.integer("num_layers")
    if "proj_size" in call.arguments and call.integer("proj_size") >= hidden:
        raise Problem(
            "E0205",
            f"`proj_size` must be smaller than `hidden_size`: {call.integer('proj_size')} is not below {hidden}",
            f"not below {hidden}",
            argument="proj_size",
        )
    if call.number("dropout") > 0 and layers == 1:
        raise Problem(
            "E0205",
            f"`dropout` of `{name}` stands between its layers, and there is only one",
            "has no effect",
            argument="dropout",
            help=f"`num_layers=2`, or `dropout({call.arguments['dropout']})` after it",
        )
    rows = layers * _directions(call)
    widths = {"h": _projected(call), "c": hidden}
    kept = tuple(Tensor((rows, widths[state]), x.dtype) for state in states)
    if len(call.inputs) not in (1, 1 + len(states)):
        raise Problem(
            "E0401",
            f"`{name}` takes a sequence, and with it all its first states ({', '.join(states)}) or none",
            f"has {len(call.inputs)} values",
        )
    for index, (given, state) in enumerate(zip(call.inputs[1:], kept, strict=False), 1):
        fits = given.batched and len(given.shape) == 2
        if not (fits and all(call.equal(a, b) for a, b in zip(given.shape, state.shape, strict=True))):
            raise Problem(
                "E0301",
                f"a first state of this `{name}` is {state} (layers and directions x features), "
                f"but branch {index + 1} is {given}",
                f"{given}, not {state}",
                input=index,
            )
    return (Tensor((x.shape[0], _directions(call) * _projected(call)), x.dtype), *kept)


def _module(callee: str, call: Call) -> Construct:
    keywords: list[tuple[str, object, object]] = [
        ("num_layers", call.integer("num_layers"), 1),
        ("bias", call.flag("bias"), True),
        ("batch_first", True, False),
        ("dropout", call.arguments["dropout"], 0.0),
        ("bidirectional", call.flag("bidirectional"), False),
    ]
    if "proj_size" in call.arguments:
        keywords.append(("proj_size", call.integer("proj_size"), 0))
    if "nonlinearity" in call.arguments:
        keywords.insert(1, ("nonlinearity", call.text("nonlinearity"), "tanh"))
    return construct(callee, _features(call), call.integer("hidden_size"), keywords=keywords)


def _weights(call: Call, gates: int) -> tuple[Weight, ...]:
    hidden, out = call.integer("hidden_size"), _projected(call)
    weights = []
    width = _features(call)
    for layer in range(call.integer("num_layers")):
        for suffix in (f"l{layer}", f"l{layer}_reverse")[: _directions(call)]:
            weights += [
                Weight(f"weight_ih_{suffix}", (gates * hidden, width)),
                Weight(f"weight_hh_{suffix}", (gates * hidden, out)),
            ]
            if call.flag("bias"):
                weights += [
                    Weight(f"bias_ih_{suffix}", (gates * hidden,)),
                    Weight(f"bias_hh_{suffix}", (gates * hidden,)),
                ]
            if out != hidden:
                weights.append(Weight(f"weight_hr_{suffix}", (out, hidden)))
        width = _directions(call) * out
    return tuple(weights)


def _macs(call: Call, gates: int) -> Size:
    # Every matrix is applied once at every place of the sequence.
    matrices = [weight.shape for weight in _weights(call, gates) if len(weight.shape) == 2]
    return call.x.shape[0] * sum(rows * columns for rows, columns in matrices)


def _apply_one_state(call: Call) -> Statements:
    first = "" if len(call.inputs) == 1 else ", {1}.transpose(0, 1).contiguous()"
    return Statements((f"{{y0}}, {{y1}} = {{module}}({{0}}{first})", "{y1} = {y1}.transpose(0, 1)"))


def _apply_two_states(call: Call) -> Statements:
    first = ", ({1}.transpose(0, 1).contiguous(), {2}.transpose(0, 1).contiguous())" if len(call.inputs) > 1 else ""
    return Statements(
        (
            f"{{y0}}, ({{y1}}, {{y2}}) = {{module}}({{0}}{first})",
            "{y1} = {y1}.transpose(0, 1)",
            "{y2} = {y2}.transpose(0, 1)",
        )
    )


COMMON = (
    Parameter("bias", FLAG, True),
    Parameter("dropout", PROBABILITY, 0.0),
    Parameter("bidirectional", FLAG, False),
)
FIRST = (Parameter("hidden_size", POSITIVE), Parameter("num_layers", POSITIVE, 1))

LSTM = Op(
    name="lstm",
    inferred=("input_size",),
    role="recurrent",
    summary="Long short-term memory; leaves the outputs and the last h and c.",
    parameters=(*FIRST, *COMMON, Parameter("proj_size", COUNT, 0)),
    inputs=(1, 3),
    outputs=lambda arguments: 3,
    shape=lambda call: _recurrent_shape(call, "lstm", ("h", "c")),
    module=lambda call: _module("nn.LSTM", call),
    apply=_apply_two_states,
    weights=lambda call: _weights(call, 4),
    macs=lambda call: _macs(call, 4),
    field=whole,
    keeps=input_and_output,
    label=lambda call: f"LSTM {call.integer('hidden_size')}",
    examples=(
        Example("lstm(6)", ((7, 5),)),
        Example("lstm(6, num_layers=2, bidirectional=true, dropout=0.1, proj_size=3)", ((7, 5),)),
        Example("lstm(6, bias=false)", ((7, 5), (1, 6), (1, 6))),
    ),
)

GRU = Op(
    name="gru",
    inferred=("input_size",),
    role="recurrent",
    summary="Gated recurrent unit; leaves the outputs and the last h.",
    parameters=(*FIRST, *COMMON),
    inputs=(1, 2),
    outputs=lambda arguments: 2,
    shape=lambda call: _recurrent_shape(call, "gru", ("h",)),
    module=lambda call: _module("nn.GRU", call),
    apply=_apply_one_state,
    weights=lambda call: _weights(call, 3),
    macs=lambda call: _macs(call, 3),
    field=whole,
    keeps=input_and_output,
    label=lambda call: f"GRU {call.integer('hidden_size')}",
    examples=(
        Example("gru(6)", ((7, 5),)),
        Example("gru(6, num_layers=2, bidirectional=true)", ((7, 5), (4, 6))),
    ),
)

RNN = Op(
    name="rnn",
    inferred=("input_size",),
    role="recurrent",
    summary="Plain recurrent layer; leaves the outputs and the last h.",
    parameters=(*FIRST, Parameter("nonlinearity", choice("tanh", "relu"), "tanh"), *COMMON),
    inputs=(1, 2),
    outputs=lambda arguments: 2,
    shape=lambda call: _recurrent_shape(call, "rnn", ("h",)),
    module=lambda call: _module("nn.RNN", call),
    apply=_apply_one_state,
    weights=lambda call: _weights(call, 1),
    macs=lambda call: _macs(call, 1),
    field=whole,
    keeps=input_and_output,
    label=lambda call: f"RNN {call.integer('hidden_size')}",
    examples=(
        Example("rnn(6)", ((7, 5),)),
        Example('rnn(6, nonlinearity="relu", num_layers=2, dropout=0.5)', ((7, 5),)),
    ),
)

RECURRENTS = (LSTM, GRU, RNN)
