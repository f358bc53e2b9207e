"""Values of the network's own: parameters, buffers and constants. They have no batch axis."""

from collections.abc import Sequence

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Initialisation, Tensor
from archc.compiler.ops.entry import REQUIRED, Call, Construct, Example, Kind, Op, Parameter, Problem, Weight
from archc.compiler.ops.initial import INITIALIZERS
from archc.compiler.ops.kinds import SIZE, is_number

MOST_AXES = 64  # torch's own limit

_SHAPE = Kind(
    "a list of positive sizes, empty for a single number",
    lambda value: isinstance(value, list | tuple) and all(map(SIZE.accepts, value)),
)
_INITIALIZER = Kind(
    "an initializer such as `zeros` or `normal(std=0.02)`", lambda value: isinstance(value, Initialisation)
)
_NUMBERS = Kind(
    "a number, `true` or `false`, or nested lists of them", lambda value: all(map(_is_entry, _entries(value)))
)

# ---- parameters


def _known_sizes(call: Call) -> tuple[int, ...]:
    found = []
    for size in call.sizes("shape"):
        if not isinstance(size, int):
            raise Problem(
                "E0305",
                f"the sizes of a parameter must be numbers, but one is {size}",
                "depends on the input",
                argument="shape",
                help="give the input fixed sizes",
            )
        found.append(size)
    return tuple(found)


def _initialisation(call: Call) -> Initialisation:
    value = call.arguments["init"]
    assert isinstance(value, Initialisation)
    return value


def parameter_shape(call: Call) -> tuple[Tensor, ...]:
    shape = _known_sizes(call)
    initialisation = _initialisation(call)
    misfit = INITIALIZERS[initialisation.name].misfit(dict(initialisation.arguments), shape)
    if misfit:
        found = "x".join(map(str, shape)) or "a single number"
        raise Problem("E0303", f"{misfit}, but this parameter is {found}", f"for {found}", argument="init")
    return (Tensor(shape, batched=False),)


def _parameter(call: Call) -> Construct:
    # A scalar is `torch.zeros(())`.
    sizes: tuple[object, ...] = _known_sizes(call) or ((),)
    shape = tuple((None, size) for size in sizes)
    name, arguments = _initialisation(call)
    if name in ("zeros", "ones"):
        return Construct("nn.Parameter", ((None, Construct(f"torch.{name}", shape)),))
    filled = Construct(f"nn.init.{name}_", ((None, Construct("torch.empty", shape)), *arguments))
    return Construct("nn.Parameter", ((None, filled),))


PARAMETER = Op(
    name="parameter",
    role="value",
    summary="A learned value of the network's own, whatever came before; its label is its key in the `state_dict`.",
    parameters=(Parameter("shape", _SHAPE), Parameter("init", _INITIALIZER, Initialisation("zeros"))),
    inputs=(0, 0),
    counts=False,
    shape=parameter_shape,
    own="parameter",
    tensor=_parameter,
    weights=lambda call: (Weight("", _known_sizes(call)),),
    label=lambda call: f"parameter {call.y}",
    examples=(
        Example("parameter([1, 1, 768])", ()),
        Example("parameter([])", ()),
        Example("parameter([197, 64], init=trunc_normal(std=0.02))", ()),
        Example('parameter([8, 4, 3], init=kaiming_normal(mode="fan_out"))', ()),
    ),
)


# ---- buffers and constants


def _entries(value: object) -> list[object]:
    """All that nested lists hold, and an empty list itself, which is no number."""
    found: list[object] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list | tuple) and len(one):
            waiting.extend(reversed(one))
        else:
            found.append(one)
    return found


def _is_entry(value: object) -> bool:
    return isinstance(value, bool) or is_number(value)


def _sizes(value: object) -> tuple[Size, ...]:
    """The sizes of nested lists.

    Raises:
        Problem: they are ragged.
    """
    sizes: list[Size] = []
    level: Sequence[object] = [value]
    while any(isinstance(part, list | tuple) for part in level):
        lengths = {len(part) if isinstance(part, list | tuple) else -1 for part in level}
        if len(lengths) > 1:
            words = " and ".join("a number" if n < 0 else f"a list of {n}" for n in sorted(lengths)[:2])
            raise Problem(
                "E0204",
                "the lists of a value must be of one length, as in a table",
                f"holds {words} side by side",
                argument="value",
            )
        sizes.append(lengths.pop())
        if len(sizes) > MOST_AXES:
            raise Problem("E0303", f"a value has at most {MOST_AXES} axes", "nested more deeply", argument="value")
        level = [item for part in level if isinstance(part, list | tuple) for item in part]
    return tuple(sizes)


def value_shape(call: Call) -> tuple[Tensor, ...]:
    value = call.arguments["value"]
    entries = _entries(value)
    kinds = {type(entry) for entry in entries}
    dtype = "float32" if float in kinds else "int64" if int in kinds else "bool"
    return (Tensor(_sizes(value), dtype, batched=False),)


def _listed(value: object) -> object:
    """Nested lists as torch's examples write them, whatever the text used."""
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def _tensor(call: Call) -> Construct:
    return Construct("torch.tensor", ((None, _listed(call.arguments["value"])),))


def _value_weights(call: Call) -> tuple[Weight, ...]:
    shape, dtype, _ = call.y if call.outputs else value_shape(call)[0]
    return (Weight("", tuple(size for size in shape if isinstance(size, int)), buffer=True, dtype=dtype),)


_VALUE = (Parameter("value", _NUMBERS, REQUIRED),)
_EXAMPLES = ("(0.5)", "(3)", "([[[0.485]], [[0.456]], [[0.406]]])", "([true, false])", "([[1, 2.5], [3, 4]])")

BUFFER = Op(
    name="buffer",
    role="value",
    summary="A fixed value of the network's own, kept in the `state_dict` under its label.",
    parameters=_VALUE,
    inputs=(0, 0),
    counts=False,
    shape=value_shape,
    own="buffer",
    tensor=_tensor,
    weights=_value_weights,
    label=lambda call: f"buffer {call.y}",
    examples=tuple(Example(f"buffer{value}", ()) for value in _EXAMPLES),
)

CONSTANT = Op(
    name="constant",
    role="value",
    summary="A fixed value that moves with the network from device to device, but is not kept in the `state_dict`.",
    parameters=_VALUE,
    inputs=(0, 0),
    counts=False,
    shape=value_shape,
    own="constant",
    tensor=_tensor,
    label=lambda call: f"constant {call.y}",
    examples=tuple(Example(f"constant{value}", ()) for value in _EXAMPLES),
)

VALUES = (PARAMETER, BUFFER, CONSTANT)
