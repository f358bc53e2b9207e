"""One size as a function of others, which is how a module computes it when it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import lcm

from archc.compiler.algebra.sizes import Size, Symbolic, terms
from archc.compiler.algebra.staircases import PERIOD_LIMIT, Staircase, staircase


def in_terms_of(size: Size, known: Mapping[str, Size]) -> Size | None:
    """The size over the names of sizes that are known, None where these do not tell it.

    >>> from archc.compiler.algebra.sizes import symbol
    >>> h = symbol("H")
    >>> print(in_terms_of(h // 4, {"a": 2 * h + 1}), in_terms_of(h, {"a": h // 2}))
    a // 8 None
    """
    if isinstance(size, int):
        return size
    total: Size = size.constant
    for k, factors in terms(size):
        product: Size = k
        for f in factors:
            found = min(_ways(f, known), key=lambda way: len(str(way)), default=None)
            if found is None:
                return None
            product = product * found
        total = total + product
    return total


def _ways(g: Staircase, known: Mapping[str, Size]) -> Iterator[Size]:
    for name, size in known.items():
        if not isinstance(size, Symbolic) or size.products or len(size.linear) != 1:
            continue
        (f,) = size.linear
        if f.symbol == g.symbol and f.direction() > 0 and lcm(f.period, g.period) <= PERIOD_LIMIT:
            for early in (True, False):
                yield from _carried(g, f, size.constant, name, early=early)


def _carried(g: Staircase, f: Staircase, constant: int, name: str, *, early: bool) -> Iterator[Size]:
    """The function of constant + f(n) that is g(n); where f leaves out numbers it steps at the first or at the last."""
    period = lcm(f.period, g.period)
    length = f.at(period)
    steps = []
    for start in range(0, period, g.period):
        for place, rise in zip(g.places, g.rises, strict=True):
            before, after = f.at(start + place), f.at(start + place + 1)
            if before == after:
                return
            steps.append(((before if early else after - 1) + constant, rise))
    found = staircase(name, length, sorted((place % length, rise) for place, rise in steps))
    if found is not None:
        yield Symbolic(0, (found,), ()) - found.at(constant)
