"""What to type so that two branches fit together: a projection, a padding, a transposition."""

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor

MOST_PADDING = 5  # a larger difference is no matter of padding


def to_add(inputs: tuple[Tensor, ...], first: int, second: int) -> str:
    """Return what to type so that two branches have one size; nothing where there is no plain way.

    >>> to_add((Tensor((64, 16, 16)), Tensor((3, 32, 32))), 0, 1)
    'end branch 2 with `conv(64, 1, stride=2)`, which makes it 64x16x16'
    """
    help = _to_add(inputs, first, second)
    if help and len(inputs) > 2:
        help += "; every statement in the braces is a branch: a chain of lines stands in braces of its own, `{ ... }`"
    return help


def _to_add(inputs: tuple[Tensor, ...], first: int, second: int) -> str:
    a, b = inputs[first], inputs[second]
    if not a.batched or not b.batched:
        return _own(a, b, first, second)
    if len(a.shape) != len(b.shape):
        return _ranks(a, b, first, second)
    if len(a.shape) < 2:
        return f"end branch {second + 1} with `linear({a.shape[0]})`, which makes it {a}" if len(a.shape) == 1 else ""
    if len(a.shape) == 2 and a.shape == b.shape[::-1]:
        return f"end branch {second + 1} with `transpose(1, 2)`, which makes it {a}"
    if len(a.shape) == 2 and a.shape[0] == b.shape[0]:
        return f"end branch {second + 1} with `linear({a.shape[1]})`, which makes it {a}"
    place, goal = (second, a) if _changes(b, a) else (first, b)
    step = _stride(inputs[place].shape[1:], goal.shape[1:])
    if step == 1:
        return f"end branch {place + 1} with `conv({goal.shape[0]}, 1)`, which makes it {goal}"
    if step:
        return f"end branch {place + 1} with `conv({goal.shape[0]}, 1, stride={step})`, which makes it {goal}"
    # The smaller one has lost something on the way.
    return _padding(
        goal, inputs[place], first + second - place, place, channels=goal.shape[0] != inputs[place].shape[0]
    )


def to_concat(inputs: tuple[Tensor, ...], first: int, second: int, place: int | None) -> str:
    """Return what to type so that two branches can be joined along the axis at a place, counted with the batch.

    >>> to_concat((Tensor((16, 32, 32)), Tensor((16, 11, 11))), 0, 1, 1).split(": ")[0]
    'branch 2 is 3 times smaller'
    """
    a, b = inputs[first], inputs[second]
    if not a.batched or not b.batched:
        return _turned(a, b, first, place) or _turned(b, a, second, place)
    if len(a.shape) != len(b.shape):
        return _ranks(a, b, first, second)
    if len(a.shape) < 2 or place not in (1, None):
        return ""
    if not _changes(a, b):
        a, b, first, second = b, a, second, first
    # Branch `first` is the larger one now.
    step = _stride(a.shape[1:], b.shape[1:])
    if step > 1:
        return (
            f"branch {second + 1} is {step} times smaller: write `stride=1` there "
            f"(the stride of a pooling is its kernel, unless it is given), or `interpolate(scale_factor={step})` on it"
        )
    return _padding(b, a, second, first, channels=False)


def _turned(x: Tensor, other: Tensor, index: int, place: int | None) -> str:
    """What to type where a sequence has its features first, beside a value of the network's own."""
    sizes = other.shape if not other.batched else (1, *other.shape)
    if not x.batched or len(x.shape) != 2 or len(sizes) != 3 or place is None:
        return ""
    turned = (1, x.shape[1], x.shape[0])
    if all(one == wanted for axis, (one, wanted) in enumerate(zip(turned, sizes, strict=True)) if axis != place):
        return f"end branch {index + 1} with `transpose(1, 2)`, which makes it {Tensor(turned[1:])}"
    return ""


def _changes(x: Tensor, goal: Tensor) -> bool:
    """Whether it is `x` that a projection brings to the other's size: the larger map, else the fewer channels."""
    sizes = [(one, other) for one, other in zip(x.shape[1:], goal.shape[1:], strict=True)]
    numbers = [(one, other) for one, other in sizes if isinstance(one, int) and isinstance(other, int)]
    if any(one != other for one, other in numbers):
        return any(one > other for one, other in numbers)
    one, other = x.shape[0], goal.shape[0]
    return not (isinstance(one, int) and isinstance(other, int)) or one <= other


def _stride(sizes: tuple[Size, ...], goal: tuple[Size, ...]) -> int:
    """The stride of a convolution with kernel 1 that leads from sizes to others; 0 where there is none."""
    if sizes == goal:
        return 1
    steps = set()
    for size, wanted in zip(sizes, goal, strict=True):
        if not isinstance(size, int) or not isinstance(wanted, int) or wanted < 1:
            return 0
        steps.add(next((step for step in range(2, 17) if (size - 1) // step + 1 == wanted), 0))
    return steps.pop() if len(steps) == 1 else 0


def _padding(small: Tensor, large: Tensor, index: int, other: int, *, channels: bool) -> str:
    """What to type where one branch has lost rows and columns at its edges."""
    lost = set()
    for wanted, size in zip(large.shape[1:], small.shape[1:], strict=True):
        less = wanted - size
        if not isinstance(less, int):
            return "bring both to one resolution: the same strides and paddings on both branches"
        lost.add(less)
    kept = "x".join(map(str, large.shape[1:]))
    sizes = ", ".join(map(str, large.shape[1:]))
    fixed = all(isinstance(size, int) for size in large.shape[1:])
    otherwise = f"write `interpolate([{sizes}])` after it" if fixed else f"`crop` branch {other + 1}"
    if len(lost) != 1 or max(lost) % 2 or not 0 < max(lost) <= 2 * MOST_PADDING:
        return f"change strides and paddings until both have one resolution, or {otherwise}"
    text = (
        f"branch {index + 1} has lost rows or columns: a convolution there needs a `padding` {max(lost) // 2} larger "
        f"to keep {kept}, or {otherwise}"
    )
    return text + f"; then `conv({small.shape[0]}, 1)` on branch {other + 1}" if channels else text


def _own(a: Tensor, b: Tensor, first: int, second: int) -> str:
    """What to type where a value of the network's own meets one with a batch."""
    value, place = (b, first) if not a.batched else (a, second)
    if not value.batched:
        return ""
    whole = ", ".join(map(str, (1, *value.shape)))
    return f"make branch {place + 1} as large as the value, `[{whole}]`; a size of 1 counts for all"


def _ranks(a: Tensor, b: Tensor, first: int, second: int) -> str:
    """What to type where a vector meets a map."""
    short, place = (a, first) if len(a.shape) < len(b.shape) else (b, second)
    if len(short.shape) == 1 and max(len(a.shape), len(b.shape)) == 3:
        channels = short.shape[0]
        return f"end branch {place + 1} with `reshape([{channels}, 1, 1])`, which makes it a map of one place"
    return "give both as many axes: `flatten`, `unsqueeze` and `reshape` change their number"
