"""The receptive field: which places of an input of the network a place of each value depends on.

Exact for each axis: the span from the first to the last place read, the largest over all ways through the network and
all places of the value, away from the edges (so it may be larger than the input), with the step between the spans of
neighbouring places. Statistics of normalisations count as constants, padding as input.
"""

from math import gcd, lcm
from typing import TYPE_CHECKING, NamedTuple

from archc.compiler.analysis.cost import call_of
from archc.compiler.ir import ShapedGraph
from archc.compiler.ops.field import Along, Field, alike

if TYPE_CHECKING:
    from fractions import Fraction

WORK = 4096  # places looked at for one axis of one value; beyond it a field is not followed

Span = tuple[int, int]  # the first and the last place that is read


class Windows(NamedTuple):
    """What the places of an axis read: place `o` reads `spans[o % period]`, moved by `o // period * step`.

    A span is `None` for a place that reads nothing, such as the gaps of a transposed convolution.
    """

    step: int
    spans: tuple[Span | None, ...]

    def at(self, place: int) -> Span | None:
        """Return what one place reads.

        >>> Windows(2, ((-1, 1),)).at(3)
        (5, 7)
        """
        turns, rest = divmod(place, len(self.spans))
        span = self.spans[rest]
        return None if span is None else (span[0] + turns * self.step, span[1] + turns * self.step)

    @property
    def size(self) -> int:
        """How many places the largest span holds."""
        return max((span[1] - span[0] + 1 for span in self.spans if span is not None), default=0)

    @property
    def stride(self) -> "Fraction":
        """How far the spans of neighbouring places stand apart."""
        from fractions import Fraction  # it costs more than the rest of this file

        return Fraction(self.step, len(self.spans))


class Seen(NamedTuple):
    """What a place of a value sees along one axis of the input.

    kind     "nothing"; "all" that the value sees as a whole, as after a global pooling; "unknown"; or "some"
    place    the axis of the value whose places see different spans; `None` where all see the same
    size     the number of places from the first to the last that is seen
    windows  which; `None` where only their number is known
    """

    kind: str
    place: int | None = None
    size: int = 0
    windows: Windows | None = None

    def __str__(self) -> str:
        return str(self.size) if self.kind == "some" else self.kind


NOTHING, ALL, UNKNOWN = Seen("nothing"), Seen("all"), Seen("unknown")


def receptive(shaped: ShapedGraph, source: int = 0) -> tuple[tuple[Seen, ...], ...]:
    """Return what a place of each value sees of the input numbered `source`, along each axis after the first.

    >>> from archc.compiler.pipeline import check, choose
    >>> from archc.compiler.program import Program
    >>> from archc.dsl.source import Source
    >>> text = "arch A { input x: [3, 32, 32]; conv(8, 3, stride=2) -> max_pool(2) -> conv(8, 3, dilation=2) }"
    >>> shaped = check(choose(Program(Source("a.arch", text))), {}).shaped
    >>> [str(along[0]) for along in receptive(shaped)]
    ['1', '3', '5', '21']
    >>> str(receptive(shaped)[-1][0].windows.stride)
    '4'
    """
    graph = shaped.graph
    axes = max(len(shaped.types[source].shape) - 1, 0)
    values: list[tuple[Seen, ...]] = [(NOTHING,) * axes] * graph.values
    values[source] = tuple(Seen("some", place + 1, 1, Windows(1, ((0, 0),))) for place in range(axes))
    for node in graph.nodes:
        if (
            node.op.field is alike
            and len(node.inputs) == len(node.outputs) == 1
            and shaped.types[node.inputs[0]].shape == shaped.types[node.outputs[0]].shape
        ):
            values[node.outputs[0]] = values[node.inputs[0]]
            continue
        given = [values[value] for value in node.inputs]
        if all(seen == NOTHING for along in given for seen in along):
            continue
        call = call_of(node, shaped)
        for result, value in enumerate(node.outputs):
            found = (NOTHING,) * axes
            for number, along in enumerate(given):
                if any(seen != NOTHING for seen in along):
                    field = node.op.field(call, number, result)
                    shape = call.inputs[number].shape
                    sizes = tuple(size != 1 for size in shape)
                    new = tuple(through(field, seen, sizes) for seen in along)
                    found = tuple(union(a, b) for a, b in zip(found, new, strict=True))
            values[value] = found
    return tuple(values)


