"""Parts of values: items and slices of lists, tuples and text, the sizes of values of the network."""

from collections.abc import Sequence

from archc.compiler.algebra.sizes import Size
from archc.compiler.problems import Stop, did_you_mean, stop
from archc.compiler.values import kind_of, show
from archc.dsl import ast

SIZES = {
    "shape": "all sizes, as a list",
    "channels": "the first size",
    "height": "the size before the last",
    "width": "the last size",
    "features": "the last size",
}


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
    help = f"a list is written in brackets: `[{show(value)}]`" if isinstance(value, int | float) else ""
    return stop("E0204", expression.value.span, f"{kind_of(value)} has no items", f"is {show(value)}", help=help)


def size_of_value(shape: tuple[Size, ...], expression: ast.Attribute) -> object:
    """Return `value.channels` and its like, from the sizes of the value.

    Raises:
        Stop: there is no such size.
    """
    name = expression.name
    if name.text not in SIZES:
        known = ", ".join(f"`.{size}`" for size in SIZES)
        raise stop(
            "E0101",
            name.span,
            f"a value has no `.{name.text}`",
            "unknown",
            help=did_you_mean(name.text, SIZES) or f"it has {known}",
        )
    if name.text == "shape":
        return list(shape)
    at = {"channels": 0, "height": -2, "width": -1, "features": -1}[name.text]
    if len(shape) < max(1, -at):
        raise stop(
            "E0303",
            expression.span,
            f"this value has no `.{name.text}`",
            f"it has {len(shape)} size{'s' * (len(shape) != 1)}",
            help=f"`.{name.text}` is {SIZES[name.text]}",
        )
    return shape[at]
