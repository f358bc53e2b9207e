"""What the rules of several operators share: axes, ranks, kinds of numbers, and PyTorch text."""

from collections.abc import Callable, Iterable, Sequence
from math import prod

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Construct, Expression, Problem

# torch's order of promotion within floating and within integer numbers; float16 with bfloat16 gives float32.
FLOATING = ("float16", "bfloat16", "float32", "float64")
INTEGER = ("uint8", "int8", "int16", "int32", "int64")

Keyword = tuple[str, object, object]  # name, value, torch's default


# ---- axes


def rank(tensor: Tensor) -> int:
    """Return the number of axes that torch sees, the batch included.

    >>> rank(Tensor((3, 8, 8))), rank(Tensor((3, 8, 8), batched=False))
    (4, 3)
    """
    return len(tensor.shape) + tensor.batched


def position(tensor: Tensor, dim: int, *, argument: str = "dim", extra: int = 0) -> int:
    """Return the place in `tensor.shape` of an axis numbered as in torch; `extra` allows that many axes more.

    >>> position(Tensor((3, 8, 8)), 1), position(Tensor((3, 8, 8)), -1)
    (0, 2)

    Raises:
        Problem: there is no such axis, or it is the batch.
    """
    axes = rank(tensor) + extra
    if axes == 0:
        raise Problem("E0205", f"there is no axis {dim}: the input is a single number", "no axes", argument=argument)
    if not -axes <= dim < axes:
        raise Problem(
            "E0205",
            f"there is no axis {dim}: {described(tensor)} has the axes {-axes} to {axes - 1}",
            f"not from {-axes} to {axes - 1}",
            argument=argument,
            help="axes are numbered as in torch: 0 is the batch, 1 the channels, -1 the last" if tensor.batched else "",
        )
    dim %= axes
    if tensor.batched and dim == 0:
        raise Problem(
            "E0205",
            "axis 0 is the batch, which no operator may mix or move",
            "this is the batch",
            argument=argument,
            help=f"the axes of {described(tensor)} are 1 to {axes - 1}" if axes > 1 else "this value has no other axis",
        )
    return dim - tensor.batched


def positions(call: Call, argument: str = "dim") -> tuple[int, ...]:
    """Return the places in the first input's shape of one axis or of several different ones, in the order given."""
    found = tuple(position(call.x, dim, argument=argument) for dim in call.integers(argument))
    if len(set(found)) < len(found):
        raise Problem("E0205", "an axis is given twice", "twice the same axis", argument=argument)
    return found


def axis(tensor: Tensor, place: int) -> int:
    """Return torch's number of the axis at a place in `tensor.shape`."""
    return place + tensor.batched


def described(tensor: Tensor) -> str:
    return "the input" if not tensor.shape else f"the input {tensor}"


def times(sizes: Iterable[object]) -> str:
    """Write sizes as they are spoken: `3x3`."""
    return "x".join(map(str, sizes))


# ---- what an input must be


def batched(call: Call, name: str, index: int = 0) -> Tensor:
    """Return an input that has a batch axis.

    Raises:
        Problem: it has none.
    """
    x = call.inputs[index]
    if not x.batched:
        raise Problem(
            "E0303",
            f"`{name}` works on values with a batch, but this one ({x}) is a parameter, buffer or constant",
            "has no batch axis",
            input=index,
        )
    return x


def floating(call: Call, name: str, *, weights: bool = False) -> None:
    """Check that all inputs hold floating-point numbers, and float32 where they meet weights.

    Raises:
        Problem: one holds integers or truth values, or other floating-point numbers than the weights.
    """
    for index, x in enumerate(call.inputs):
        if x.dtype not in FLOATING:
            raise Problem(
                "E0307",
                f"`{name}` needs floating-point numbers, but the input holds {x.dtype}",
                x.dtype,
                input=index,
                help="an `embedding` turns whole numbers into vectors" if x.dtype in INTEGER else "",
            )
        if weights and x.dtype != "float32":
            raise Problem(
                "E0307",
                f"`{name}` has float32 weights, but the input holds {x.dtype}",
                x.dtype,
                input=index,
                help="declare the input without a dtype; a whole model is converted in Python, `model.half()`",
            )


def same_dtype(call: Call, name: str) -> None:
    """Check that all inputs hold the same kind of numbers, where torch does not convert them.

    Raises:
        Problem: they differ.
    """
    for index, x in enumerate(call.inputs):
        if x.dtype != call.x.dtype:
            raise Problem(
                "E0307",
                f"`{name}` needs inputs of one kind of numbers: branch 1 holds {call.x.dtype}, "
                f"branch {index + 1} holds {x.dtype}",
                x.dtype,
                input=index,
            )


def spatial(call: Call, name: str, *, least: int = 1, most: int = 3, weights: bool = False) -> tuple[Size, ...]:
    """Return the sizes after the channels of an input that is a map: (C, L), (C, H, W) or (C, D, H, W).

    Raises:
        Problem: it has too few or too many axes, or no batch, or no floating-point numbers.
    """
    floating(call, name, weights=weights)
    x = batched(call, name)
    found = len(x.shape) - 1
    if least <= found <= most:
        return x.shape[1:]
    if found < least:
        has = "only features, no axes after them" if found == 0 else "no axes"
    else:
        has = f"{found} axes after the first"
    raise Problem(
        "E0303",
        f"`{name}` takes {_counted(least, most)} after the channels, but the input is {x}: it has {has}",
        f"{x}: {has}",
        input=0,
        help="after `flatten` only `linear` and elementwise operators fit: move this before it; or, for a path beside "
        f"that one, name the map, `... as features`, and begin the statement with the name, `features -> {name}`"
        if found <= 0
        else "",
    )


