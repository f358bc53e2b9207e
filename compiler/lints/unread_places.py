"""W0203, W0204: rows and columns that a stride steps over, or that rounding down leaves at the end.

What: places of a value that no window of a convolution or pooling reads, and that nothing else reads either.

- W0203: the windows leave gaps everywhere: the stride is larger than the kernel, or shares a divisor with its dilation.
- W0204: the last windows end before the value does, because a size was rounded down, and at least a tenth of the axis
  is lost: `max_pool(2)` on 5 rows reads four. Rows of padding do not count, and less than a tenth is usual: the stem of
  an AlexNet drops two of 224. Only where the size is a number: a symbolic one may be a multiple.

Why: what is not read is computed, or loaded, for nothing. The result does not depend on it.

A 1x1 projection with stride 2, as in every ResNet, is silent: the convolution beside it reads the places in between.

>>> from archc.compiler.lints.example import warnings
>>> warnings("arch A { input x: [3, 9, 9]; conv(8, 1, stride=2) }")
['W0203 stride=2: this `conv` never reads rows and columns 1, 3, 5, 7 of its input']
>>> warnings("arch A { input x: [3, 5, 5]; max_pool(2) }")
['W0204 max_pool(2): this `max_pool` never reads row and column 4 of its input: 5 is rounded down to 2 windows']
>>> warnings("arch A { input x: [3, 9, 9]; add { conv(8, 1, stride=2); conv(8, 3, stride=2, padding=1) } }")
[]
"""

from math import lcm
from typing import NamedTuple

from archc.compiler.algebra.sizes import Size
from archc.compiler.analysis.cost import call_of
from archc.compiler.ir import Node, ShapedGraph
from archc.compiler.lints.values import Reading, fields, makers, readings, results
from archc.compiler.ops.field import Along
from archc.dsl.diagnostics import Diagnostic, Label

WORK = 2**18  # places looked at for one axis
SHARE = 10  # one of so many places must be lost at the end


class Unread(NamedTuple):
    """Places of one axis that nothing reads: those listed, or where the size is symbolic, these in every `period`."""

    place: int
    listed: tuple[int, ...]
    period: int
    gaps: bool
    size: Size


