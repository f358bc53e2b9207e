"""Exact division of one product of sizes by another, as an open size (-1) needs it."""

from collections.abc import Iterable
from math import gcd, prod

from archc.compiler.algebra.sizes import Size, split


def lowest_terms(numerators: Iterable[Size], denominators: Iterable[Size]) -> tuple[Size, Size]:
    """Two products without the factors that they share; sizes of at least 1, so that these can be cancelled.

    >>> from archc.compiler.algebra.sizes import symbol
    >>> h, w = symbol("H"), symbol("W")
    >>> print(*lowest_terms([4, h // 2, 6 * w], [h // 2, 8]))
    3*W 1
    >>> print(*lowest_terms([h, w], [h // 2, 2]), sep=" / ")
    H*W / 2*(H // 2)
    """
    above, left = _factors(numerators)
    below, right = _factors(denominators)
    for factor in list(right):
        if factor in left:
            left.remove(factor)
            right.remove(factor)
    common = gcd(above, below)
    return prod(left, start=above // common), prod(right, start=below // common)


def _factors(sizes: Iterable[Size]) -> tuple[int, list[Size]]:
    """A product as a number and factors that have none in common, one for each symbol of each size."""
    number = 1
    found: list[Size] = []
    for size in sizes:
        product = split(size)
        if product is None:
            found.append(size)
        else:
            number *= product[0]
            found += product[1]
    return number, found
