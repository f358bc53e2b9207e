"""The graph of a network, before and after its sizes are known.

A `Graph` is what elaboration leaves: every loop unrolled, every block used expanded, every name resolved. A
`ShapedGraph` is the same with the size of every value, checked. Both keep the structure of the text as `Region`s.

Values are numbered. The inputs of the network come first; each `Node` lists the values it takes and leaves. Nodes
stand in the order in which they are computed, so every value is left before it is taken.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from archc.compiler.algebra.sizes import Size
from archc.dsl.diagnostics import Use
from archc.dsl.source import Span

if TYPE_CHECKING:
    from archc.compiler.algebra.condition import Condition, Relation
    from archc.compiler.ops.entry import Op
    from archc.dsl import ast


class Tensor(NamedTuple):
    """The type of a value: its sizes without the batch, and its numbers.

    `batched` is false for values that have no batch axis (parameters, buffers, constants).

    >>> str(Tensor((64, 56, 56)))
    '64x56x56'
    """

    shape: tuple[Size, ...]
    dtype: str = "float32"
    batched: bool = True

    def __str__(self) -> str:
        # A formula with operators is bracketed: `64x(H // 2)x(W // 2)`.
        return "x".join(f"({size})" if " " in str(size) else str(size) for size in self.shape) or "scalar"


class Initialisation(NamedTuple):
    """How a tensor gets its first values: a function of `torch.nn.init` without its underscore, and what it is given.

    >>> str(Initialisation("normal", (("std", 0.02),)))
    'normal(std=0.02)'
    """

    name: str
    arguments: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        listed = ", ".join(
            f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}" for name, value in self.arguments
        )
        return f"{self.name}({listed})" if listed else self.name


class Frame(NamedTuple):
    """Where in the expansion something stands: in the arch (no parent), or in a block that is used in another frame.

    `loops` are the loop values there, `round` is the place of the innermost loop.
    """

    use: Use
    parent: "Frame | None"
    loops: tuple[tuple[str, str], ...] = ()
    round: Span | None = None

    def trace(self) -> tuple[Use, ...]:
        """Return the way from the innermost round and block to the outermost block.

        >>> from archc.dsl.source import Source
        >>> span = Span(Source("a.arch", "a"), 0, 1)
        >>> arch = Frame(Use("Net", span), None, (("i", "1"),), span)
        >>> [(use.block, use.loops) for use in Frame(Use("basic", span), arch).trace()]
        [('basic', (('i', '1'),))]
        """
        uses = [] if self.round is None or not self.loops else [Use("", self.round, self.loops)]
        frame = self
        while frame.parent is not None:
            uses.append(frame.use._replace(loops=frame.parent.loops))
            frame = frame.parent
        return tuple(uses)


class Node(NamedTuple):
    """One application of an operator.

    `path` is the module's name in the `state_dict` (`layer1.0.conv1`); empty for operators that take none, such as
    `add`. `labelled` says whether the last part of the path is a label of the text. `place` orders nodes as the text
    does, which is the order of the `state_dict`. `branches` are the places that stand for the inputs, `None` where that
    is the place that made the value. `arguments` holds every parameter of the operator, defaults filled
    in; `argument_spans` those that the text gives.
    """

    op: "Op"
    arguments: Mapping[str, object]
    argument_spans: Mapping[str, Span]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    path: str
    labelled: bool
    place: int
    frame: Frame
    span: Span
    branches: tuple[Span | None, ...] = ()


class Region(NamedTuple):
    """A stretch of nodes that one construct of the text made: the structure of the text, as expanded.

    kind      what made it: "arch", "block", "inline" (an inline block), "label" (a labelled group), "loop" (a whole
              `for` or `repeat`), "round" (one round of it), "merge" (an op with braces), "branch" (one of its branches)
    name      the name of the arch, block or op; the label of a labelled group; "for" or "repeat"; otherwise empty
    path      the path of the scope it opens ("" for the arch); `None` when it opens none
    place     orders scopes among the nodes and scopes beside them, as the text does; see `Node.place`
    labelled  whether the last part of the path is a label of the text, not an index
    arguments what a block or arch was used with, every parameter with its value
    start,end the nodes of the graph from `start` up to, not including, `end`; children lie within, in order
    inputs    the values that flow in
    outputs   the values that flow out
    definition  the block or arch that it is an expansion of; `None` for what has no name of its own
    """

    kind: str
    name: str
    path: str | None
    labelled: bool
    place: int
    arguments: Mapping[str, object]
    start: int
    end: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    children: tuple["Region", ...]
    span: Span
    definition: "ast.Block | ast.Arch | None" = None

    def walk(self) -> Iterator["Region"]:
        """Yield this region and all within it, outer before inner, in the order of the text."""
        waiting = [self]
        while waiting:
            region = waiting.pop()
            yield region
            waiting.extend(reversed(region.children))


class Rule(NamedTuple):
    """An `init`: the first values of one weight (of every one, where `parameter` is empty) of an operator.

    It holds for the nodes from `start` up to, not including, `end`, where no rule before it does.
    """

    op: "Op"
    parameter: str
    initialisation: Initialisation
    start: int
    end: int
    span: Span


class Input(NamedTuple):
    """An input of the network: its name and type."""

    name: str
    type: Tensor
    span: Span


class Output(NamedTuple):
    """A result of the network; `training` when it is computed in training only. An unnamed one is called `output`."""

    name: str
    value: int
    training: bool


class Graph(NamedTuple):
    """A network whose names are resolved and whose loops are unrolled; its sizes are not known yet.

    `inputs[i]` is value `i`. `names` are the names that the text gives to values with `as`. `file` is the shown name of
    the file that was compiled; what it imports lies in others. `rules` say how weights start, inner braces first.
    `arches` are the architecture, the one that it specialises, and so on.
    """

    name: str
    doc: str
    parameters: Mapping[str, object]
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    nodes: tuple[Node, ...]
    values: int
    names: Mapping[int, str]
    root: Region
    file: str = ""
    rules: tuple[Rule, ...] = ()
    arches: "tuple[ast.Arch | ast.Specialisation, ...]" = ()

    def needed(self, values: Iterable[int]) -> set[int]:
        """Return the values that some values depend on, themselves among them."""
        needed = set(values)
        for node in reversed(self.nodes):
            if not needed.isdisjoint(node.outputs):
                needed.update(node.inputs)
        return needed


class ShapedGraph(NamedTuple):
    """A network that is checked: `types[value]` is the type of every value.

    `conditions` say what symbolic input sizes must meet.
    """

    graph: Graph
    types: tuple[Tensor, ...]
    conditions: "tuple[Condition | Relation, ...]"