def _counted(least: int, most: int) -> str:
    if least == most:
        return f"{least} axes" if least != 1 else "1 axis"
    return f"{least} to {most} spatial axes"


def divisors(number: int, limit: int = 12) -> str:
    """List the divisors of a number, shortened.

    >>> divisors(12)
    '1, 2, 3, 4, 6, 12'
    """
    small = [d for d in range(1, min(int(number**0.5), 4096) + 1) if number % d == 0]
    found = sorted({*small, *(number // d for d in small)})
    return ", ".join(map(str, found)) if len(found) <= limit else f"{', '.join(map(str, found[:limit]))} and others"


def divided(call: Call, size: Size, argument: str, what: str, *, input: int | None = 0) -> int:
    """Return a number that is a multiple of the argument `argument`.

    Raises:
        Problem: it is not a number, or not a multiple.
    """
    number = call.known(size, what)
    divisor = call.integer(argument)
    if number % divisor:
        raise Problem(
            "E0304",
            f"`{argument}` must divide {what}: {number} is not a multiple of {divisor}",
            f"does not divide {number}",
            argument=argument,
            help=f"{number} is divided by {divisors(number)}",
        )
    return number


def elements(sizes: Iterable[Size]) -> Size:
    """Return the product of sizes."""
    return prod(sizes)


def ceiling(size: Size, divisor: int) -> Size:
    """Return a size divided by a number, rounded up."""
    return -(-size // divisor)


def same(call: Call) -> tuple[Tensor, ...]:
    """The shape rule of what changes no size."""
    return (call.x,)


def elementwise(name: str) -> Callable[[Call], tuple[Tensor, ...]]:
    """Return the shape rule of what changes no size and needs floating-point numbers."""

    def rule(call: Call) -> tuple[Tensor, ...]:
        floating(call, name)
        return (call.x,)

    return rule


# ---- PyTorch text


def folded(values: Sequence[object]) -> object:
    """Return one number for several equal ones, else all of them.

    >>> folded((3, 3)), folded((3, 5))
    (3, (3, 5))
    """
    return values[0] if len(values) > 0 and all(value == values[0] for value in values) else tuple(values)


def construct(callee: str, *positional: object, keywords: Iterable[Keyword] = ()) -> Construct:
    """Return the text of a module, without the arguments that are torch's default.

    >>> construct("nn.MaxPool2d", 3, keywords=[("stride", 2, None), ("padding", 0, 0)]).arguments
    ((None, 3), ('stride', 2))
    """
    named = tuple((name, plain(value)) for name, value, default in keywords if not _equal(value, default))
    return Construct(callee, (*((None, plain(value)) for value in positional), *named))


def _equal(value: object, default: object) -> bool:
    return value == default and isinstance(value, bool) == isinstance(default, bool)


def plain(value: object) -> object:
    """Return an argument of the language as Python writes it: lists become tuples."""
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def applied(callee: str, built: Construct, first: str = "{0}") -> Expression:
    """Return the function with the same arguments as a module: `F.max_pool2d(x, 3, stride=2)`.

    >>> applied("F.glu", construct("nn.GLU", 1)).template
    'F.glu({0}, {a0})'
    """
    parts = [first]
    values = {}
    for number, (name, value) in enumerate(built.arguments):
        key = name if name is not None else f"a{number}"
        parts.append(f"{{{key}}}" if name is None else f"{name}={{{key}}}")
        values[key] = value
    return Expression(f"{callee}({', '.join(parts)})", values)


# ---- kinds of numbers


def promoted(dtypes: Sequence[str], scalars: Sequence[int] = ()) -> str:
    """Return the kind of numbers that torch computes with; `scalars` are the places of single numbers.

    A single number decides only when it is of a higher kind (integer beside truth values, float beside integers).

    >>> promoted(["int64", "float32"]), promoted(["float16", "float64"], [1]), promoted(["int32", "float64"], [1])
    ('float32', 'float16', 'float64')
    """
    tensors = [dtype for place, dtype in enumerate(dtypes) if place not in scalars]
    numbers = [dtype for place, dtype in enumerate(dtypes) if place in scalars]
    if not tensors or not numbers:
        return _widest(tensors or numbers)
    own, other = _widest(tensors), _widest(numbers)
    return own if _height(other) <= _height(own) else other


def _height(dtype: str) -> int:
    return 2 if dtype in FLOATING else 1 if dtype in INTEGER else 0


def _widest(dtypes: Sequence[str]) -> str:
    floats = sorted({dtype for dtype in dtypes if dtype in FLOATING}, key=FLOATING.index)
    if floats:
        return "float32" if floats == ["float16", "bfloat16"] else floats[-1]
    integers = sorted({dtype for dtype in dtypes if dtype in INTEGER}, key=INTEGER.index)
    if integers:
        return "int16" if integers == ["uint8", "int8"] else integers[-1]
    return "bool"
