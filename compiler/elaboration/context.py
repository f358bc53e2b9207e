"""What flows between stages, and what the text around a statement gives it."""

from typing import NamedTuple

from archc.compiler.elaboration.paths import Paths
from archc.compiler.elaboration.scope import Scope
from archc.compiler.ir import Frame
from archc.compiler.values import POISON, Poison, Wire
from archc.dsl import ast
from archc.dsl.source import Span

# A value by its number, several of them, nothing yet, or what a mistake left.
Flow = int | tuple[int, ...] | Poison | None


class Branch(NamedTuple):
    """One of several values that an op or block takes, and the place that stands for it (`None`: where it is made)."""

    value: Flow
    span: Span | None = None


class Context(NamedTuple):
    """What the text around a statement gives it.

    `depth` counts the blocks around, `results` collects the names of `output` statements, `inputs` are the values of
    the declared inputs, `rounds` the lengths of the loops around, through all blocks, and `top` says that the
    statement stands directly in an arch or block.
    """

    scope: Scope
    paths: Paths
    frame: Frame
    depth: int
    results: list[tuple[ast.Name, bool]]
    inputs: dict[str, Flow]
    rounds: tuple[int, ...] = ()
    top: bool = True


def wires(flow: Flow) -> tuple[int, ...]:
    """The values of a flow: none, one or several."""
    if flow is None or isinstance(flow, Poison):
        return ()
    return flow if isinstance(flow, tuple) else (flow,)


def as_value(flow: Flow) -> object:
    """What a name is bound to that stands for one value of the network."""
    return Wire(flow) if isinstance(flow, int) else POISON
