"""How an operator is written: its signature, for documentation and messages."""

from archc.compiler.ops.entry import REQUIRED, Op, Parameter
from archc.compiler.values import show


def signature(op: Op) -> str:
    """Return an operator with its parameters and their defaults, and braces where it takes several values.

    >>> from archc.compiler.ops import OPS
    >>> signature(OPS["max_pool"])
    'max_pool(kernel_size, stride=none, padding=0, dilation=1, return_indices=false, ceil_mode=false)'
    >>> signature(OPS["concat"]), signature(OPS["relu"])
    ('concat(dim=1) { ... }', 'relu')
    """
    listed = ", ".join(_written(parameter) for parameter in op.parameters)
    text = f"{op.name}({listed})" if listed else op.name
    return f"{text} {{ ... }}" if op.inputs[0] > 1 else text


def _written(parameter: Parameter) -> str:
    return parameter.name if parameter.default is REQUIRED else f"{parameter.name}={show(parameter.default)}"
