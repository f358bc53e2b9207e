"""What a use of an operator keeps in memory for the backward pass, as PyTorch does on a processor in training."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from archc.compiler.ir import Tensor
    from archc.compiler.ops.entry import Call


class Kept(NamedTuple):
    """What the backward pass of one use reads again, and whether the use takes memory for its result.

    inputs   the numbers of the inputs that are kept
    outputs  the numbers of the outputs that are kept
    further  the types of what is kept beside them: the places of maxima, masks, statistics
    view     "" where the result is memory of its own; else it lies in the memory of the first input: "turned" with its
             numbers in another order or with gaps, "ordered" in whatever order the input has, "joined" as long as that
             input's numbers lie in order, a copy otherwise
    """

    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    further: tuple["Tensor", ...] = ()
    view: str = ""


# The rule of an operator.
Rule = Callable[["Call"], Kept]


def nothing(call: "Call") -> Kept:
    """Return what an operator keeps whose gradient depends on sizes only."""
    return Kept()


def its_input(call: "Call") -> Kept:
    """Return what an operator keeps whose gradient is a function of its first input."""
    return Kept((0,))


def what_it_weighs(call: "Call") -> Kept:
    """Return what a learned product keeps: its input, and its weight where that comes from a branch."""
    return Kept((0, 1) if len(call.inputs) > 1 else (0,))


def its_inputs(call: "Call") -> Kept:
    """Return what an operator keeps whose gradient is a function of all its inputs."""
    return Kept(tuple(range(len(call.inputs))))


def its_output(call: "Call") -> Kept:
    """Return what an operator keeps whose gradient is a function of its first output."""
    return Kept((), (0,))


def input_and_output(call: "Call") -> Kept:
    """Return what an operator keeps whose gradient needs its first input and its first output."""
    return Kept((0,), (0,))


def view(kind: str) -> Rule:
    """Return the rule of an operator that only looks at its input in another way."""
    return lambda call: Kept(view=kind)
