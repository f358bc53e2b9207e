"""W0206: dilated convolutions that together never see some of the places they span ("gridding").

What: a stack of convolutions, one of them dilated, after which a place of the result depends on a set of places of the
stack's input that has holes: those are named, as offsets from the place itself.

Why: dilation is meant to widen the view and keep every pixel in it. With holes, neighbouring places of the result are
made of different pixels, and details fall between them. The rule of hybrid dilated convolution (Wang et al., 2018: for
rates r_1..r_n, M_n = r_n and M_i = max(M_{i+1} - 2 r_i, 2 r_i - M_{i+1}, r_i), M_2 must be at most the kernel, and no
number above 1 may divide all rates) is a hint: it passes the rates 9, 2, 1 for a kernel of 3, which miss places, and
fails 1, 3, 1, which miss none. So the places are counted, exactly; the rule is quoted where it says the same.

A stack is a run of operators at one resolution in one use of a block or architecture, what its blocks do included:
windows of stride 1, elementwise operators and merges of their results, from the first value that is made in another way
(an input of the block, a stride, an upsampling) to the last before another such. Parallel branches count together: a
place is seen if one of them sees it, and all are seen where one branch pools the whole map. A stack has at least two
layers with a window; a dilated convolution alone always has holes, and is meant to. What is too large to count is not
warned of.

>>> from archc.compiler.lints.example import warnings
>>> stack = "arch A {{ input x: [8, 99, 99]; {} }}"
>>> rates = lambda *found: " -> ".join(f"conv(8, 3, padding={r}, dilation={r})" for r in found)
>>> warnings(stack.format(rates(2, 2)))  # doctest: +NORMALIZE_WHITESPACE
['W0206 dilation=2: these 2 layers never see 56 of the 9x9 places that they span:
 in its own row a place sees -4, -2, 0, 2, 4 and misses -3, -1, 1, 3']
>>> warnings(stack.format(rates(1, 2, 5))), warnings(stack.format(rates(1, 3, 1)))
([], [])
"""

from itertools import product
from math import gcd, prod
from typing import NamedTuple

from archc.compiler.analysis.cost import call_of
from archc.compiler.ir import Node, Region, ShapedGraph
from archc.compiler.ops.field import Along, Field
from archc.dsl.diagnostics import Diagnostic, Label

BITS = 2**21  # places of the largest grid that is counted
MEMORY = 2**28  # bits of all values of a stack together
SHOWN = 12  # offsets in a message

Offsets = tuple[int, ...]


class Places(NamedTuple):
    """A set of places, as offsets from the one that sees them: a bit for each place of the grid, and their bounds."""

    bits: int
    low: Offsets
    high: Offsets

    def __or__(self, other: "Places") -> "Places":
        low = tuple(map(min, self.low, other.low))
        return Places(self.bits | other.bits, low, tuple(map(max, self.high, other.high)))

    @property
    def span(self) -> Offsets:
        """How many places lie from the first to the last, along each axis."""
        return tuple(high - low + 1 for low, high in zip(self.low, self.high, strict=True))

    @property
    def missed(self) -> int:
        """How many places of the box around the set are not in it."""
        return prod(self.span) - self.bits.bit_count()


class Stack(NamedTuple):
    """A run of layers at one resolution: its windows in order, and the places that its last value sees.

    `grid` has for each axis the offset of the first bit and the number of bits. `rates` and `kernel` are those of a
    chain of equal square kernels, else there are none.
    """

    layers: tuple[Node, ...]
    places: Places
    grid: tuple[tuple[int, int], ...]
    rates: tuple[int, ...]
    kernel: int

    def sees(self, offsets: Offsets) -> bool:
        """Say whether the place at these offsets is seen."""
        return bool(self.places.bits >> _bit(self.grid, offsets) & 1)


def find(shaped: ShapedGraph) -> list[Diagnostic]:
    """Return a warning for each stack with holes, innermost blocks first, each layer in one warning at most."""
    found: list[Diagnostic] = []
    told: set[int] = set()
    for region in reversed(list(shaped.graph.root.walk())):
        if region.kind in ("arch", "block", "inline"):
            for stack in stacks(shaped, region):
                layers = {id(node) for node in stack.layers}
                if stack.places.missed and layers.isdisjoint(told):
                    told |= layers
                    found.append(_warning(stack))
    return found


def stacks(shaped: ShapedGraph, region: Region) -> list[Stack]:
    """Return the stacks of a block or architecture that have a dilated window and another one."""
    nodes = shaped.graph.nodes[region.start : region.end]
    if not any(_dilated(node) for node in nodes):
        return []
    runs = _Runs(shaped)
    for node in nodes:
        runs.add(node)
    return [stack for origin in runs.steps for stack in runs.counted(origin)]


