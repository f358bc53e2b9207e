"""The formulas of sizes, as Python that a student would write."""

from __future__ import annotations

from collections.abc import Iterable

from archc.compiler.algebra.staircases import Staircase, floors


def product(scale: int, factors: Iterable[str]) -> str:
    """A number times formulas.

    >>> product(2, ["H", "W - 4"])
    '2*H*(W - 4)'
    """
    return "*".join([*([str(scale)] if scale != 1 else []), *map(_factor, factors)])


def total(constant: int, linear: tuple[Staircase, ...], products: tuple[tuple[int, tuple[Staircase, ...]], ...]) -> str:
    """A constant plus staircases plus multiples of products of staircases; what is subtracted comes last.

    >>> total(-3, (Staircase("H", 2, (1,), (0, 1)), Staircase("W", 1, (0,), (0, -2))), ())
    'H // 2 - 2*W - 3'
    """
    pieces = [(*piece, f.symbol) for f in linear for piece in floors(f)]
    if len(pieces) == 1 and not products:
        k, a, d, name = pieces[0]
        if constant < 0 and constant % k == 0 and d > 1:
            pieces, constant = [(k, a + constant // k * d, d, name)], 0
    written = [(k, _floor(a, d, name)) for k, a, d, name in pieces]
    written += [(k, product(1, (total(0, (f,), ()) for f in factors))) for k, factors in products]
    written.sort(key=lambda item: item[0] < 0)
    if constant > 0:
        written.insert(0 if written[0][0] < 0 else len(written), (constant, ""))
    elif constant < 0:
        written.append((constant, ""))
    text = ""
    for k, formula in written:
        sign = (" - " if k < 0 else " + ") if text else ("-" if k < 0 else "")
        if not formula:
            text += f"{sign}{abs(k)}"
        elif abs(k) != 1:
            text += f"{sign}{abs(k)}*{_factor(formula)}"
        else:
            text += sign + (_factor(formula) if sign == "-" else formula)
    return text


def _floor(a: int, d: int, name: str) -> str:
    shifted = name if a == 0 else f"({name} {'+' if a > 0 else '-'} {abs(a)})"
    return shifted if d == 1 else f"{shifted} // {d}"


def _factor(formula: str) -> str:
    return formula if " " not in formula and not formula.startswith("-") else f"({formula})"
