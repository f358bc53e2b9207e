"""Classes of one's own: how the source imports them, under names that nothing else has."""

from collections.abc import Iterable
from typing import NamedTuple

from archc.compiler.ir import Graph, ShapedGraph, Tensor
from archc.compiler.ops.entry import External
from archc.compiler.source.flows import variables
from archc.compiler.source.layout import WIDTH
from archc.compiler.source.names import class_name
from archc.dsl.source import Span


class Imported(NamedTuple):
    """A class that is imported: `alias` is its name in the source, that of its outer class where it lies in one."""

    external: External
    alias: str

    @property
    def callee(self) -> str:
        """What the source calls."""
        _, dot, inner = self.external.name.partition(".")
        return f"{self.alias}{dot}{inner}"


class Contract(NamedTuple):
    """What a use of a class of one's own takes and leaves, as it is declared: to be compared with what it does."""

    path: str
    external: External
    place: Span
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class Externs(NamedTuple):
    """The classes of one's own that a source imports, and what is declared of each use.

    `inputs` are the types of the network's inputs, whose symbols stand for the sizes of a call.
    """

    imported: tuple[Imported, ...] = ()
    contracts: tuple[Contract, ...] = ()
    inputs: tuple[Tensor, ...] = ()


def import_lines(found: Iterable[Imported]) -> list[str]:
    """Return the imports, one for each module.

    >>> from archc.dsl.source import Source, Span
    >>> place = Span(Source("a.arch", ""), 0, 0)
    >>> conv, pool = External("mine.layers", "Conv", place), External("mine.layers", "Pool.Max", place)
    >>> import_lines([Imported(pool, "Pool"), Imported(conv, "Conv2")])
    ['from mine.layers import Conv as Conv2, Pool']
    """
    modules: dict[str, set[str]] = {}
    for one in found:
        name = one.external.name.partition(".")[0]
        modules.setdefault(one.external.module, set()).add(name if name == one.alias else f"{name} as {one.alias}")
    lines = []
    for module in sorted(modules):
        names = sorted(modules[module])
        line = f"from {module} import {', '.join(names)}"
        if len(line) > WIDTH:
            line = f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"
        lines.append(line)
    return lines


def contracts(shaped: ShapedGraph) -> tuple[Contract, ...]:
    """Return what is declared of each use of a class of one's own."""
    found = []
    for node in shaped.graph.nodes:
        if node.op.external is not None:
            taken, left = (tuple(shaped.types[value] for value in values) for values in (node.inputs, node.outputs))
            found.append(Contract(node.path, node.op.external, node.span, taken, left))
    return tuple(found)


def imported(graph: Graph) -> dict[str, Imported]:
    """Return the classes of one's own that a network uses, by the `package.module:Class` that constructs them."""
    externals = {node.op.external: None for node in graph.nodes if node.op.external is not None}
    others = {*variables(graph), class_name(graph.name)} if externals else set()
    aliases: dict[tuple[str, str], str] = {}
    result: dict[str, Imported] = {}
    for external in sorted(externals, key=lambda one: (one.module, one.name)):
        outer = external.name.partition(".")[0]
        key = (external.module, outer)
        if key not in aliases:
            aliases[key] = class_name(outer, {*aliases.values(), *others})
        result.setdefault(f"{external.module}:{external.name}", Imported(external, aliases[key]))
    return result