def hybrid(rates: tuple[int, ...]) -> int:
    """Return M_2 of the rule of hybrid dilated convolution, which must not be larger than the kernel.

    >>> hybrid((1, 2, 5)), hybrid((1, 2, 9)), hybrid((9, 2, 1)), hybrid((1, 3, 1))
    (2, 5, 3, 5)
    """
    most = rates[-1]
    for rate in reversed(rates[1:-1]):
        most = max(most - 2 * rate, 2 * rate - most, rate)
    return most


def _dilated(node: Node) -> bool:
    value = node.arguments.get("dilation", 1)
    return any(n > 1 for n in value) if isinstance(value, list | tuple) else value != 1


def _bit(grid: tuple[tuple[int, int], ...], offsets: Offsets) -> int:
    at = 0
    for (low, size), offset in zip(grid, offsets, strict=True):
        at = at * size + offset - low
    return at


class _Read(NamedTuple):
    """A value that a node reads, and its windows along the spatial axes; none where it reads all places."""

    value: int
    windows: tuple[Along, ...]


class _Step(NamedTuple):
    """A node that continues a run."""

    node: Node
    reads: tuple[_Read, ...]

    @property
    def wide(self) -> bool:
        return any(along.kernel > 1 for read in self.reads for along in read.windows)


class _Runs:
    """The runs of a region, node by node: which values belong to one, and which are read on."""

    __slots__ = ("_continued", "_everything", "_origins", "_shaped", "steps")

    def __init__(self, shaped: ShapedGraph) -> None:
        self._shaped = shaped
        self._origins: dict[int, int] = {}  # the first value of the run of each value, its own where it begins one
        self._everything: set[int] = set()  # values whose places each depend on all places of the first
        self._continued: set[int] = set()
        self.steps: dict[int, list[_Step]] = {}

    def add(self, node: Node) -> None:
        """Take the next node: it continues a run, or its results begin new ones."""
        reads = self._reads(node)
        origins = {self._origins.get(read.value, read.value) for read in reads} if reads is not None else set()
        if reads is None or len(origins) != 1:
            self._origins.update((value, value) for value in node.outputs)
            return
        (origin,) = origins
        (result,) = node.outputs
        self._origins[result] = origin
        self.steps.setdefault(origin, []).append(_Step(node, reads))
        if any(not read.windows for read in reads):
            self._everything.add(result)
        self._continued.update(read.value for read in reads if read.windows)

    def _reads(self, node: Node) -> tuple[_Read, ...] | None:
        """What a node reads of each value with places; `None` where it does not continue a run."""
        if len(node.outputs) != 1:
            return None
        call = call_of(node, self._shaped)
        found = []
        for source, value in enumerate(node.inputs):
            x = call.inputs[source]
            if not x.batched:
                continue  # weights and numbers of the network's own
            if value in self._everything:
                windows: tuple[Along, ...] | None = ()
            else:
                windows = _windows(node.op.field(call, source, 0), len(x.shape))
            if windows is None:
                return None
            found.append(_Read(value, windows))
        return tuple(found)

    def counted(self, origin: int) -> list[Stack]:
        """Return the stacks of a run: for each of its last values the layers before it and the places it sees."""
        steps = self.steps[origin]
        wide = [step for step in steps if step.wide]
        if len(wide) < 2 or not any(_dilated(step.node) for step in wide):
            return []
        axes = len(self._shaped.types[origin].shape) - 1
        grid = _grid(steps, axes)
        bits = prod(size for _, size in grid)
        if bits > BITS or bits * len(steps) > MEMORY:
            return []
        zero = (0,) * axes
        seen: dict[int, Places] = {origin: Places(1 << _bit(grid, zero), zero, zero)}
        behind: dict[int, tuple[int, bool]] = {origin: (0, True)}  # the steps before a value, as bits; whether a chain
        for number, step in enumerate(steps):
            (result,) = step.node.outputs
            before = [behind[read.value] for read in step.reads]
            mask = 1 << number
            for mine, _ in before:
                mask |= mine
            behind[result] = (mask, len(before) == 1 and before[0][1])
            if result not in self._everything:
                parts = [_widened(seen[read.value], read.windows, grid) for read in step.reads]
                seen[result] = parts[0]
                for part in parts[1:]:
                    seen[result] |= part
        found = []
        for value, places in seen.items():
            if value not in self._continued:
                mask, chain = behind[value]
                layers = [step for number, step in enumerate(steps) if step.wide and mask >> number & 1]
                if len(layers) > 1 and any(_dilated(step.node) for step in layers):
                    rates, kernel = _rates(layers) if chain else ((), 0)
                    found.append(Stack(tuple(step.node for step in layers), places, grid, rates, kernel))
        return found