def find(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return a warning for each convolution and pooling that leaves places unread."""
    made, read, kept = makers(shaped), readings(shaped), results(shaped)
    found = []
    for node in shaped.graph.nodes:
        if node.op.role not in ("convolution", "pooling") or "stride" not in node.arguments:
            continue
        field = node.op.field(call_of(node, shaped), 0, 0)
        windows = [along for along in field.axes if along is not None and along.stride > 1 and along.up == 1]
        if not windows:
            continue
        others = _others(node, shaped, made, read, kept)
        if others is None:
            continue
        unread = [
            lost for along in windows for lost in _unread(along, node, others, shaped) if lost.gaps or _matters(lost)
        ]
        for code, gaps in (("W0203", True), ("W0204", False)):
            chosen = [lost for lost in unread if lost.gaps is gaps]
            if chosen:
                found.append(_warning(code, node, chosen, shaped))
    return found


def _others(
    node: Node, shaped: ShapedGraph, made: dict[int, Node], read: dict[int, list[Reading]], kept: set[int]
) -> list[Reading] | None:
    """Who else reads the value, or what it is made of place by place; `None` if that is a result of the network."""
    others: list[Reading] = []
    value, reader = node.inputs[0], node
    while True:
        if value in kept:
            return None
        others += [reading for reading in read[value] if reading.node is not reader]
        reader = made.get(value, reader)
        if value not in made or len(reader.inputs) != 1 or len(reader.outputs) != 1:
            return others
        if any(along != Along((place,)) for place, along in enumerate(next(fields(Reading(reader, 0), shaped)).axes)):
            return others
        value = reader.inputs[0]


def _unread(along: Along, node: Node, others: list[Reading], shaped: ShapedGraph) -> list[Unread]:
    """The places of an axis that neither the windows nor the others read."""
    (place,) = along.sources
    size = shaped.types[node.inputs[0]].shape[place]
    ways = [(along, shaped.types[node.outputs[0]].shape[place])]
    for reading in others:
        for result, field in enumerate(fields(reading, shaped)):
            if place in field.picked:
                continue
            found = [(a, axis) for axis, a in enumerate(field.axes) if a is not None and place in a.sources]
            if place in field.lost or len(found) != 1 or len(found[0][0].sources) > 1 or found[0][0].up > 1:
                return []  # read as a whole, or in a way that is not followed
            way, axis = found[0]
            ways.append((way, shaped.types[reading.node.outputs[result]].shape[axis]))
    period = lcm(*(way.stride for way, _ in ways))
    if period * sum(way.kernel for way, _ in ways) > WORK:
        return []
    gaps = [rest for rest in range(period) if not any(_meets(way, rest) for way, _ in ways)]
    if not isinstance(size, int):
        return [Unread(place, tuple(gaps), period, True, size)] if gaps else []
    if size + sum(way.kernel * n for way, n in ways if isinstance(n, int)) > WORK:
        return []
    seen = {at for way, n in ways if isinstance(n, int) for o in range(n) for at in way.reads(o)}
    missed = tuple(at for at in range(size) if at not in seen)
    return [Unread(place, missed, 0, bool(gaps), size)] if missed else []


def _meets(way: Along, rest: int) -> bool:
    """Whether one of the windows, without an end, reads the places with this rest."""
    return any((rest + way.padding - j * way.dilation) % way.stride == 0 for j in range(min(way.kernel, way.stride)))


def _matters(lost: Unread) -> bool:
    return isinstance(lost.size, int) and len(lost.listed) * SHARE >= lost.size


def _warning(code: str, node: Node, unread: list[Unread], shaped: ShapedGraph) -> Diagnostic:
    axes = len(shaped.types[node.inputs[0]].shape)
    alike = all((lost.listed, lost.period) == (unread[0].listed, unread[0].period) for lost in unread)
    groups = [unread] if alike else [[lost] for lost in unread]
    where = "; ".join(_places(group, axes) for group in groups)
    message = f"this `{node.op.name}` never reads {where} of its input"
    if code == "W0203":
        place = node.argument_spans.get("stride", node.span)
        label = "steps over them"
        help = "a kernel at least as large as the stride reads all of them; or take fewer in the layer before"
    else:
        place = node.span
        sizes = " and ".join(dict.fromkeys(_rounded(lost, node, shaped) for lost in unread))
        message += f": {sizes}"
        label = "the last windows end before the input does"
        help = "another input size, `padding=1`" + (", or `ceil_mode=true`" if "ceil_mode" in node.arguments else "")
    return Diagnostic(code, message, Label(place, label), (), node.frame.trace(), help)


def _rounded(lost: Unread, node: Node, shaped: ShapedGraph) -> str:
    windows = shaped.types[node.outputs[0]].shape[lost.place]
    return f"{lost.size} is rounded down to {windows} window{'s' if windows != 1 else ''}"


def _places(group: list[Unread], axes: int) -> str:
    lost = group[0]
    several = len(lost.listed) > 1 or lost.period > 0
    names = " and ".join(_axis(found.place, axes) + ("s" if several else "") for found in group)
    if lost.period:
        return f"{names} {', '.join(map(str, lost.listed))} of every {lost.period}"
    shown = ", ".join(map(str, lost.listed[:8])) + (f" and {len(lost.listed) - 8} more" if len(lost.listed) > 8 else "")
    return f"{names} {shown}"


def _axis(place: int, axes: int) -> str:
    """What the places of an axis are called: rows and columns of a map, places of a sequence."""
    if axes == 2:
        return "place"
    return ("slice", "row", "column")[place - axes + 3]