def through(field: Field, seen: Seen, several: tuple[bool, ...]) -> Seen:
    """Return what a place of an output sees, from what a place of the input sees.

    `several` says for each axis of the input whether it has more than one place.
    """
    if seen.kind in ("nothing", "all"):
        return seen
    if seen.kind == "unknown":
        kept = (place for along in field.axes if along is not None for place in along.sources)
        passed = {*kept, *field.picked, *field.lost}
        # Which axis it varies along is not known: all is seen only where all axes are read.
        return UNKNOWN if any(many for place, many in enumerate(several) if place in passed) else ALL
    if seen.place is None:
        return seen
    if seen.place in field.lost:
        return UNKNOWN
    for place, along in enumerate(field.axes):
        if along is not None and seen.place in along.sources:
            return _along(along, place, seen, sum(several[source] for source in along.sources) > 1)
    if seen.place in field.picked or not several[seen.place]:
        return Seen("some", None, seen.size)
    return ALL


def _along(along: Along, place: int, seen: Seen, joined: bool) -> Seen:
    moved = Along(along.sources) == along
    if joined or (seen.windows is None and moved):
        return Seen("some", place, seen.size)
    if moved:
        return seen._replace(place=place)
    if seen.windows is None:
        return UNKNOWN
    windows = _read(along, seen.windows)
    return UNKNOWN if windows is None else Seen("some", place, windows.size, windows)


def _read(along: Along, windows: Windows) -> Windows | None:
    """What the places of an output axis read, through the windows of the input axis; `None` beyond the limit."""
    period, up = len(windows.spans), along.up
    if period == up == 1 and windows.spans[0] is not None:  # without gaps or turns: the first and the last are enough
        low, high = windows.spans[0]
        first = -along.padding * windows.step
        last = first + (along.kernel - 1) * along.dilation * windows.step
        return Windows(windows.step * along.stride, ((low + first, high + last),))
    new = up * period // gcd(up * period, along.stride)
    if new * along.kernel > WORK:
        return None
    spans = tuple(_hull([windows.at(at) for at in along.reads(place)]) for place in range(new))
    return Windows(windows.step * (new * along.stride // (up * period)), spans)


def described(along: tuple[Seen, ...]) -> tuple[list[int | str | None], list[int | str | None]]:
    """Return receptive field and stride along each axis: "all" for the whole map, `None` where there is no number.

    >>> described((Seen("some", 1, 5, Windows(2, ((0, 4),))), ALL))
    ([5, 'all'], [2, None])
    """
    sizes: list[int | str | None] = [seen.size if seen.kind == "some" else None for seen in along]
    strides: list[int | str | None] = []
    for number, seen in enumerate(along):
        if seen.kind == "all":
            sizes[number] = "all"
        step, period = (0, 1) if seen.windows is None else (seen.windows.step, len(seen.windows.spans))
        divisor = gcd(step, period)
        whole = step // divisor if period == divisor else f"{step // divisor}/{period // divisor}"
        strides.append(whole if step else None)
    return sizes, strides


def _hull(spans: list[Span | None]) -> Span | None:
    known = [span for span in spans if span is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def union(a: Seen, b: Seen) -> Seen:
    """Return what is seen by one way or by another."""
    if a == b or b == NOTHING:
        return a
    if a == NOTHING:
        return b
    for kind in (ALL, UNKNOWN):
        if kind in (a, b):
            return kind
    if a.place != b.place:
        return UNKNOWN
    if a.windows is None or b.windows is None:
        return Seen("some", a.place, max(a.size, b.size))
    period = lcm(len(a.windows.spans), len(b.windows.spans))
    steps = a.windows.step * len(b.windows.spans), b.windows.step * len(a.windows.spans)
    if steps[0] != steps[1] or period > WORK:
        return UNKNOWN
    spans = tuple(_hull([a.windows.at(place), b.windows.at(place)]) for place in range(period))
    windows = Windows(a.windows.step * (period // len(a.windows.spans)), spans)
    return Seen("some", a.place, windows.size, windows)
