"""The kinds of arguments: what a parameter takes, in words for messages and as a test.

A truth value is never a number here. Numbers are finite and bounded, so that what is computed from them stays small.
Sizes may be symbolic where the kind says "size".
"""

from collections.abc import Callable
from typing import TypeGuard

from archc.compiler.algebra.sizes import Symbolic
from archc.compiler.ops.entry import Kind

LIMIT = 2**53  # beyond it a float no longer holds every integer


def is_int(value: object) -> TypeGuard[int]:
    """Say whether a value is a bounded integer; truth values are none.

    >>> is_int(3), is_int(True), is_int(2**60)
    (True, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LIMIT


def is_number(value: object) -> TypeGuard[int | float]:
    """Say whether a value is a finite, bounded number.

    >>> is_number(0.5), is_number(float("nan")), is_number(True)
    (True, False, False)
    """
    return is_int(value) or (isinstance(value, float) and abs(value) <= 1e308)


def _at_least(least: int) -> Callable[[object], bool]:
    return lambda value: is_int(value) and value >= least


def _each(accepts: Callable[[object], bool], least: int = 1) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list | tuple) and len(value) >= least and all(map(accepts, value))


def _or(*tests: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: any(test(value) for test in tests)


def _is_none(value: object) -> bool:
    return value is None


def _is_size(value: object) -> bool:
    return isinstance(value, Symbolic) or (is_int(value) and value >= 1)


def _is_offset(value: object) -> bool:
    return isinstance(value, Symbolic) or is_int(value)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def choice(*options: str) -> Kind:
    """Return the kind that takes one of several words.

    >>> choice("row", "batch").words
    'one of "row", "batch"'
    """
    words = ", ".join(f'"{option}"' for option in options)
    return Kind(f"one of {words}" if len(options) > 1 else words, lambda value: value in options)


def optional(kind: Kind) -> Kind:
    """Return the kind that takes `none` as well.

    >>> optional(POSITIVE).words
    'a positive whole number, or `none`'
    """
    return Kind(f"{kind.words}, or `none`", _or(_is_none, kind.accepts))


FLAG = Kind("`true` or `false`", _is_flag)
INTEGER = Kind("a whole number", is_int)
POSITIVE = Kind("a positive whole number", _at_least(1))
COUNT = Kind("a whole number, 0 or more", _at_least(0))
NUMBER = Kind("a number", is_number)
POSITIVE_NUMBER = Kind("a positive number", lambda value: is_number(value) and value > 0)
NON_NEGATIVE_NUMBER = Kind("a number, 0 or more", lambda value: is_number(value) and value >= 0)
PROBABILITY = Kind("a number from 0 to 1", lambda value: is_number(value) and 0 <= value <= 1)
TEXT = Kind("text", lambda value: isinstance(value, str))
AXIS = Kind("the number of an axis", is_int)
AXES = Kind("the number of an axis, or a list of them", _or(is_int, _each(is_int)))
AXIS_LIST = Kind("a list of the numbers of axes", _each(is_int))
INTEGERS = Kind("a whole number, or a list of them", _or(is_int, _each(is_int)))
SIZE_PER_AXIS = Kind("a positive whole number, or one for each axis", _or(_at_least(1), _each(_at_least(1))))
COUNT_PER_AXIS = Kind("a whole number, 0 or more, or one for each axis", _or(_at_least(0), _each(_at_least(0))))
PADDING = Kind(
    'a whole number, 0 or more, or one for each axis, or "same" or "valid"',
    _or(_at_least(0), _each(_at_least(0)), lambda value: value in ("same", "valid")),
)
KEPT_SIZE_PER_AXIS = Kind(
    "a positive whole number or `none`, or one for each axis",
    _or(_is_none, _at_least(1), _each(_or(_is_none, _at_least(1)))),
)
SCALE_PER_AXIS = Kind(
    "a positive number, or one for each axis",
    _or(POSITIVE_NUMBER.accepts, _each(POSITIVE_NUMBER.accepts)),
)
SIZE = Kind("a positive size", _is_size)
SIZES = Kind("a list of positive sizes", _each(_is_size))
SIZES_PER_AXIS = Kind("a positive size, or one for each axis", _or(_is_size, _each(_is_size)))
SHAPE = Kind(
    "a list of positive sizes, at most one of them -1",
    lambda value: (
        isinstance(value, list | tuple)
        and len(value) >= 1
        and all(_is_size(size) or (is_int(size) and size == -1) for size in value)
        and sum(is_int(size) and size == -1 for size in value) <= 1
    ),
)
EXPANDED = Kind(
    "a list of sizes, -1 to keep one",
    lambda value: (
        isinstance(value, list | tuple)
        and len(value) >= 1
        and all(_is_size(size) or (is_int(size) and size == -1) for size in value)
    ),
)
OFFSET = Kind("a whole number", _is_offset)
SIDES = Kind("a whole number, or two for each axis, the last axis first", _or(is_int, _each(is_int, 2)))
