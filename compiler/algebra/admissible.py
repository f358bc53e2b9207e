"""Sets of integers of at least 1 that conditions on a size leave: segments, each periodic in itself.

A set is a tuple of segments in ascending order, none of them empty; only the last one may go on for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import lcm
from typing import NamedTuple, TypeAlias

from archc.compiler.algebra.sizes import NotExact, Symbolic, evaluate, terms
from archc.compiler.algebra.staircases import PERIOD_LIMIT, Staircase, primes


class Segment(NamedTuple):
    """The integers n from `first` to `last` (None: no end), both members, with bit n % period set in `residues`."""

    first: int
    last: int | None
    period: int
    residues: int

    def holds(self, n: int) -> bool:
        """Whether n is a member."""
        return self.first <= n and (self.last is None or n <= self.last) and bool(self.residues >> n % self.period & 1)

    def members(self, start: int, stop: int) -> Iterator[int]:
        """The members from start up to but not including stop."""
        n = max(start, self.first)
        stop = stop if self.last is None else min(stop, self.last + 1)
        if self.period == 1:
            yield from range(n, stop)
            return
        around = rotate(self.residues, self.period, n % self.period)
        offsets = [i for i in range(min(self.period, stop - n)) if around >> i & 1]
        for base in range(n, stop, self.period):
            for offset in offsets:
                if base + offset >= stop:
                    return
                yield base + offset

    def amount(self) -> int | None:
        """The number of members, None where there is no end."""
        if self.last is None:
            return None
        rounds, rest = divmod(self.last + 1 - self.first, self.period)
        around = rotate(self.residues, self.period, self.first % self.period)
        return rounds * around.bit_count() + (around & ((1 << rest) - 1)).bit_count()


Admissible: TypeAlias = tuple[Segment, ...]
Bounds: TypeAlias = tuple["int | None", "int | None"]

EVERYTHING: Admissible = (Segment(1, None, 1, 1),)


def rotate(residues: int, period: int, by: int) -> int:
    """The bits of a period seen from residue `by`, which becomes bit 0."""
    return (residues >> by | residues << period - by) & ((1 << period) - 1)


def repeat(residues: int, period: int, longer: int) -> int:
    """The bits of a period written out for a multiple of it."""
    return residues * (((1 << longer) - 1) // ((1 << period) - 1))


def segment(first: int, last: int | None, period: int, residues: int) -> Admissible:
    """The set of one segment, trimmed to members and to its smallest period; empty where there is none.

    >>> segment(3, None, 4, 0b0101)
    (Segment(first=4, last=None, period=2, residues=1),)
    """
    first = max(first, 1)
    if residues == 0 or (last is not None and last < first):
        return ()
    ahead = rotate(residues, period, first % period)
    first += (ahead & -ahead).bit_length() - 1
    if last is not None:
        last -= period - rotate(residues, period, (last + 1) % period).bit_length()
        if last < first:
            return ()
        if last == first:
            return (Segment(first, last, 1, 1),)
    for prime in primes(period):
        while period % prime == 0:
            shorter = residues & ((1 << period // prime) - 1)
            if repeat(shorter, period // prime, period) != residues:
                break
            period, residues = period // prime, shorter
    return (Segment(first, last, period, residues),)


def intersect(a: Admissible, b: Admissible) -> Admissible:
    """The integers in both sets; a common period beyond the limit is `NotExact`."""
    if a == EVERYTHING or b == EVERYTHING:
        return b if a == EVERYTHING else a
    found: list[Segment] = []
    for one in a:
        for two in b:
            first = max(one.first, two.first)
            last = one.last if two.last is None else two.last if one.last is None else min(one.last, two.last)
            if last is not None and last < first:
                continue
            period = lcm(one.period, two.period)
            if period > PERIOD_LIMIT:
                raise NotExact(
                    f"conditions that together repeat only after {period}, beyond the limit of {PERIOD_LIMIT}"
                )
            both = repeat(one.residues, one.period, period) & repeat(two.residues, two.period, period)
            found += segment(first, last, period, both)
    return tuple(found)


def at_least_zero(size: Symbolic) -> Admissible:
    """The inputs for which a size of one symbol is not negative."""
    (name,) = {f.symbol for _, factors in terms(size) for f in factors}
    direction = _direction(size)
    if direction and not size.products:
        (f,) = size.linear
        if direction > 0:
            return segment(f.reach(-size.constant), None, 1, 1)
        rising = f._replace(totals=tuple(-total for total in f.totals))
        return segment(1, rising.reach(size.constant + 1) - 1, 1, 1)
    if direction:
        return _threshold(size, name, direction)
    if size.products:
        return _settled(size, name)
    return _windowed(size.linear[0], size.constant)


def zero(size: Symbolic) -> Admissible:
    """The inputs for which a size of one symbol is zero."""
    negative = -size
    assert isinstance(negative, Symbolic)
    return intersect(at_least_zero(size), at_least_zero(negative))


def _direction(size: Symbolic) -> int:
    """1 where the size certainly never falls with its symbol, -1 where it never rises, 0 where neither is certain."""
    found = {(k > 0) - (k < 0) if all(f.direction() > 0 for f in factors) else 0 for k, factors in size.products}
    found |= {f.direction() for f in size.linear}
    return found.pop() if len(found) == 1 else 0


def _threshold(size: Symbolic, name: str, direction: int) -> Admissible:
    """Where a size that only grows, or only falls, is not negative: bisection, since it has no bound."""

    def good(n: int) -> bool:
        return evaluate(size, {name: n}) >= 0

    if good(1) == (direction > 0):
        return EVERYTHING if direction > 0 else ()
    beyond = 2
    while good(beyond) != (direction > 0):
        beyond *= 2
    low, high = beyond // 2, beyond  # the answer changes after low and at or before high
    while high - low > 1:
        middle = (low + high) // 2
        if good(middle) == (direction > 0):
            high = middle
        else:
            low = middle
    return segment(high, None, 1, 1) if direction > 0 else segment(1, low, 1, 1)


def _settled(size: Symbolic, name: str) -> Admissible:
    """Where a size with products is not negative: in each residue class it is a polynomial, whose sign settles."""
    period = lcm(*(f.period for _, factors in terms(size) for f in factors))
    degree = max(len(factors) for _, factors in terms(size))
    start, bits = 1, 0  # the rounds until every class is settled; the classes that are not negative from then on
    for residue in range(period):
        turn = 0
        while True:
            sign = _sign([evaluate(size, {name: residue + (turn + i) * period}) for i in range(degree + 1)])
            if sign is not None:
                break
            turn = 2 * turn + 1
            if turn * period > PERIOD_LIMIT:
                raise NotExact(f"a condition on {name} that is irregular from 1 to {turn * period}")
        start = max(start, turn)
        bits |= sign << residue
    inside = sum(1 << n for n in range(1, start * period) if evaluate(size, {name: n}) >= 0)
    return segment(1, start * period - 1, start * period, inside) + segment(start * period, None, period, bits)


def _sign(values: list[int]) -> bool | None:
    """Whether a polynomial with these values at 0, 1, ... is never negative from 0 on (True), or always (False)."""
    differences = []
    while values:  # when the first ones of all orders have one sign, so has the polynomial from here on
        differences.append(values[0])
        values = [after - before for before, after in pairwise(values)]
    if min(differences) >= 0:
        return True
    return False if differences[0] < 0 and max(differences) <= 0 else None


def _windowed(f: Staircase, constant: int) -> Admissible:
    """Where constant + f(n) >= 0: nowhere, then in a window n by n, then everywhere; or the reverse."""
    slope, period = f.slope, f.period
    if slope == 0:
        return segment(1, None, period, _bits(f, constant, 0, period))
    lowest, highest = constant + min(f.totals), constant + max(f.totals)
    if slope > 0:  # from round `some` on some n of the round may do, from round `every` on each does
        some, every = -(highest // slope), -(lowest // slope)
    else:
        every, some = lowest // -slope + 1, highest // -slope + 1
    start, stop = sorted((some * period, every * period))
    start, stop = max(start, 0), max(stop, 0)
    if stop - start > PERIOD_LIMIT:
        raise NotExact(f"a condition on {f.symbol} that is irregular from {start} to {stop}")
    inside: Admissible = ()
    if stop > start:
        bits = _bits(f, constant, start, stop - start)
        inside = segment(start, stop - 1, stop - start, rotate(bits, stop - start, -start % (stop - start)))
    if slope > 0:
        return inside + segment(stop, None, 1, 1)
    return (segment(1, start - 1, 1, 1) if start > 1 else ()) + inside


def _bits(f: Staircase, constant: int, start: int, length: int) -> int:
    """Bit i is set where constant + f(start + i) >= 0; start and length are whole periods."""
    bits = 0
    for base in range(0, length, f.period):
        value = constant + f.at(start + base)
        edges = (-1, *f.places, f.period - 1)
        for (before, after), total in zip(pairwise(edges), f.totals, strict=True):
            if value + total >= 0:
                bits |= ((1 << after - before) - 1) << base + before + 1
    return bits


def extremes(f: Staircase, admissible: Admissible) -> Bounds:
    """The smallest and the largest value on a set that is not empty; None where there is none or it takes too long."""
    first, last = admissible[0].first, admissible[-1].last
    direction = f.direction()
    if direction:
        end = None if last is None else f.at(last)
        return (f.at(first), end) if direction > 0 else (end, f.at(first))
    lows: list[int] = []
    highs: list[int] = []
    for one in admissible:
        period = lcm(f.period, one.period)
        if period > PERIOD_LIMIT:
            return None, None
        values = [f.at(n) for n in one.members(one.first, one.first + period)]
        if one.last is not None:
            values += [f.at(n) for n in one.members(max(one.first, one.last - period), one.last + 1)]
        lows.append(min(values))
        highs.append(max(values))
    return None if last is None and f.slope < 0 else min(lows), None if last is None and f.slope > 0 else max(highs)


def plus(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a sum."""
    low = None if a[0] is None or b[0] is None else a[0] + b[0]
    return low, None if a[1] is None or b[1] is None else a[1] + b[1]


def times(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a product; no end on a side is infinity there, and 0 * infinity is 0."""
    infinity = float("inf")
    ends = [(-infinity if low is None else low, infinity if high is None else high) for low, high in (a, b)]
    corners = [0 if 0 in (x, y) else x * y for x in ends[0] for y in ends[1]]
    low, high = min(corners), max(corners)
    return None if low == -infinity else int(low), None if high == infinity else int(high)


def narrower(a: Bounds, b: Bounds) -> Bounds:
    """What two bounds of the same thing say together."""
    lows = [low for low, _ in (a, b) if low is not None]
    highs = [high for _, high in (a, b) if high is not None]
    return max(lows, default=None), min(highs, default=None)