def _windows(field: Field, axes: int) -> tuple[Along, ...] | None:
    """The windows along the spatial axes where they stay as they are; none where places are read as a whole."""
    found = []
    for place in range(1, axes):
        if place in field.lost:
            return None
        along = field.axes[place] if place < len(field.axes) else None
        if along is None or place in field.picked:
            if any(other is not None and place in other.sources for other in field.axes):
                return None
            return ()
        if along.sources != (place,) or along.stride != 1 or along.up != 1:
            return None
        found.append(along)
    return tuple(found) or None


def _grid(steps: list[_Step], axes: int) -> tuple[tuple[int, int], ...]:
    """The offsets that the run can reach along each axis."""
    grid = []
    for axis in range(axes):
        low = high = 0
        for step in steps:
            ends = [0]
            for read in step.reads:
                if read.windows:
                    along = read.windows[axis]
                    ends += [-along.padding, (along.kernel - 1) * along.dilation - along.padding]
            low, high = low + min(ends), high + max(ends)
        grid.append((low, high - low + 1))
    return tuple(grid)


def _widened(seen: Places, windows: tuple[Along, ...], grid: tuple[tuple[int, int], ...]) -> Places:
    """The places that are seen through the windows of a layer."""
    bits, low, high = seen.bits, list(seen.low), list(seen.high)
    for axis, along in enumerate(windows):
        apart = prod(size for _, size in grid[axis + 1 :])
        moved = 0
        for j in range(along.kernel):
            shift = (j * along.dilation - along.padding) * apart
            moved |= bits << shift if shift >= 0 else bits >> -shift
        bits = moved
        low[axis] -= along.padding
        high[axis] += (along.kernel - 1) * along.dilation - along.padding
    return Places(bits, tuple(low), tuple(high))


def _rates(layers: list[_Step]) -> tuple[tuple[int, ...], int]:
    """The rates of a chain and its kernel, where all kernels are equal and square."""
    kinds = [{(along.kernel, along.dilation) for read in step.reads for along in read.windows} for step in layers]
    kernels = {kernel for kind in kinds for kernel, _ in kind}
    if len(kernels) > 1 or any(len(kind) > 1 for kind in kinds):
        return (), 0
    return tuple(rate for kind in kinds for _, rate in kind), kernels.pop()


def _warning(stack: Stack) -> Diagnostic:
    places = stack.places
    dilated = [node for node in stack.layers if _dilated(node)]
    last = dilated[-1]
    spans = dict.fromkeys(node.span for node in stack.layers if node.span != last.span)
    return Diagnostic(
        "W0206",
        f"these {len(stack.layers)} layers never see {places.missed:,} of the {'x'.join(map(str, places.span))} places "
        f"that they span: {_row(stack)}",
        Label(last.argument_spans.get("dilation", last.span), _rule(stack)),
        tuple(Label(span, "a layer of the same stack") for span in spans),
        last.frame.trace(),
        "rates that begin with 1 and grow by no more than the kernel leave no holes, such as 1, 2, 5 for a kernel of 3",
    )


def _row(stack: Stack) -> str:
    """A row with holes, as offsets: the one of the place itself, or the nearest to it."""
    places = stack.places
    ranges = [sorted(range(a, b + 1), key=abs) for a, b in zip(places.low, places.high, strict=True)]
    for others in product(*ranges[:-1]):
        row = range(places.low[-1], places.high[-1] + 1)
        missed = [at for at in row if not stack.sees((*others, at))]
        if missed:
            break
    seen = [at for at in row if at not in missed]
    if not others:
        where = "a place sees"
    elif not any(others):
        where = "in its own row a place sees"
    else:
        where = f"in the row at {', '.join(f'{at:+}' for at in others)} a place sees"
    return f"{where} {_listed(seen)} and misses {_listed(missed)}"


def _listed(offsets: list[int]) -> str:
    if not offsets:
        return "nothing"
    shown = sorted(sorted(offsets, key=abs)[:SHOWN])
    more = len(offsets) - len(shown)
    return ", ".join(map(str, shown)) + (f" and {more} more" if more else "")


def _rule(stack: Stack) -> str:
    """What the rule of hybrid dilated convolution says, where it says the same."""
    if not stack.rates:
        return "the last dilated layer of them"
    rates = f"rates {', '.join(map(str, stack.rates))}"
    divisor, most = gcd(*stack.rates), hybrid(stack.rates)
    if divisor > 1:
        return f"{rates}: their common divisor is {divisor}"
    if most > stack.kernel:
        return f"{rates}: M_2 is {most}, more than the kernel, {stack.kernel}"
    return rates
