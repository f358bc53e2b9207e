"""Exact arithmetic on sizes that may be symbols.

A size is an int or a `Symbolic`: a function of input sizes such as H, each an unknown integer of at least 1. It is the
sum of a constant, one staircase (a nest of floors) per symbol, and products of staircases, such as the H*W of tokens.
Whatever does not fit raises `NotExact` instead of being guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from math import gcd, lcm, prod
from typing import TypeAlias

from archc.compiler.algebra import formulas
from archc.compiler.algebra.staircases import (
    PERIOD_LIMIT,
    VALUE_LIMIT,
    NotExact,
    Staircase,
    add,
    divide,
    primitive,
)

__all__ = ["NotExact", "Size", "Symbolic", "evaluate", "rename", "split", "symbol", "symbols", "terms", "vanishes"]

Size: TypeAlias = "int | Symbolic"

TERM_LIMIT = 64  # the most terms of one sum
DEGREE_LIMIT = 8  # the most factors of one product
CACHE_SIZE = 512  # results kept per operation

_set = object.__setattr__

Factors: TypeAlias = tuple[Staircase, ...]
Term: TypeAlias = tuple[int, Factors]
Points: TypeAlias = Callable[[str, int, int], Iterable[int]]


class Symbolic:
    """A size that depends on input sizes; made by `symbol` and by arithmetic, never constant.

    >>> h = symbol("H")
    >>> print((h + 2 * 1 - 3) // 2 + 1)
    (H + 1) // 2
    >>> (h + 1) // 2 + h // 2 == h, (2 * h) % 2
    (True, 0)
    >>> print((h // 2) * (symbol("W") // 2) + 1)
    (H // 2)*(W // 2) + 1
    """

    __slots__ = ("_hash", "_text", "constant", "linear", "products")

    constant: int
    linear: Factors  # at most one per symbol, in the order of the symbols
    products: tuple[
        Term, ...
    ]  # coefficients and two or more factors each; no factor is a multiple of another staircase
    _hash: int | None
    _text: str | None

    def __reduce__(self) -> tuple[type[Symbolic], tuple[int, Factors, tuple[Term, ...]]]:
        return Symbolic, (self.constant, self.linear, self.products)

    def __init__(self, constant: int, linear: Factors, products: tuple[Term, ...]) -> None:
        _set(self, "constant", constant)
        _set(self, "linear", linear)
        _set(self, "products", products)
        _set(self, "_hash", None)
        _set(self, "_text", None)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a size cannot be changed")

    def __add__(self, other: Size) -> Size:
        return _sum(self, other, 1) if isinstance(other, Symbolic) else _shift(self, other)

    __radd__ = __add__

    def __sub__(self, other: Size) -> Size:
        return _sum(self, other, -1) if isinstance(other, Symbolic) else _shift(self, -other)

    def __rsub__(self, other: int) -> Size:
        return _sum(other, self, -1)

    def __neg__(self) -> Size:
        return _sum(0, self, -1)

    def __mul__(self, other: Size) -> Size:
        return _product(self, other) if isinstance(other, Symbolic) else _sum(0, self, other)

    __rmul__ = __mul__

    def __pow__(self, exponent: Size) -> Size:
        if isinstance(exponent, Symbolic) or not 0 <= exponent <= DEGREE_LIMIT:
            raise NotExact(f"({self}) ** ({exponent}) has no exact form")
        result: Size = 1
        for _ in range(exponent):
            result = self * result
        return result

    def __floordiv__(self, divisor: Size) -> Size:
        if isinstance(divisor, Symbolic):
            raise NotExact(f"({self}) // ({divisor}) divides by a size that is not known")
        if divisor == 0:
            raise ZeroDivisionError(f"({self}) // 0")
        if divisor < 0:
            return -self // -divisor
        return self if divisor == 1 else _quotient(self, divisor)

    def __mod__(self, divisor: Size) -> Size:
        if isinstance(divisor, Symbolic):
            raise NotExact(f"({self}) % ({divisor}) divides by a size that is not known")
        return self - self // divisor * divisor

    def __rfloordiv__(self, dividend: int) -> Size:
        raise NotExact(f"{dividend} // ({self}) divides by a size that is not known")

    def __rmod__(self, dividend: int) -> Size:
        raise NotExact(f"{dividend} % ({self}) divides by a size that is not known")

    def __truediv__(self, divisor: object) -> Size:
        raise NotExact(f"({self}) / ({divisor}) need not be a whole number; // rounds down")

    def __rtruediv__(self, dividend: object) -> Size:
        raise NotExact(f"{dividend} / ({self}) divides by a size that is not known")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Symbolic):
            return False
        if self is other:
            return True
        if self.constant == other.constant and self.linear == other.linear and self.products == other.products:
            return True
        if not (self.products or other.products) or hash(self) != hash(other):
            return False
        return _sum.__wrapped__(self, other, -1) == 0

    def __hash__(self) -> int:
        if self._hash is None:  # of a value, because equal products may be written in different ways
            value = evaluate(self, {name: int.from_bytes(name.encode()) % 9973 + 1 for name in symbols(self)})
            _set(self, "_hash", hash(value))
        assert self._hash is not None
        return self._hash

    def __str__(self) -> str:
        if self._text is None:
            product = split(self) if self.products else None
            if product is not None and len(product[1]) > 1:
                text = formulas.product(product[0], map(str, product[1]))
            else:
                text = formulas.total(self.constant, self.linear, self.products)
            _set(self, "_text", text)
        assert self._text is not None
        return self._text

    def __repr__(self) -> str:
        return f"<size {self}>"


def symbol(name: str) -> Symbolic:
    """The size of an input that is known only when the network runs: any integer from 1 on.

    >>> print(symbol("H") * 2)
    2*H
    """
    return Symbolic(0, (Staircase(name, 1, (0,), (0, 1)),), ())


def symbols(size: Size) -> frozenset[str]:
    """The names a size depends on.

    >>> sorted(symbols(symbol("H") * symbol("W"))), symbols(7)
    (['H', 'W'], frozenset())
    """
    if isinstance(size, int):
        return frozenset()
    return frozenset(factor.symbol for _, factors in terms(size) for factor in factors)


def evaluate(size: Size, values: Mapping[str, int]) -> int:
    """The size at given input sizes, each at least 1; a missing one is a KeyError.

    >>> evaluate((symbol("H") + 1) // 2, {"H": 225})
    113
    """
    if isinstance(size, int):
        return size
    return size.constant + sum(k * prod(f.at(values[f.symbol]) for f in factors) for k, factors in terms(size))


def terms(size: Symbolic) -> tuple[Term, ...]:
    """The size without its constant as a sum of coefficients times staircases."""
    return (*((1, (f,)) for f in size.linear), *size.products)


def rename(size: Size, names: Mapping[str, str]) -> Size:
    """The size with some symbols called otherwise; two symbols may become one.

    >>> print(rename(symbol("H") + symbol("W"), {"W": "H"}))
    2*H
    """
    if isinstance(size, int) or names.keys().isdisjoint(symbols(size)):
        return size
    return _collect(
        size.constant,
        [(k, tuple(f._replace(symbol=names.get(f.symbol, f.symbol)) for f in factors)) for k, factors in terms(size)],
    )


def split(size: Size) -> tuple[int, tuple[Symbolic, ...]] | None:
    """The size as a number times one function per symbol, or None where it is no such product.

    >>> split((symbol("H") - 4) * (2 * symbol("W") + 2))
    (2, (<size H - 4>, <size W + 1>))
    """
    if isinstance(size, int):
        return size, ()
    names = sorted(symbols(size))
    for start in (1000, 1013, 1031):
        base = {name: start + i for i, name in enumerate(names)}
        if evaluate(size, base) != 0:
            break
    else:
        return None
    parts = []
    for name in names:
        at = {other: value for other, value in base.items() if other != name}
        fixed = [
            (
                k * prod(f.at(at[f.symbol]) for f in factors if f.symbol in at),
                tuple(f for f in factors if f.symbol == name),
            )
            for k, factors in terms(size)
        ]
        part = _collect(size.constant, fixed)
        if isinstance(part, int):
            return None
        content = gcd(
            part.constant,
            *(k * rise for k, factors in terms(part) for rise in (factors[0].rises if len(factors) == 1 else (1,))),
        )
        primitive = part if content == 1 else part // content
        assert isinstance(primitive, Symbolic)
        parts.append(primitive)
    scale, rest = divmod(evaluate(size, base), prod(evaluate(part, base) for part in parts))
    return (scale, tuple(parts)) if rest == 0 and prod(parts, start=scale) == size else None


def vanishes(size: Size, points: Points) -> bool:
    """Whether the size is zero for all inputs in a domain.

    `points(symbol, period, degree)` gives the inputs that decide it: in each residue class of the period one more than
    the degree, as far as the domain has them.
    """
    return size == 0 if isinstance(size, int) else _vanish([(size.constant, ()), *terms(size)], points)


def _vanish(parts: list[Term], points: Points) -> bool:
    """One symbol at a time: for its values, the rest must vanish for as many of them as are linearly independent."""
    name = min((f.symbol for _, factors in parts for f in factors), default=None)
    if name is None:
        return sum(k for k, _ in parts) == 0
    groups: dict[Factors, list[Term]] = {}
    for k, factors in parts:
        groups.setdefault(tuple(f for f in factors if f.symbol == name), []).append(
            (k, tuple(f for f in factors if f.symbol != name))
        )
    period = lcm(*(f.period for own in groups for f in own))
    basis: list[tuple[int, list[int]]] = []
    for n in points(name, period, max(map(len, groups))):
        row = [prod(f.at(n) for f in own) for own in groups]
        for pivot, known in basis:
            if row[pivot]:
                row = [known[pivot] * x - row[pivot] * y for x, y in zip(row, known, strict=True)]
        divisor = gcd(*row)
        if divisor == 0:
            continue
        row = [x // divisor for x in row]
        if not _vanish(
            [(x * k, rest) for x, group in zip(row, groups.values(), strict=True) if x for k, rest in group], points
        ):
            return False
        basis.append((next(i for i, x in enumerate(row) if x), row))
        if len(basis) == len(groups):
            break
    return True


def _everywhere(_symbol: str, period: int, degree: int) -> Iterable[int]:
    if period > PERIOD_LIMIT:
        raise NotExact(f"sizes that repeat only after {period}, beyond the limit of {PERIOD_LIMIT}")
    return range(1, (degree + 1) * period + 1)


def _collect(constant: int, parts: Iterable[Term]) -> Size:
    """The size that is the sum of a constant and terms of any number of factors."""
    sums: dict[str, list[tuple[int, Staircase]]] = {}
    products: dict[Factors, int] = {}
    for k, factors in parts:
        if k == 0:
            continue
        if not factors:
            constant += k
        elif len(factors) == 1:
            sums.setdefault(factors[0].symbol, []).append((k, factors[0]))
        else:
            if len(factors) > DEGREE_LIMIT:
                raise NotExact(f"a product of more than {DEGREE_LIMIT} sizes that are not known")
            pairs = [primitive(1, f) for f in factors]
            key = tuple(sorted(f for _, f in pairs))
            products[key] = products.get(key, 0) + k * prod(content for content, _ in pairs)
    added = (group[0][1] if len(group) == 1 and group[0][0] == 1 else add(group) for _, group in sorted(sums.items()))
    linear = tuple(f for f in added if f is not None)
    joined = _join({key: k for key, k in products.items() if k})
    if len(linear) + len(joined) > TERM_LIMIT:
        raise NotExact(f"a sum of more than {TERM_LIMIT} sizes that are not known")
    if max(abs(constant), *map(abs, joined.values()), 0) >= VALUE_LIMIT:
        raise NotExact("a size beyond 2**63")
    listed = tuple((k, factors) for factors, k in sorted(joined.items()))
    if len(listed) > 1 or any(f.symbol == g.symbol for _, factors in listed for f, g in pairwise(factors)):
        if _vanish([*((1, (f,)) for f in linear), *listed], _everywhere):
            return constant
        if _vanish(list(listed), _everywhere):
            listed = ()
    return Symbolic(constant, linear, listed) if linear or listed else constant


def _shift(size: Symbolic, by: int) -> Symbolic:
    if by == 0:
        return size
    if abs(size.constant + by) >= VALUE_LIMIT:
        raise NotExact("a size beyond 2**63")
    return Symbolic(size.constant + by, size.linear, size.products)


def _join(products: dict[Factors, int]) -> dict[Factors, int]:
    """Adds products that differ in one factor of the same symbol: H//2 * W + (H+1)//2 * W is H * W."""
    while True:
        groups: dict[tuple[str, Factors], list[Factors]] = {}
        for factors in products:
            for i in range(len(factors)):
                group = groups.setdefault((factors[i].symbol, factors[:i] + factors[i + 1 :]), [])
                if factors not in group:  # a square offers itself twice
                    group.append(factors)
        found = next((item for item in groups.items() if len(item[1]) > 1), None)
        if found is None:
            return products
        (_, rest), group = found
        parts = []
        for factors in group:
            left = list(factors)
            for f in rest:
                left.remove(f)
            parts.append((products.pop(factors), left[0]))
        joined = add(parts)
        if joined is not None:
            k, joined = primitive(1, joined)
            key = tuple(sorted((*rest, joined)))
            products[key] = products.get(key, 0) + k
            if products[key] == 0:
                del products[key]


@lru_cache(maxsize=CACHE_SIZE)
def _sum(a: Size, b: Size, k: int) -> Size:
    """a + k * b. Equal sums are the same object, which keeps long chains of layers cheap."""
    first = a if isinstance(a, Symbolic) else Symbolic(a, (), ())
    second = b if isinstance(b, Symbolic) else Symbolic(b, (), ())
    return _collect(
        first.constant + k * second.constant, [*terms(first), *((k * m, factors) for m, factors in terms(second))]
    )


@lru_cache(maxsize=CACHE_SIZE)
def _product(a: Symbolic, b: Symbolic) -> Size:
    left, right = [(a.constant, ()), *terms(a)], [(b.constant, ()), *terms(b)]
    if len(left) * len(right) > TERM_LIMIT * 4:
        raise NotExact(f"a product of sums of {len(left)} and {len(right)} sizes that are not known")
    return _collect(0, [(k * m, f + g) for k, f in left for m, g in right])


@lru_cache(maxsize=CACHE_SIZE)
def _quotient(size: Symbolic, divisor: int) -> Size:
    """size // divisor: what the divisor divides for all inputs is taken out, and at most one symbol may remain."""
    if any(k % divisor for k, _ in size.products):
        raise NotExact(f"({size}) // {divisor} has no exact form")
    whole = [(1, (f,)) for f in size.linear if gcd(*f.rises) % divisor == 0]
    others = [f for f in size.linear if gcd(*f.rises) % divisor]
    if len(others) > 1:
        raise NotExact(
            f"({size}) // {divisor} rounds a sum of {' and '.join(f.symbol for f in others)}, which has no exact form"
        )
    result = [(1, (g,)) for (_, (f,)) in whole if (g := divide(f, 0, divisor))]
    result += [(1, (g,)) for f in others if (g := divide(f, size.constant, divisor))]
    return _collect(size.constant // divisor, [*result, *((k // divisor, factors) for k, factors in size.products)])
