"""Items and slices of lists, tuples and text."""

from collections.abc import Sequence

from archc.compiler.problems import Stop, stop
from archc.compiler.values import kind_of, show
from archc.dsl import ast


def item_of(value: object, index: object, expression: ast.Index) -> object:
    """Return `value[index]`.

    Raises:
        Stop: the value has no items, the index is no whole number, or there is no such item.
    """
    if not isinstance(value, list | str) and type(value) is not tuple:
        raise _no_items(value, expression)
    if type(index) is not int:
        message = f"an index is a whole number, and this is {kind_of(index)}"
        raise stop("E0204", expression.index.span, message, f"is {show(index)}")
    if not -len(value) <= index < len(value):
        count = f"it has {len(value)} item{'s' * (len(value) != 1)}"
        help = f"the last one is [{len(value) - 1}], or [-1]" if value else "it is empty"
        raise stop("E0205", expression.index.span, f"there is no item {index}", count, help=help)
    return value[index]


def items_between(value: object, bounds: Sequence[object], expression: ast.Slice) -> object:
    """Return `value[start:stop:step]`.

    Raises:
        Stop: the value has no items, or a bound is no whole number.
    """
    if not isinstance(value, list | str) and type(value) is not tuple:
        raise _no_items(value, expression)
    whole: list[int | None] = []
    for part, bound in zip((expression.start, expression.stop, expression.step), bounds, strict=True):
        if bound is None or (isinstance(bound, int) and not isinstance(bound, bool)):
            whole.append(bound)
        elif part is not None:
            message = f"a bound is a whole number, and this is {kind_of(bound)}"
            raise stop("E0204", part.span, message, f"is {show(bound)}")
    start, end, step = whole
    if step == 0:
        raise stop("E0206", expression.span, "this has no result", "the step is zero")
    return value[start:end:step]


def _no_items(value: object, expression: ast.Index | ast.Slice) -> Stop:
    return stop("E0204", expression.value.span, f"{kind_of(value)} has no items", f"is {show(value)}")
