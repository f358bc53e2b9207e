"""The arithmetic and the functions of compile time: Python's, with results that stay small.

Every result is bounded before it is computed, so that no text can make the compiler compute for long.
"""

import math
from collections.abc import Callable

from archc.compiler.algebra.sizes import Symbolic
from archc.compiler.values import Builtin, kind_of

LARGEST_INTEGER = 2**63 - 1
LONGEST_LIST = 200_000


class NoResult(Exception):
    """A calculation that has no result, or one that would be too large; the text says why."""


def number(value: object) -> int | float:
    """Return a number, or say what was found instead."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise NoResult(f"needs numbers, and this is {kind_of(value)}")


def bounded(value: object) -> object:
    """Return a result that is not too large.

    Raises:
        NoResult: an integer beyond 64 bits, an infinite float, or a list of more than 200,000 items.
    """
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise NoResult("the result has more than 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise NoResult("the result is not a finite number")
    if isinstance(value, str | list | tuple) and len(value) > LONGEST_LIST:
        raise NoResult(f"the result has more than {LONGEST_LIST} items")
    return value


def _add(a: object, b: object) -> object:
    for kind in (list, tuple, str):
        if type(a) is kind and type(b) is kind:
            return a + b  # type: ignore[operator]
    return _sized(lambda x, y: x + y, a, b)


def _multiply(a: object, b: object) -> object:
    for items, count in ((a, b), (b, a)):
        if type(items) in (list, tuple, str) and type(count) is int:
            if len(items) * max(count, 0) > LONGEST_LIST:  # type: ignore[arg-type]
                raise NoResult(f"the result has more than {LONGEST_LIST} items")
            return items * count  # type: ignore[operator]
    return _sized(lambda x, y: x * y, a, b)


def _sized(operation: Callable[..., object], a: object, b: object) -> object:
    """Apply an operation that sizes of the network share with numbers."""
    for value in (a, b):
        if not isinstance(value, Symbolic):
            number(value)
    return operation(a, b)


def _nonzero(b: object) -> None:
    if not isinstance(b, Symbolic) and number(b) == 0:
        raise NoResult("divides by zero")


def _floor_divide(a: object, b: object) -> object:
    _nonzero(b)
    return _sized(lambda x, y: x // y, a, b)


def _modulo(a: object, b: object) -> object:
    _nonzero(b)
    return _sized(lambda x, y: x % y, a, b)


def _divide(a: object, b: object) -> object:
    _nonzero(b)
    if isinstance(a, Symbolic) or isinstance(b, Symbolic):
        raise NoResult("a size has no fraction: divide it by `//`")
    return number(a) / number(b)


def _power(a: object, b: object) -> object:
    base, exponent = number(a), number(b)
    if isinstance(base, int) and isinstance(exponent, int):
        if base == 0 and exponent < 0:
            raise NoResult("divides by zero")
        if exponent > 0 and abs(base) > 1 and exponent * math.log2(abs(base)) > 64:
            raise NoResult("the result has more than 64 bits")
        if exponent < -10_000:
            return 0.0
        return base**exponent
    result = float(base) ** exponent
    if isinstance(result, complex):
        raise NoResult("a negative number has no such power")
    return result


BINARY: dict[str, Callable[[object, object], object]] = {
    "+": _add,
    "-": lambda a, b: _sized(lambda x, y: x - y, a, b),
    "*": _multiply,
    "/": _divide,
    "//": _floor_divide,
    "%": _modulo,
    "**": _power,
}


def _items(value: object) -> list[object] | tuple[object, ...]:
    if type(value) in (list, tuple):
        return value  # type: ignore[return-value]
    raise NoResult(f"needs a list, and this is {kind_of(value)}")


def _numbers(values: tuple[object, ...]) -> list[int | float]:
    items = _items(values[0]) if len(values) == 1 else values
    if not items:
        raise NoResult("needs at least one number")
    return [number(item) for item in items]


def _range(*arguments: object) -> object:
    bounds = []
    for argument in arguments:
        if type(argument) is not int:
            raise NoResult(f"needs whole numbers, and this is {kind_of(argument)}")
        bounds.append(argument)
    if len(bounds) == 3 and bounds[2] == 0:
        raise NoResult("the step is zero")
    steps = range(*bounds)
    if len(steps) > LONGEST_LIST:
        raise NoResult(f"the result has more than {LONGEST_LIST} items")
    return list(steps)


def _length(value: object) -> object:
    return len(value) if isinstance(value, str) else len(_items(value))


def _integer(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        try:
            return int(value) if len(value) <= 20 else bounded(LARGEST_INTEGER + 1)
        except ValueError:
            raise NoResult(f'"{value}" is not a whole number') from None
    return int(number(value))


def _round(value: object, digits: object = None) -> object:
    if digits is not None and type(digits) is not int:
        raise NoResult(f"needs a whole number of digits, and this is {kind_of(digits)}")
    return round(number(value), digits) if digits is None or abs(digits) < 400 else number(value)


def _real(function: Callable[[float], float]) -> Callable[[object], object]:
    def apply(value: object) -> object:
        try:
            return function(number(value))
        except (ValueError, OverflowError):
            raise NoResult(f"is not defined for {value}") from None

    return apply


def _sum(*values: object) -> object:
    items = _items(values[0])
    if all(type(item) is int for item in items):
        return sum(items)  # type: ignore[arg-type]
    total: object = 0
    for item in items:
        total = bounded(_add(total, item))
    return total


BUILTINS: dict[str, Builtin] = {
    function.name: function
    for function in (
        Builtin("len", (1, 1), _length),
        Builtin("range", (1, 3), _range),
        Builtin("enumerate", (1, 1), lambda items: [(i, item) for i, item in enumerate(_items(items))]),
        Builtin("zip", (1, None), lambda *lists: [tuple(row) for row in zip(*map(_items, lists), strict=False)]),
        Builtin("min", (1, None), lambda *values: min(_numbers(values))),
        Builtin("max", (1, None), lambda *values: max(_numbers(values))),
        Builtin("sum", (1, 1), _sum),
        Builtin("abs", (1, 1), lambda value: abs(number(value))),
        Builtin("round", (1, 2), _round),
        Builtin("floor", (1, 1), lambda value: math.floor(number(value))),
        Builtin("ceil", (1, 1), lambda value: math.ceil(number(value))),
        Builtin("int", (1, 1), _integer),
        Builtin("reversed", (1, 1), lambda items: list(reversed(_items(items)))),
        Builtin("sqrt", (1, 1), _real(math.sqrt)),
        Builtin("exp", (1, 1), _real(math.exp)),
        Builtin("log", (1, 1), _real(math.log)),
        Builtin("log2", (1, 1), _real(math.log2)),
    )
}
