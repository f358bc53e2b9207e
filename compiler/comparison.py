"""Comparing values of compile time, sizes that depend on the input among them."""

from collections.abc import Callable

from archc.compiler.conditions import Conditions, RelationSign
from archc.compiler.problems import stop
from archc.compiler.sizes import Symbolic
from archc.compiler.values import kind_of, show
from archc.dsl.source import Span

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
        return (left in right) is (operator == "in")  # type: ignore[operator]
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
        return _same(left, right) is (operator == "==")
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


def _same(left: object, right: object) -> bool:
    """Equality as in Python, except that a truth value is no number."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)
