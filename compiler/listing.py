"""The graph of a network as text, before and after its sizes are known: for whoever wants to see what a text became."""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from archc.compiler.folding import written
from archc.compiler.ir import Graph, Node, Region, Rule, ShapedGraph, Tensor
from archc.compiler.values import show
from archc.dsl.source import Span

STEP = "  "
WIDEST = 100  # columns of the first column; what is longer pushes the others aside


class _Line(NamedTuple):
    """One line: what it says, the path of a module or scope, and the place in the text."""

    text: str
    path: str
    place: str


def graph_listing(graph: Graph) -> str:
    """Return a graph as text: its regions as a tree, in them its nodes; values are numbered, `%0` is the first input.

    Behind each line stand the path in the `state_dict` and the place in the text, `line:column`, after the name of the
    file where that is an imported one.

    >>> import archc
    >>> text = "arch Net { input x: [4]; head: linear(2) -> relu }"
    >>> from archc.files import open_text
    >>> from archc.network import network
    >>> print(graph_listing(network(open_text(text), {}).checked.shaped.graph))
    graph Net of <text>
    %0 = input x: 4                1:18
    arch Net { %0 } -> %2          1:1
      %1 = linear(2) { %0 }  head  1:32
      %2 = relu { %1 }       0     1:45
    output = %2
    """
    return _Listing(graph, None).text("graph")


def shapes_listing(shaped: ShapedGraph) -> str:
    """Return a graph as `graph_listing` does, with the type of every value, and what symbolic input sizes must meet.

    Sizes are without the batch; numbers that are not float32 are named, and values without a batch axis marked.

    >>> from archc.files import open_text
    >>> from archc.network import network
    >>> text = "arch Net { input x: [3, H, 8]; max_pool(2) -> conv(4, 3) }"
    >>> print(shapes_listing(network(open_text(text), {}).checked.shaped))  # doctest: +NORMALIZE_WHITESPACE
    shapes Net of <text>
    %0: 3xHx8 = input x                              1:18
    arch Net { %0 } -> %2                            1:1
      %1: 3x(H // 2)x4 = max_pool(2) { %0 }       0  1:32
      %2: 4x((H - 4) // 2)x2 = conv(4, 3) { %1 }  1  1:47
    output = %2: 4x((H - 4) // 2)x2
    condition: H must be at least 6
    """
    conditions = [f"condition: {condition}" for condition in shaped.conditions]
    return "\n".join([_Listing(shaped.graph, shaped.types).text("shapes"), *conditions])


class _Listing:
    """A graph while it is written; `types` are those of its values, where they are known."""

    __slots__ = ("_graph", "_shown", "_types")

    def __init__(self, graph: Graph, types: Sequence[Tensor] | None) -> None:
        self._graph = graph
        self._types = types
        # Imported files by their last name, where only one has it.
        files = {region.span.source.name for region in graph.root.walk()} | {
            node.span.source.name for node in graph.nodes
        }
        last = [os.path.basename(file) for file in files]
        self._shown = {file: os.path.basename(file) for file in files if last.count(os.path.basename(file)) == 1}

    def text(self, stage: str) -> str:
        """The whole listing, its columns aligned."""
        lines = list(self._lines())
        first = min(max(len(line.text) for line in lines), WIDEST)
        second = max(len(line.path) for line in lines)
        aligned = [f"{line.text:<{first}}  {line.path:<{second}}  {line.place}".rstrip() for line in lines]
        imported = sorted(file for file in self._shown if file != self._graph.file)
        files = [f"file {self._shown[file]} is {file}" for file in imported if self._shown[file] != file]
        return "\n".join([f"{stage} {self._graph.name} of {self._graph.file}", *files, *aligned])

    def _lines(self) -> Iterator[_Line]:
        graph = self._graph
        for name, value in graph.parameters.items():
            yield _Line(f"parameter {name} = {show(value, 60)}", "", "")
        for number, entry in enumerate(graph.inputs):
            sizes = "" if self._types else f": {entry.type}"
            yield _Line(f"{self._left(number)} = input {entry.name}{sizes}", "", self._place(entry.span))
        for rule in graph.rules:
            yield self._rule(rule)
        yield from self._regions()
        for output in graph.outputs:
            training = " when training" if output.training else ""
            yield _Line(f"{output.name} = {self._left(output.value)}{training}", "", "")

    def _rule(self, rule: Rule) -> _Line:
        weight = f".{rule.parameter}" if rule.parameter else ""
        values = [value for node in self._graph.nodes[rule.start : rule.end] for value in node.outputs]
        reach = f", from %{values[0]} to %{values[-1]}" if values else ""
        return _Line(f"init {rule.op.name}{weight}: {rule.initialisation}{reach}", "", self._place(rule.span))

    def _regions(self) -> Iterator[_Line]:
        waiting: list[tuple[int, Region | range]] = [(0, self._graph.root)]
        while waiting:  # regions nest as deeply as blocks do
            depth, part = waiting.pop()
            if isinstance(part, range):
                for index in part:
                    yield self._node(self._graph.nodes[index], depth)
                continue
            yield self._region(part, depth)
            inside: list[tuple[int, Region | range]] = []
            at = part.start
            for child in part.children:
                inside += [(depth + 1, range(at, child.start)), (depth + 1, child)]
                at = child.end
            waiting += reversed([*inside, (depth + 1, range(at, part.end))])

    def _region(self, region: Region, depth: int) -> _Line:
        name = f" {region.name}" if region.name else ""
        # The arguments of the arch stand above, as parameters.
        given = ", ".join(f"{key}={show(value, 30)}" for key, value in region.arguments.items()) if depth else ""
        head = f"{STEP * depth}{region.kind}{name}" + (f"({given})" if given else "") + _taken(region.inputs)
        return _Line(f"{head} -> {_values(region.outputs)}", region.path or "", self._place(region.span))

    def _node(self, node: Node, depth: int) -> _Line:
        left = ", ".join(self._left(value) for value in node.outputs)
        return _Line(f"{STEP * depth}{left} = {written(node)}{_taken(node.inputs)}", node.path, self._place(node.span))

    def _left(self, value: int) -> str:
        """A value with its name and its type, as far as they are known."""
        name = self._graph.names.get(value)
        inputs = len(self._graph.inputs)
        shown = f"%{value} {name}" if name and value >= inputs else f"%{value}"
        return f"{shown}: {_type(self._types[value])}" if self._types else shown

    def _place(self, span: Span) -> str:
        name = span.source.name
        return ("" if name == self._graph.file else f"{self._shown.get(name, name)}:") + f"{span.line}:{span.column}"


def _taken(values: tuple[int, ...]) -> str:
    return f" {{ {_values(values)} }}" if values else ""


def _values(values: tuple[int, ...]) -> str:
    return "; ".join(f"%{value}" for value in values)


def _type(tensor: Tensor) -> str:
    dtype = "" if tensor.dtype == "float32" else f" {tensor.dtype}"
    return f"{tensor}{dtype}" + ("" if tensor.batched else " without batch")
