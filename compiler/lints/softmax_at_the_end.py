"""W0202: a softmax at the end of a network that is trained with cross-entropy.

What: the first result is a `softmax` (or `softmin`) over the classes, which are the channels, axis 1.

Why: cross-entropy, the loss that `archc train` takes, expects the numbers before the softmax and takes it itself. Taken
twice it flattens the result: no class can get more than e / (e + n - 1) of n, the loss cannot come near 0 and the
gradients are small. The training runs all the same, only badly.

A `log_softmax` at the end is right for the negative log-likelihood, and does no harm before cross-entropy: taken twice
it is the same as once.

>>> from archc.compiler.lints.example import warnings
>>> warnings("arch A { input x: [28]; linear(10) -> softmax }")
['W0202 softmax: the network ends with a `softmax`, and cross-entropy takes the softmax itself']
>>> warnings("arch A { input x: [28]; linear(10) -> log_softmax }")
[]
"""

from archc.compiler.ir import ShapedGraph
from archc.compiler.lints.values import makers
from archc.dsl.diagnostics import Diagnostic, Label

PASSING = ("shape", "regularisation")  # the roles of what leaves the numbers as they are


def find(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return a warning for a first result that is a softmax over the classes."""
    made = makers(shaped)
    value = shaped.graph.outputs[0].value
    while value in made and made[value].op.role in PASSING and len(made[value].inputs) == 1:
        value = made[value].inputs[0]
    if value not in made or made[value].op.name not in ("softmax", "softmin"):
        return []
    node = made[value]
    dim = node.arguments["dim"]
    if dim not in (None, 1, -len(shaped.types[value].shape)):
        return []
    return [
        Diagnostic(
            "W0202",
            f"the network ends with a `{node.op.name}`, and cross-entropy takes the softmax itself",
            Label(node.span, "taken twice in training"),
            (),
            node.frame.trace(),
            "leave it out and take the softmax after the network where probabilities are wanted, "
            "or write `log_softmax` and train with the negative log-likelihood",
        )
    ]
