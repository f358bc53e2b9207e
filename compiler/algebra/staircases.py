"""Staircases: what a nest of floors of one input size is.

A floor of a floor of H, and sums of such, repeat themselves: f(n + P) = f(n) + S. A period and the places in it where
the function steps say all about it, in as many numbers as there are steps: `H // 1024` has one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import pairwise
from math import gcd, lcm
from typing import NamedTuple

PERIOD_LIMIT = 2**16  # the longest period
STEP_LIMIT = 2**12  # the most steps in one period: what bounds time and memory
VALUE_LIMIT = 2**63  # coefficients stay below: sizes are 64-bit integers in torch


class NotExact(Exception):
    """A size, or a question about sizes, that has no exact form here; the message says which, in plain words."""


class Staircase(NamedTuple):
    """f(n) of one symbol with f(0) = 0 and f(n + period) = f(n) + totals[-1].

    It steps from n to n + 1 at `places` (residues modulo the period, ascending); `totals` are its values before,
    between and after these steps. The period is the smallest, so equal functions are equal tuples.
    """

    symbol: str
    period: int
    places: tuple[int, ...]
    totals: tuple[int, ...]

    @property
    def slope(self) -> int:
        """How much the function grows in one period."""
        return self.totals[-1]

    @property
    def rises(self) -> tuple[int, ...]:
        """The height of each step, none of them zero."""
        return tuple(after - before for before, after in pairwise(self.totals))

    def at(self, n: int) -> int:
        """The value for any integer n."""
        rounds, residue = divmod(n, self.period)
        return rounds * self.totals[-1] + self.totals[bisect_left(self.places, residue)]

    def reach(self, value: int) -> int:
        """The smallest n with f(n) >= value, for a function that never falls.

        >>> Staircase("H", 2, (1,), (0, 1)).reach(5)
        10
        """
        rounds, rest = divmod(value - 1, self.totals[-1])
        return rounds * self.period + self.places[bisect_left(self.totals, rest + 1) - 1] + 1

    def direction(self) -> int:
        """1 where it never falls, -1 where it never rises, else 0."""
        rises = self.rises
        return 1 if min(rises) > 0 else -1 if max(rises) < 0 else 0


def staircase(name: str, period: int, steps: Iterable[tuple[int, int]]) -> Staircase | None:
    """A staircase of (place, rise) in ascending order, reduced to its smallest period; None for the zero function."""
    kept = [step for step in steps if step[1]]
    if len(kept) > STEP_LIMIT:
        raise NotExact(f"a size of {name} with {len(kept)} steps before it repeats, beyond the limit of {STEP_LIMIT}")
    for prime in primes(gcd(period, len(kept))):
        while period % prime == 0 and len(kept) % prime == 0:
            shift, count = period // prime, len(kept) // prime
            if any((a + shift, rise) != later for (a, rise), later in zip(kept, kept[count:], strict=False)):
                break
            period, kept = shift, kept[:count]
    totals = [0]
    for _, rise in kept:
        totals.append(totals[-1] + rise)
    if max(map(abs, totals)) >= VALUE_LIMIT:
        raise NotExact(f"a size of {name} that grows beyond 2**63")
    return Staircase(name, period, tuple(place for place, _ in kept), tuple(totals)) if kept else None


def primes(number: int) -> Iterator[int]:
    prime = 2
    while number > 1:
        if number % prime == 0:
            yield prime
            while number % prime == 0:
                number //= prime
        prime += 1


def add(parts: list[tuple[int, Staircase]]) -> Staircase | None:
    """The sum of multiples of staircases of one symbol."""
    name = parts[0][1].symbol
    period = lcm(*(f.period for _, f in parts))
    if period > PERIOD_LIMIT:
        raise NotExact(f"a size of {name} that repeats only after {period}, beyond the limit of {PERIOD_LIMIT}")
    if max(len(f.places) * (period // f.period) for _, f in parts) > STEP_LIMIT:
        raise NotExact(f"a size of {name} with too many steps before it repeats, beyond the limit of {STEP_LIMIT}")
    steps: dict[int, int] = {}
    for k, f in parts:
        for place, rise in zip(f.places, f.rises, strict=True):
            for start in range(place, period, f.period):
                steps[start] = steps.get(start, 0) + k * rise
    return staircase(name, period, sorted(steps.items()))


def divide(f: Staircase, constant: int, divisor: int) -> Staircase | None:
    """(constant + f(n)) // divisor, less its value at 0; it repeats once f has grown by a multiple of the divisor."""
    rounds = divisor // gcd(f.slope, divisor)
    if rounds * f.period > PERIOD_LIMIT or rounds * len(f.places) > PERIOD_LIMIT:
        raise NotExact(
            f"a size of {f.symbol} that repeats only after {rounds * f.period}, beyond the limit of {PERIOD_LIMIT}"
        )
    steps = []
    before = constant // divisor
    for turn in range(rounds):
        start = constant + turn * f.slope
        for place, total in zip(f.places, f.totals[1:], strict=True):
            after = (start + total) // divisor
            if after != before:
                steps.append((turn * f.period + place, after - before))
                before = after
    return staircase(f.symbol, rounds * f.period, steps)


def primitive(k: int, f: Staircase) -> tuple[int, Staircase]:
    """k * f as a number times a staircase whose steps have no common factor, the first one up."""
    content = gcd(*f.rises) * (1 if f.totals[1] > 0 else -1)
    return (k, f) if content == 1 else (k * content, f._replace(totals=tuple(total // content for total in f.totals)))


def floors(f: Staircase) -> list[tuple[int, int, int]]:
    """f as a short sum of k * ((n + a) // d), as (k, a, d); steps that recur within the period share a term.

    >>> floors(Staircase("H", 2, (0, 1), (0, 1, 3)))
    [(1, 0, 1), (1, 0, 2)]
    """
    left = dict(zip(f.places, f.rises, strict=True))
    found = []
    for d in (d for d in range(1, f.period) if f.period % d == 0 and f.period // d <= len(left)):
        classes: dict[int, list[int]] = {}
        for place, rise in left.items():
            classes.setdefault(place % d, []).append(rise)
        for residue, rises in classes.items():
            k = max(rises, key=lambda rise: (rises.count(rise), -abs(rise), rise))
            if 1 + f.period // d - rises.count(k) > len(rises):
                continue  # the steps themselves are fewer terms
            found.append((k, d - 1 - residue, d))
            for place in range(residue, f.period, d):
                left[place] = left.get(place, 0) - k
                if left[place] == 0:
                    del left[place]
    return found + [(rise, f.period - 1 - place, f.period) for place, rise in left.items()]
