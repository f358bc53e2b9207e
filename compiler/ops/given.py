"""Weights from further branches: `linear { x; weight; bias }` has none of its own."""

from collections.abc import Callable, Mapping

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Construct, Example, Expression, Op, Problem, Weight
from archc.compiler.ops.field import Field, whole

NAMES = ("weight", "bias")
Derive = Callable[[Call, tuple[int, ...]], Mapping[str, object]]


def accepting_weights(
    op: Op,
    *examples: Example,
    rank: Callable[[Call], int],
    derive: Derive,
    function: Callable[[Call], Expression],
    most: int = 2,
) -> Op:
    """Return the entry with its weight, and its bias unless `most` is 1, as further inputs.

    The rules see the same use with weights of its own, of the sizes given, so there is one rule for both.

    rank      the number of axes of the weight
    derive    the arguments that the sizes of the weight determine, where the text leaves them out
    function  the expression, for a call with all inputs and the arguments as derived
    """

    def resolved(call: Call) -> Call:
        if len(call.inputs) == 1:
            return call
        weight = _sizes(call, 1)
        if len(weight) != rank(call):
            raise Problem(
                "E0303",
                f"the weight of `{op.name}` has {rank(call)} axes for the input {call.x}, "
                f"but branch 2 is {call.inputs[1]}",
                f"{call.inputs[1]}: {len(weight)} axes",
                input=1,
            )
        arguments = dict(call.arguments)
        for name, value in derive(call, weight).items():
            if arguments[name] is None:
                arguments[name] = value
        if "bias" in arguments:
            arguments["bias"] = len(call.inputs) > 2
        return Call(arguments, call.inputs[:1], call.outputs, call.conditions, call.cause)

    def shape(call: Call) -> tuple[Tensor, ...]:
        own = resolved(call)
        outputs = op.shape(own)
        for index, (name, weight) in enumerate(zip(NAMES, op.weights(own), strict=False), 1):
            if index < len(call.inputs) and _sizes(call, index) != weight.shape:
                raise Problem(
                    "E0301",
                    f"the {name} of `{op.name}` must be {Tensor(weight.shape)} here, "
                    f"but branch {index + 1} is {call.inputs[index]}",
                    f"{call.inputs[index]}, not {Tensor(weight.shape)}",
                    input=index,
                )
        return outputs

    def weights(call: Call) -> tuple[Weight, ...]:
        return op.weights(call) if len(call.inputs) == 1 else ()

    def macs(call: Call) -> Size:
        return op.macs(resolved(call))

    def label(call: Call) -> str:
        assert op.label is not None
        return op.label(resolved(call))

    def field(call: Call, source: int, result: int) -> Field:
        return op.field(resolved(call), source, result) if source == 0 else whole(call, source, result)

    def given(call: Call) -> Expression:
        return function(Call(resolved(call).arguments, call.inputs, call.outputs))

    return op._replace(
        inputs=(1, 1 + most),
        shape=shape,
        weights=weights,
        macs=macs,
        field=field,
        label=label,
        given=given,
        examples=(*op.examples, *examples),
    )


def _sizes(call: Call, index: int) -> tuple[int, ...]:
    """The sizes of a given weight, all numbers."""
    x = call.inputs[index]
    if x.batched:
        raise Problem(
            "E0303",
            f"a {NAMES[index - 1]} has no batch axis, but branch {index + 1} ({x}) has one for each sample",
            "has a batch axis",
            input=index,
            help="a `parameter`, `buffer` or `constant` has none; `matmul` multiplies values of samples",
        )
    if x.dtype != "float32":
        raise Problem(
            "E0307",
            f"a {NAMES[index - 1]} holds float32, but branch {index + 1} holds {x.dtype}",
            x.dtype,
            input=index,
        )
    return tuple(call.known(size, f"the size of a {NAMES[index - 1]}") for size in x.shape)


def functional(callee: str, call: Call, built: Construct, *without: str) -> Expression:
    """Return the function on all inputs with the keywords of a module, but for those that the weights replace."""
    inputs = ", ".join(f"{{{index}}}" for index in range(len(call.inputs)))
    keywords = {name: value for name, value in built.arguments if name is not None and name not in without}
    return Expression(f"{callee}({inputs}{''.join(f', {name}={{{name}}}' for name in keywords)})", keywords)
