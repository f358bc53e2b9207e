"""Comparing values of compile time, sizes that depend on the input among them."""

from collections.abc import Callable

from archc.compiler.algebra.conditions import Conditions, RelationSign
from archc.compiler.algebra.sizes import Symbolic
from archc.compiler.problems import stop
from archc.compiler.values import kind_of, show
from archc.dsl.source import Span

MOST_COMPARED = 200_000
SIGNS: tuple[RelationSign, ...] = ("==", "!=", "<", "<=", ">", ">=")
ORDER: dict[str, Callable[..., object]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def compare(operator: str, left: object, right: object, span: Span, conditions: Conditions) -> bool:
    """Return the result of a comparison.

    Raises:
        Stop: the values cannot be compared, or the result depends on the size of the input.
    """
    if operator in ("in", "not in"):
        if type(right) not in (list, tuple) and not (isinstance(right, str) and isinstance(left, str)):
            raise stop("E0204", span, f"`{operator}` needs a list", f"this is {kind_of(right)}")
        if isinstance(right, str):
            return (left in right) is (operator == "in")  # type: ignore[operator]
        assert isinstance(right, list | tuple)
        return any(_same(left, item, span) for item in right) is (operator == "in")
    if isinstance(left, Symbolic) or isinstance(right, Symbolic):
        decided = _decide(operator, left, right, conditions)
        if decided is None:
            raise stop(
                "E0207",
                span,
                "this depends on the size of the input",
                f"whether {show(left)} {operator} {show(right)} holds is not known",
                help="the network is one for all its inputs: give the input fixed sizes, or decide by a parameter",
            )
        return decided
    if operator in ("==", "!="):
        return _same(left, right, span) is (operator == "==")
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        found = f"this compares {kind_of(left)} with {kind_of(right)}"
        raise stop("E0204", span, f"`{operator}` compares numbers", found)
    return bool(ORDER[operator](left, right))


def _decide(operator: str, left: object, right: object, conditions: Conditions) -> bool | None:
    """Compare sizes that depend on the input."""
    if not isinstance(left, int | Symbolic) or not isinstance(right, int | Symbolic):
        return operator == "!=" if operator in ("==", "!=") else None
    for sign in SIGNS:
        if sign == operator:
            return conditions.decide(sign, left, right)
    raise AssertionError(operator)


def _same(left: object, right: object, span: Span) -> bool:
    """Equality as in Python, except that a truth value is no number. Lists may hold lists, to any depth."""
    waiting = [(left, right)]
    compared = 0
    while waiting:
        one, other = waiting.pop()
        compared += 1
        if compared > MOST_COMPARED:
            message = f"these hold more than {MOST_COMPARED:,} values"
            raise stop("E0206", span, message, "too large to compare")
        if type(one) in (list, tuple) and type(one) is type(other):
            assert isinstance(one, list | tuple)
            assert isinstance(other, list | tuple)
            if len(one) != len(other):
                return False
            if one is not other:
                waiting.extend(zip(one, other, strict=True))
        elif one != other or isinstance(one, bool) != isinstance(other, bool):
            return False
    return True
