"""Which pieces of a text a place lies in, answered without a walk over the text for each question."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from archc.compiler.ir import ShapedGraph
from archc.dsl import ast
from archc.dsl.node import Node as Tree
from archc.dsl.source import Source, Span

Item = TypeVar("Item")


class Nest(Generic[Item]):
    """Pieces of text, each of which lies in another or apart from it, and what belongs to them.

    >>> source = Source("a.arch", "{ a { b } c }")
    >>> nest = Nest([(Span(source, 0, 13), "outer"), (Span(source, 4, 9), "inner")])
    >>> list(nest.around(Span(source, 6, 7))), list(nest.around(Span(source, 10, 11)))
    (['inner', 'outer'], ['outer'])
    """

    __slots__ = ("_pieces", "_starts")

    def __init__(self, pieces: Iterable[tuple[Span, Item]]) -> None:
        self._starts: dict[Source, list[int]] = {}
        self._pieces: dict[Source, list[tuple[Span, Item, int]]] = {}  # the last: the place of the one around, or -1
        for span, item in sorted(pieces, key=lambda piece: (piece[0].start, -piece[0].end)):
            starts = self._starts.setdefault(span.source, [])
            known = self._pieces.setdefault(span.source, [])
            outer = len(known) - 1
            while outer >= 0 and not known[outer][0].holds(span):
                outer = known[outer][2]
            starts.append(span.start)
            known.append((span, item, outer))

    def around(self, span: Span) -> Iterator[Item]:
        """What belongs to the pieces that a place lies in, the innermost first."""
        place = bisect_right(self._starts.get(span.source, []), span.start) - 1
        while place >= 0:
            piece, item, place = self._pieces[span.source][place]
            if piece.holds(span):
                yield item


def trees(shaped: ShapedGraph) -> Iterator[Tree]:
    """Every node of the syntax trees of the blocks that a network uses."""
    definitions = {r.definition.span: r.definition for r in shaped.graph.root.walk() if r.definition is not None}
    waiting: list[object] = list(definitions.values())
    while waiting:
        at = waiting.pop()
        if isinstance(at, Tree):
            yield at
            waiting.extend(at.fields())
        elif isinstance(at, tuple) and not isinstance(at, Span):
            waiting.extend(at)


def choices(shaped: ShapedGraph) -> Nest[Span]:
    """The `if`s in the blocks that a network uses, an `else if` as one of its own."""
    return Nest((tree.span, tree.span) for tree in trees(shaped) if isinstance(tree, ast.If))
