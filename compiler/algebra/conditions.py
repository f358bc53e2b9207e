"""What the inputs must meet, collected while shapes are inferred."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import gcd, lcm
from typing import Literal, TypeAlias

from archc.compiler.algebra.admissible import (
    EVERYTHING,
    Admissible,
    Bounds,
    Segment,
    at_least_zero,
    extremes,
    intersect,
    narrower,
    plus,
    repeat,
    times,
    zero,
)
from archc.compiler.algebra.condition import Condition, Relation
from archc.compiler.algebra.sizes import NotExact, Size, Symbolic, rename, split, symbols, terms, vanishes
from archc.compiler.algebra.staircases import PERIOD_LIMIT, Staircase

RelationSign: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]


class Conditions:
    """The conditions met so far; what cannot hold together with them is refused and leaves no trace.

    >>> from archc.compiler.algebra.sizes import symbol
    >>> h = symbol("H")
    >>> conditions = Conditions()
    >>> conditions.require_equal(h, 8 * (h // 8), cause="concat, line 7")
    True
    >>> conditions.require_at_least(h // 8, 2, cause="conv, line 9")
    True
    >>> print(*conditions.summary())
    H must be a multiple of 8, at least 16
    >>> conditions.decide("==", h % 4, 0), conditions.decide(">", h, 16)
    (True, None)
    >>> conditions.require_equal(h, 12, cause="add, line 11"), conditions.causes(h)
    (False, ('concat, line 7', 'conv, line 9'))
    """

    __slots__ = ("_causes", "_met", "_names", "_relations", "_sets")

    def __init__(self) -> None:
        self._sets: dict[str, Admissible] = {}
        self._causes: dict[str, tuple[object, ...]] = {}
        self._names: dict[str, str] = {}  # symbols that must equal another one
        self._relations: list[Relation] = []
        self._met: set[tuple[Size, int]] = set()  # (size, k): size % k == 0 holds, or size == 0 where k is 0: for good

    def require_equal(self, a: Size, b: Size, cause: object) -> bool:
        """Records a == b; False, and nothing recorded, where that can never hold."""
        difference = a - b
        if (difference, 0) in self._met:
            return True
        holds = self._require_zero(rename(difference, self._names), cause)
        if holds:
            self._met.add((difference, 0))
        return holds

    def require_at_least(self, a: Size, k: int, cause: object) -> bool:
        """Records a >= k; False, and nothing recorded, where that can never hold."""
        size = rename(a - k, self._names)
        if isinstance(size, int):
            return size >= 0
        names = symbols(size)
        if len(names) == 1:
            return self._restrict(min(names), at_least_zero(size), cause)
        settled = self._is_at_least(a, k)
        if settled is not None:
            return settled
        raise NotExact(f"{a} >= {k} ties {_listed(names)} together, which archc can only follow where they are equal")

    def require_multiple(self, a: Size, k: int, cause: object) -> bool:
        """Records a % k == 0, k a positive int; False, and nothing recorded, where that can never hold."""
        if (a, k) in self._met:
            return True
        holds = self._require_multiple(a, k, cause)
        if holds:
            self._met.add((a, k))
        return holds

    def decide(self, relation: RelationSign, a: Size, b: Size) -> bool | None:
        """Whether a relation holds for all inputs that meet the conditions (True), for none (False), or some (None)."""
        if relation in ("==", "!="):
            equal = self._is_zero(rename(a - b, self._names))
            return equal if equal is None or relation == "==" else not equal
        low, high = (a, b) if relation in ("<", "<=") else (b, a)
        return self._is_at_least(high, low + (1 if relation in ("<", ">") else 0))

    def causes(self, size: Size) -> tuple[object, ...]:
        """What bound the symbols of a size, in the order it was recorded."""
        names = {self._names.get(name, name) for name in symbols(size)}
        return tuple(cause for name in sorted(names) for cause in self._causes.get(name, ()))

    def relations(self) -> tuple[Relation, ...]:
        """The input sizes that must be equal to each other."""
        return tuple(self._relations)

    def summary(self) -> tuple[Condition, ...]:
        """One condition for each input size that may not be just anything, by name.

        Exact where the admissible sizes are one residue class within bounds; otherwise sufficient: of the classes that
        are admissible the multiples of the smallest number, else the class with the smallest modulus.
        """
        names = sorted({*self._sets, *self._names})
        owners = [(name, self._names.get(name, name)) for name in names]
        found = [
            condition(name, self._sets.get(owner, EVERYTHING), self._causes.get(owner, ())) for name, owner in owners
        ]
        return tuple(one for one in found if (one.multiple, one.minimum, one.maximum) != (1, 1, None))

    def _restrict(self, name: str, allowed: Admissible, cause: object) -> bool:
        before = self._sets.get(name, EVERYTHING)
        after = intersect(before, allowed)
        if after and after != before:
            self._sets[name] = after
            self._causes[name] = (*self._causes.get(name, ()), cause)
        return bool(after)

    def _require_multiple(self, a: Size, k: int, cause: object) -> bool:
        size = rename(a, self._names)
        if isinstance(size, int):
            return size % k == 0
        rest = size.constant
        for part in terms(size):
            residue = self._residue(part, k)
            if residue is None:
                break
            rest += residue
        else:
            return rest % k == 0
        try:
            return self._require_zero(size % k, cause)
        except NotExact:
            names = symbols(size)
            raise NotExact(
                f"whether {a} is a multiple of {k} depends on {_listed(names)} in a way archc cannot follow"
            ) from None

    def _require_zero(self, size: Size, cause: object) -> bool:
        if isinstance(size, int):
            return size == 0
        names = symbols(size)
        if len(names) == 1:
            return self._restrict(min(names), zero(size), cause)
        settled = self._is_zero(size)
        if settled is not None:
            return settled
        product = split(size)
        if product is not None:
            possible = [part for part in product[1] if self._is_zero(part) is not False]
            if len(possible) == 1:
                return self._require_zero(possible[0], cause)
        elif len(names) == 2 and not size.products and size.constant == 0:
            f, g = size.linear
            opposite = g._replace(symbol=f.symbol, totals=tuple(-total for total in g.totals))
            if f == opposite and self._strict(f, g.symbol):
                return self._unite(f.symbol, g.symbol, cause)
        raise NotExact(f"{size} == 0 ties {_listed(names)} together, which archc can only follow where they are equal")

    def _unite(self, name: str, other: str, cause: object) -> bool:
        """Makes `other` another name for `name`."""
        both = intersect(self._sets.get(name, EVERYTHING), self._sets.get(other, EVERYTHING))
        if not both:
            return False
        self._relations.append(Relation(name, other, (cause,)))
        self._names = {known: name if owner == other else owner for known, owner in self._names.items()} | {other: name}
        self._causes[name] = (*self._causes.get(name, ()), *self._causes.pop(other, ()), cause)
        self._sets.pop(other, None)
        self._sets[name] = both
        return True

    def _strict(self, f: Staircase, other: str) -> bool:
        """Whether f takes no value twice on what is admissible for its symbol or the other: f(a) == f(b) is a == b."""
        sets = self._sets.get(f.symbol, EVERYTHING) + self._sets.get(other, EVERYTHING)
        period = lcm(f.period, *(one.period for one in sets))
        if period > PERIOD_LIMIT or f.direction() == 0:
            return False
        bits = 0
        for one in sets:
            bits |= repeat(one.residues, one.period, period)
        values = [f.at(n) for n in range(2 * period) if bits >> n % period & 1]
        return all(a != b for a, b in pairwise(values))

    def _is_at_least(self, a: Size, b: Size) -> bool | None:
        difference = rename(a - b, self._names)
        if isinstance(difference, int):
            return difference >= 0
        names = symbols(difference)
        if len(names) == 1:
            try:
                admissible = self._sets.get(min(names), EVERYTHING)
                opposite = -1 - difference
                assert isinstance(opposite, Symbolic)
                if not intersect(admissible, at_least_zero(opposite)):
                    return True
                return None if intersect(admissible, at_least_zero(difference)) else False
            except NotExact:
                return None
        apart = plus(self._bounds(rename(a, self._names)), self._bounds(rename(-b, self._names)))
        lowest, highest = narrower(self._bounds(difference), apart)
        if lowest is not None and lowest >= 0:
            return True
        return False if highest is not None and highest < 0 else None

    def _is_zero(self, size: Size) -> bool | None:
        try:
            if vanishes(size, self._points):
                return True
            if isinstance(size, Symbolic) and len(symbols(size)) == 1:
                return None if intersect(self._sets.get(min(symbols(size)), EVERYTHING), zero(size)) else False
        except NotExact:
            pass
        return False if self._is_at_least(size, 0) is False or self._is_at_least(0, size) is False else None

    def _points(self, name: str, period: int, degree: int) -> Iterable[int]:
        for one in self._sets.get(name, EVERYTHING):
            around = lcm(period, one.period)
            if around > PERIOD_LIMIT:
                raise NotExact(f"sizes of {name} that repeat only after {around}, beyond the limit of {PERIOD_LIMIT}")
            yield from one.members(one.first, one.first + (degree + 1) * around)

    def _bounds(self, size: Size) -> Bounds:
        """Bounds of the size over all admissible inputs, None where there is none or none is found."""
        if isinstance(size, int):
            return size, size
        total = self._sum_bounds(size)
        product = split(size) if size.products else None
        if product is None:
            return total
        whole: Bounds = (product[0], product[0])
        for part in product[1]:
            whole = times(whole, self._sum_bounds(part))
        return narrower(total, whole)

    def _sum_bounds(self, size: Symbolic) -> Bounds:
        total: Bounds = (size.constant, size.constant)
        for k, factors in terms(size):
            product: Bounds = (k, k)
            for f in factors:
                product = times(product, extremes(f, self._sets.get(f.symbol, EVERYTHING)))
            total = plus(total, product)
        return total

    def _residue(self, part: tuple[int, tuple[Staircase, ...]], k: int) -> int | None:
        """The remainder modulo k that a term has for all admissible inputs, None where it varies."""
        scale, factors = part
        common, start = scale, scale
        steps = 0
        for f in factors:
            values = [f.at(n) for n in self._points(f.symbol, f.period, 1)]
            common *= gcd(*values)
            start *= values[0]
            steps = gcd(steps, *(value - values[0] for value in values))
        if common % k == 0:
            return 0
        return start % k if len(factors) == 1 and scale * steps % k == 0 else None


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))


def condition(name: str, admissible: Admissible, causes: tuple[object, ...]) -> Condition:
    """The condition that describes a set of admissible sizes, or the best one that suffices for it."""
    main = next((one for one in admissible if one.last is None), None) or max(
        admissible, key=lambda one: one.amount() or 0
    )
    multiple, remainder = _progression(admissible) or _class(main)
    lowest = main.first + (remainder - main.first) % multiple
    highest = None if main.last is None else main.last - (main.last - remainder) % multiple
    index = admissible.index(main)
    for one in reversed(admissible[:index]):
        lowest = _extend(one, lowest, -multiple)
        if lowest - multiple >= one.first:
            break  # the next one is not admissible
    for one in admissible[index + 1 :]:
        assert highest is not None
        assert one.last is not None
        highest = _extend(one, highest, multiple)
        if highest + multiple <= one.last:
            break
    return (
        Condition(name, multiple, remainder, lowest, causes, highest)
        if lowest != highest
        else Condition(name, 1, 0, lowest, causes, highest)
    )


def _progression(admissible: Admissible) -> tuple[int, int] | None:
    """Multiple and remainder of a set that is one finite progression, None for another set or a long one."""
    amounts = [one.amount() for one in admissible]
    if sum(PERIOD_LIMIT if amount is None else amount for amount in amounts) >= PERIOD_LIMIT:
        return None
    members = [n for one in admissible for n in one.members(one.first, one.first + PERIOD_LIMIT)]
    steps = {b - a for a, b in pairwise(members)}
    step = max(steps, default=1)
    return (step, members[0] % step) if len(steps) < 2 else None


def _class(one: Segment) -> tuple[int, int]:
    """The widest residue class in a segment, as multiple and remainder: remainder 0 before others."""
    residues, length = one.residues, 0 if one.last is None else one.last + 1 - one.first
    if 0 < length < one.period:
        residues = sum(1 << n % one.period for n in one.members(one.first, one.first + length))
    whole = []  # per divisor, the residues of which every number is a member
    for divisor in (d for d in range(1, one.period + 1) if one.period % d == 0):
        left = (1 << divisor) - 1
        for shift in range(0, one.period, divisor):
            left &= residues >> shift
        if left & 1:
            return divisor, 0
        whole.append((divisor, left))
    divisor, left = next(pair for pair in whole if pair[1])
    return divisor, (left & -left).bit_length() - 1


def _extend(one: Segment, edge: int, step: int) -> int:
    """The last of edge, edge + step, ... that is reached before leaving a segment."""
    for _ in range(one.period // gcd(one.period, step)):
        if not one.holds(edge + step):
            return edge
        edge += step
    end = one.first if step < 0 else one.last  # all residues it meets are members: up to the end, then
    assert end is not None
    return edge + (end - edge) // step * step
