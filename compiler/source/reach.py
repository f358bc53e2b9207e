"""Where the text hands a parameter of an architecture on unchanged: to which operators, blocks and sizes of inputs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from archc.compiler.ir import Graph, Region
from archc.dsl import ast
from archc.dsl.node import Node
from archc.dsl.source import Span


class Reach(NamedTuple):
    """Every place that a parameter reaches.

    sizes    the axes of the network's inputs: number of the input, and axis
    nodes    the arguments of operators: number of the node, and name
    regions  the arguments of blocks, the network's own among them, by the `id` of their region
    """

    sizes: frozenset[tuple[int, int]]
    nodes: frozenset[tuple[int, str]]
    regions: Mapping[int, frozenset[str]]


class _Used(Exception):
    """The parameter is used for something else, which may decide what the network looks like."""


def reach(graph: Graph, parameter: str) -> Reach | None:
    """Return where a parameter goes when it is only handed on, as it is; `None` when anything is made or decided of it.

    Claims about the network as written do not count: they say what it is, and decide nothing.
    """
    try:
        return _Reaching(graph).run(parameter)
    except _Used:
        return None


class _Reaching:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.sizes: set[tuple[int, int]] = set()
        self.nodes: set[tuple[int, str]] = set()
        self.regions: dict[int, frozenset[str]] = {}

    def run(self, parameter: str) -> Reach:
        names = frozenset({parameter})
        *special, last = self.graph.arches
        for arch, inner in zip(special, self.graph.arches[1:], strict=True):
            assert isinstance(arch, ast.Specialisation)
            _refuse(names, arch.parameters)
            names = _handed(arch.arguments, inner.parameters, names)
        assert isinstance(last, ast.Arch)
        waiting = [(self.graph.root, names)]
        while waiting:
            region, names = waiting.pop()
            self.regions[id(region)] = names
            waiting += self._inside(region, names)
        return Reach(frozenset(self.sizes), frozenset(self.nodes), self.regions)

    def _inside(self, region: Region, names: frozenset[str]) -> Iterator[tuple[Region, frozenset[str]]]:
        """Follow some parameters of a block through its text, and yield the blocks used there that get them."""
        block = region.definition
        assert block is not None
        _refuse(names, block.parameters)
        inside = [one for one in region.walk() if one is not region]
        if any(one.definition is block for one in inside):
            raise _Used  # the places of a block within itself cannot be told apart
        inputs = {entry.name: number for number, entry in enumerate(self.graph.inputs)}
        waiting: list[tuple[Node, ast.Body | None]] = [(block.body, None)]
        while waiting:
            node, branch = waiting.pop()
            match node:
                case ast.Name(text=text):
                    if text in names:
                        raise _Used
                case ast.Expect():
                    pass
                case ast.Input(name=name, sizes=sizes):
                    for axis, size in enumerate(sizes or ()):
                        if isinstance(size, ast.Name) and size.text in names:
                            self.sizes.add((inputs[name.text], axis))
                        else:
                            waiting.append((size, branch))
                case ast.Use(arguments=arguments):
                    given = [one for one in arguments or () if _is_handed(one, names)]
                    if given and (branch is None or self._is_taken(branch, region)):
                        yield from self._use(node, given, region, inside, names)
                    rest = [part for part in _parts(node) if not any(part is one for one in given)]
                    waiting += [(part, branch) for part in rest]
                case ast.If(test=test, then=then, otherwise=otherwise):
                    waiting += [(test, branch), (then, then)]
                    if otherwise is not None:
                        waiting.append((otherwise, otherwise))
                case _:
                    waiting += [(part, branch) for part in _parts(node)]

    def _is_taken(self, branch: ast.Body, region: Region) -> bool:
        nodes = self.graph.nodes[region.start : region.end]
        places = [*(node.span for node in nodes), *(one.span for one in region.walk())]
        return any(_lies_in(place, branch.span) for place in places)

    def _use(
        self, use: ast.Use, given: list[ast.Argument], region: Region, inside: list[Region], names: frozenset[str]
    ) -> Iterator[tuple[Region, frozenset[str]]]:
        used = [one for one in inside if one.span == use.span and one.definition is not None]
        for one in used:
            assert one.definition is not None
            if one.definition.name.text != use.name.text:
                raise _Used  # a block that is a parameter may have arguments already
            yield one, _handed(use.arguments or (), one.definition.parameters, names)
        places = {argument.span for argument in given}
        found = {
            (index, name)
            for index in range(region.start, region.end)
            for name, span in self.graph.nodes[index].argument_spans.items()
            if span in places
        }
        if not found and not used:
            raise _Used
        self.nodes |= found


def _handed(
    arguments: Sequence[ast.Argument], parameters: Sequence[ast.Parameter], names: frozenset[str]
) -> frozenset[str]:
    """The parameters of what is used that get what is followed; all other arguments have to be free of it."""
    found: set[str] = set()
    for position, argument in enumerate(arguments):
        if not _is_handed(argument, names):
            _refuse(names, argument.value)
        elif argument.name is not None:
            found.add(argument.name.text)
        else:
            found.add(parameters[position].name.text)
    return frozenset(found)


def _is_handed(argument: ast.Argument, names: frozenset[str]) -> bool:
    return isinstance(argument.value, ast.Name) and argument.value.text in names


def _refuse(names: frozenset[str], *nodes: object) -> None:
    """Make sure that no name occurs, apart from those of parameters themselves."""
    waiting: list[object] = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            waiting += node
        elif isinstance(node, ast.Parameter):
            waiting.append(node.default)
        elif isinstance(node, ast.Name) and node.text in names:
            raise _Used
        elif isinstance(node, Node):
            waiting += _parts(node)


def _parts(node: Node) -> list[Node]:
    """The nodes in a node; the name of an argument is none of them."""
    found: list[Node] = []
    waiting: list[object] = [node.value] if isinstance(node, ast.Argument) else list(node.fields())
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting += part
        elif isinstance(part, Node):
            found.append(part)
    return found


def _lies_in(place: Span, around: Span) -> bool:
    return place.source is around.source and around.start <= place.start and place.end <= around.end
