"""The rows of a network's table: its modules as a tree, repeats folded, and long tables closed to a page."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from archc.compiler.algebra.sizes import Size
from archc.compiler.analysis.cost import Cost, costs, total
from archc.compiler.ir import Node, Region, ShapedGraph
from archc.compiler.ops.entry import REQUIRED
from archc.compiler.values import show

PAGE = 20  # rows that a table has before its blocks are closed
NUMBER = re.compile(r"(\d+)")


class Entry(NamedTuple):
    """One row: a module, an op that is none, or a scope with the rows in it.

    name      the last part of the path; of folded rounds that of the first and of the last
    what      the op or the block, as the text writes it; ranges of numbers (`64..224`) where folded rounds differ
    sizes     of the output, with ranges like `what`
    cost      of all rounds that the row stands for; in rounds that differ the most of any round
    children  the rows in it; of folded rounds those of the first, or with ranges
    rounds    how many rounds it stands for
    varying   whether these rounds differ in their sizes
    value     the first value of the output, of the last round
    block     the definition of a block; `None` for everything else
    least     in rounds that differ the least cost of any round; `None` where `cost` is no range
    """

    name: str
    what: str
    sizes: str
    cost: Cost
    children: tuple["Entry", ...] = ()
    rounds: int = 1
    varying: bool = False
    value: int | None = None
    block: object = None
    least: Cost | None = None


def entries(shaped: ShapedGraph, *, fold: bool = True) -> tuple[Entry, ...]:
    """Return the rows of the whole network, outermost first."""
    return _Table(shaped, fold).inside(shaped.graph.root)


class _Table:
    """The rows of a network, while they are made."""

    __slots__ = ("_costs", "_fold", "_shaped")

    def __init__(self, shaped: ShapedGraph, fold: bool) -> None:
        self._shaped = shaped
        self._fold = fold
        self._costs = costs(shaped)

    def inside(self, region: Region) -> tuple[Entry, ...]:
        """The rows of what a region holds; regions that open no scope put theirs where they stand."""
        # Regions nest as deeply as blocks do, so they are visited with a stack: inner ones first.
        done: dict[int, tuple[Entry, ...]] = {}
        for inner in reversed(list(region.walk())):
            if inner.kind == "loop" and self._fold:
                done[id(inner)] = _folded([done[id(part)] for part in inner.children])
            else:
                done[id(inner)] = self._direct(inner, done)
        return done[id(region)]

    def _direct(self, region: Region, done: Mapping[int, tuple[Entry, ...]]) -> tuple[Entry, ...]:
        rows: list[Entry] = []
        at = region.start
        for child in region.children:
            rows.extend(self._node(i) for i in range(at, child.start))
            rows.extend(done[id(child)] if child.path is None else [self._scope(child, done[id(child)])])
            at = child.end
        rows.extend(self._node(i) for i in range(at, region.end))
        return tuple(rows)

    def _node(self, index: int) -> Entry:
        node = self._shaped.graph.nodes[index]
        name = node.path.rpartition(".")[2]
        return Entry(name, written(node), self._sizes(node.outputs), self._costs[index], value=node.outputs[0])

    def _scope(self, region: Region, children: tuple[Entry, ...]) -> Entry:
        what = "" if region.kind == "label" else used(region)
        name = (region.path or "").rpartition(".")[2]
        value = region.outputs[0] if region.outputs else None
        cost = total(tuple(child.cost for child in children))
        block = None if region.kind == "label" else region.definition
        return Entry(name, what, self._sizes(region.outputs), cost, children, value=value, block=block)

    def _sizes(self, values: Iterable[int]) -> str:
        return ", ".join(str(self._shaped.types[value]) for value in values)


def used(region: Region) -> str:
    """Return the use of a block as the language writes it."""
    return region.name + _arguments(region.arguments.values())


def written(node: Node) -> str:
    """Return a node as the language writes it, arguments equal to their defaults left out."""
    parts = []
    for parameter in node.op.parameters:
        value = node.arguments[parameter.name]
        if parameter.default is REQUIRED and value is not None:  # weights from a branch may determine it
            parts.append(show(value))
        elif parameter.default is not REQUIRED and value != parameter.default:
            parts.append(f"{parameter.name}={show(value)}")
    return node.op.name + (f"({', '.join(parts)})" if parts else "")


def _arguments(values: Iterable[object]) -> str:
    shown = ", ".join(show(value, 30) for value in values)
    return f"({shown})" if shown else ""


# ---- folding rounds


def _folded(rounds: list[tuple[Entry, ...]]) -> tuple[Entry, ...]:
    """Put neighbouring rounds together that are equal, else those that differ in their sizes only."""
    rows: list[Entry] = []
    at = 0
    while at < len(rounds):
        exact = _run(rounds, at, _same)
        alike = _run(rounds, at, _alike)
        # A first round that differs (stride 2, projection) stays visible; only long runs of growing sizes fold.
        end = alike if alike - at >= 3 and alike > exact else exact
        rows.extend(_fold(rounds[at:end], varying=end != exact) if end - at > 1 else rounds[at])
        at = end
    return tuple(rows)


def _run(
    rounds: list[tuple[Entry, ...]], at: int, equal: Callable[[tuple[Entry, ...], tuple[Entry, ...]], bool]
) -> int:
    end = at + 1
    while end < len(rounds) and equal(rounds[at], rounds[end]):
        end += 1
    return end


def _same(a: tuple[Entry, ...], b: tuple[Entry, ...]) -> bool:
    """Whether two rounds are equal but for the names of their outermost rows."""
    return [_unnamed(row) for row in a] == [_unnamed(row) for row in b]


def _unnamed(row: Entry) -> Entry:
    """A row without what is its own in every round: its name, and which values it and its children leave."""
    children = tuple(_unnamed(child)._replace(name=child.name) for child in row.children)
    return row._replace(name="", value=None, children=children)


def _alike(a: tuple[Entry, ...], b: tuple[Entry, ...]) -> bool:
    """Whether two rounds are of the same ops and blocks, whatever their sizes; labelled groups stay apart."""
    return all(row.what for row in a) and [_skeleton(row, True) for row in a] == [_skeleton(row, True) for row in b]


def _skeleton(row: Entry, outermost: bool = False) -> object:
    what = row.what.partition("(")[0]
    return ("" if outermost else row.name, what, row.rounds, tuple(_skeleton(child) for child in row.children))


def _fold(rounds: list[tuple[Entry, ...]], *, varying: bool) -> list[Entry]:
    count = len(rounds)
    if len(rounds[0]) == 1 or all(not row.name for row in rounds[0][1:]):
        folded = []
        for column in zip(*rounds, strict=True):
            row = _ranges(column) if varying else column[0]._replace(name=_names(column), value=column[-1].value)
            cost = total(tuple(each.cost for each in column))
            folded.append(row._replace(cost=cost, least=None, rounds=count, varying=varying))
        return folded
    rows = [row for part in rounds for row in part]
    cost = total(tuple(row.cost for row in rows))
    children = tuple(_ranges(column) for column in zip(*rounds, strict=True)) if varying else rounds[0]
    sizes = span([part[-1].sizes for part in rounds])
    return [Entry(_names([row for row in rows if row.name]), "", sizes, cost, children, count, varying, rows[-1].value)]


def _ranges(column: Sequence[Entry]) -> Entry:
    """One row for the same row of several rounds."""
    first, last = column[0], column[-1]
    children = tuple(_ranges(inner) for inner in zip(*(row.children for row in column), strict=True))
    what, sizes = span([row.what for row in column]), span([row.sizes for row in column])
    least, most = _bounds([row.least or row.cost for row in column], min), _bounds([row.cost for row in column], max)
    row = first._replace(name=_names(column), what=what, sizes=sizes, children=children, value=last.value)
    return row._replace(cost=most, least=None if least == most else least)


def _bounds(parts: Sequence[Cost], choose: Callable[[Iterable[int]], int]) -> Cost:
    macs: Size = total(tuple(parts)).macs
    if all(isinstance(part.macs, int) for part in parts):
        macs = choose(int(str(part.macs)) for part in parts)
    return parts[0]._replace(params=choose(part.params for part in parts), macs=macs)


def _names(rows: Sequence[Entry]) -> str:
    """The names of the first and the last of several rows, without what they share.

    >>> row = Entry("layer1", "", "", Cost(0, 0, 0))
    >>> _names([row, row._replace(name="layer12")]), _names([row, row._replace(name="head")])
    ('layer1-12', 'layer1-head')
    """
    if not rows or rows[0].name == rows[-1].name:
        return rows[0].name if rows else ""
    first, last = rows[0].name, rows[-1].name
    stem = first.rstrip("0123456789")
    number = last.removeprefix(stem)
    return f"{first}-{number if stem and number.isdigit() else last}"


def span(texts: Sequence[str]) -> str:
    """Return one text for several that differ in their numbers: ranges in the place of those.

    >>> span(["64x56x56", "96x56x56", "224x56x56"]), span(["conv(8, 3)", "conv(8, 5)"]), span(["relu", "gelu"])
    ('64..224x56x56', 'conv(8, 3..5)', 'relu .. gelu')
    """
    if len(set(texts)) == 1:
        return texts[0]
    columns = [set(column) for column in zip(*map(NUMBER.split, texts), strict=False)]
    if len({len(NUMBER.split(text)) for text in texts}) > 1 or any(len(words) > 1 for words in columns[::2]):
        return f"{texts[0]} .. {texts[-1]}"
    parts = []
    for first, words, last in zip(NUMBER.split(texts[0]), columns, NUMBER.split(texts[-1]), strict=True):
        if len(words) == 1:
            parts.append(first)
            continue
        low, *_, high = sorted(map(int, words))
        parts.append(f"{high}..{low}" if int(first) > int(last) else f"{low}..{high}")
    return "".join(parts)


# ---- closing to a page


def page(rows: tuple[Entry, ...]) -> tuple[tuple[Entry, ...], list[str]]:
    """Return the rows of a long table with its blocks of several sizes closed, and the names of these blocks.

    A label that holds a single row stands on it. A table of no more than `PAGE` rows stays as it is.
    """
    if sum(1 for _ in _shown(rows)) <= PAGE:
        return rows, []
    closed: dict[str, None] = {}
    return _short(rows, _of_several_sizes(rows), closed), list(closed)


def _short(rows: Iterable[Entry], several: set[int], closed: dict[str, None]) -> tuple[Entry, ...]:
    found: list[Entry] = []
    for row in rows:
        shut = bool(row.children) and (row.varying or id(row.block) in several)
        if shut:
            closed[row.what.partition("(")[0] or row.name] = None
        children = () if shut else _short(row.children, several, closed)
        if found and _goes_on(found[-1], row):
            before = found.pop()
            cost = total((before.cost, row.cost))
            found.append(row._replace(name=before.name, what=f"{before.what} -> {row.what}", cost=cost))
        elif len(children) == 1 and not row.what:
            name = f"{row.name}.{children[0].name}".rstrip(".")
            found.append(children[0]._replace(name=name, value=row.value))
        else:
            found.append(row._replace(children=children))
    return tuple(found)


def _goes_on(before: Entry, row: Entry) -> bool:
    """Whether a row is the rest of the rounds that the row before it stands for."""
    return before.varying and row.varying and before.rounds == row.rounds and not row.name and not row.children


def _shown(rows: Iterable[Entry]) -> Iterator[Entry]:
    waiting = list(rows)
    while waiting:
        row = waiting.pop()
        yield row
        waiting.extend(row.children)


def _of_several_sizes(rows: Iterable[Entry]) -> set[int]:
    """The blocks that stand for several sizes beside each other; one that uses itself stays open."""
    seen: dict[int, tuple[object, ...]] = {}
    several: set[int] = set()
    for row in _shown(rows):
        if row.block is None or any(inner.block is row.block for inner in _shown(row.children)):
            continue
        use = (row.what, row.sizes, _unnamed(row).children)
        if seen.setdefault(id(row.block), use) != use:
            several.add(id(row.block))
    return several
