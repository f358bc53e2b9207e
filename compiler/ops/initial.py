"""The ways to give weights their first values: the functions of `torch.nn.init`, without the underscore."""

from collections.abc import Mapping
from typing import NamedTuple

from archc.compiler.ops.entry import Parameter
from archc.compiler.ops.kinds import NON_NEGATIVE_NUMBER, NUMBER, POSITIVE, POSITIVE_NUMBER, PROBABILITY, choice


class Initializer(NamedTuple):
    """A function of `torch.nn.init`: its parameters after the tensor, and how many axes the tensor may have."""

    name: str
    parameters: tuple[Parameter, ...] = ()
    axes: tuple[int, int | None] = (0, None)

    def misfit(self, arguments: Mapping[str, object], shape: tuple[int, ...]) -> str:
        """Say why a tensor of these sizes cannot be initialised so, or nothing where it can.

        >>> INITIALIZERS["xavier_uniform"].misfit({}, (64,))
        '`xavier_uniform` needs at least 2 axes'
        """
        least, most = self.axes
        if len(shape) < least or (most is not None and len(shape) > most):
            count = f"at least {least}" if most is None else f"{least}" if least == most else f"{least} to {most}"
            return f"`{self.name}` needs {count} axes"
        groups = arguments.get("groups", 1)
        if isinstance(groups, int) and shape and shape[0] % groups:
            return f"`{self.name}` divides the first axis into {groups} groups, and {shape[0]} is no multiple of it"
        defaults = {parameter.name: parameter.default for parameter in self.parameters}
        low, high = (arguments.get(bound, defaults.get(bound, 0)) for bound in ("a", "b"))
        if "b" in defaults and isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            return f"`{self.name}` draws from `a` to `b`, and {low} is larger than {high}"
        return ""


_MODE = Parameter("mode", choice("fan_in", "fan_out"), "fan_in")
_NONLINEARITIES = ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu")
_KAIMING = (Parameter("a", NUMBER, 0), _MODE, Parameter("nonlinearity", choice(*_NONLINEARITIES), "leaky_relu"))
_GAIN = (Parameter("gain", NUMBER, 1.0),)
_POSITIVE_GAIN = (Parameter("gain", NON_NEGATIVE_NUMBER, 1.0),)

INITIALIZERS: dict[str, Initializer] = {
    initializer.name: initializer
    for initializer in (
        Initializer("zeros"),
        Initializer("ones"),
        Initializer("constant", (Parameter("val", NUMBER),)),
        Initializer("uniform", (Parameter("a", NUMBER, 0.0), Parameter("b", NUMBER, 1.0))),
        Initializer("normal", (Parameter("mean", NUMBER, 0.0), Parameter("std", NON_NEGATIVE_NUMBER, 1.0))),
        Initializer(
            "trunc_normal",
            (
                Parameter("mean", NUMBER, 0.0),
                Parameter("std", POSITIVE_NUMBER, 1.0),
                Parameter("a", NUMBER, -2.0),
                Parameter("b", NUMBER, 2.0),
            ),
        ),
        Initializer("xavier_uniform", _POSITIVE_GAIN, (2, None)),
        Initializer("xavier_normal", _POSITIVE_GAIN, (2, None)),
        Initializer("kaiming_uniform", _KAIMING, (2, None)),
        Initializer("kaiming_normal", _KAIMING, (2, None)),
        Initializer("orthogonal", _GAIN, (2, None)),
        Initializer("eye", (), (2, 2)),
        Initializer("dirac", (Parameter("groups", POSITIVE, 1),), (3, 5)),
        Initializer(
            "sparse", (Parameter("sparsity", PROBABILITY), Parameter("std", NON_NEGATIVE_NUMBER, 0.01)), (2, 2)
        ),
    )
}
