"""What to type so that two branches fit together: a projection, a padding, a transposition."""

from typing import NamedTuple

from archc.compiler.algebra.sizes import Size, evaluate, symbols
from archc.compiler.ir import Node, Tensor

MOST_PADDING = 5  # a larger difference is no matter of padding
TYPICAL = 4096  # what a symbol stands for where two formulas are compared: large, and halved often
CHAIN = (
    "every statement in the braces is a branch: a chain of lines stands in braces of its own, `{{ ... }}`; "
    "if {} branches are meant, {}"
)


class Projection(NamedTuple):
    """A layer that brings a branch, counted from 0, to the size of another one."""

    branch: int
    stride: int
    goal: Tensor


def to_add(inputs: tuple[Tensor, ...], first: int, second: int) -> str:
    """Return what to type so that two branches have one size; nothing where there is no plain way.

    >>> to_add((Tensor((64, 16, 16)), Tensor((3, 32, 32))), 0, 1)
    'end branch 2 with `conv(64, 1, stride=2)`, which makes it 64x16x16'
    """
    help = _to_add(inputs, first, second)
    return CHAIN.format(len(inputs), help) if help and len(inputs) > 2 else help


def projection(inputs: tuple[Tensor, ...], first: int, second: int) -> Projection | None:
    """Return the projection that lets two maps be added; `None` where there is none.

    >>> projection((Tensor((64, 16, 16)), Tensor((3, 32, 32))), 0, 1)
    Projection(branch=1, stride=2, goal=Tensor(shape=(64, 16, 16), dtype='float32', batched=True))
    """
    a, b = inputs[first], inputs[second]
    if not (a.batched and b.batched and len(a.shape) == len(b.shape) >= 2):
        return None
    branch, goal = (second, a) if _changes(b, a) else (first, b)
    step = _stride(inputs[branch].shape[1:], goal.shape[1:])
    if step == 1:  # formulas that are equal for the sizes that the network takes
        goal = goal._replace(shape=(goal.shape[0], *inputs[branch].shape[1:]))
    return Projection(branch, step, goal) if step else None


def in_place(found: Projection, x: Tensor, layer: Node) -> str:
    """Return how the convolution that a branch ends with becomes the projection; nothing where it cannot.

    `x` is what the branch leaves.
    """
    stride, kernel, padding = (layer.arguments.get(name) for name in ("stride", "kernel_size", "padding"))
    typed = f"`{' '.join(layer.span.text.split())}` in branch {found.branch + 1}"
    channels = x.shape[0] != found.goal.shape[0]
    if found.stride > 1:
        if stride != 1 or not isinstance(kernel, int) or kernel % 2 == 0 or padding != kernel // 2:
            return ""
        rest = f" and let it leave {found.goal.shape[0]} channels" if channels else ""
        return f"add `stride={found.stride}` to {typed}{rest}, which makes it {found.goal}"
    return f"let {typed} leave {found.goal.shape[0]} channels, which makes it {found.goal}"


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
    found = projection(inputs, first, second)
    if found is not None:
        stride = f", stride={found.stride}" if found.stride > 1 else ""
        typed = f"conv({found.goal.shape[0]}, 1{stride})"
        return f"end branch {found.branch + 1} with `{typed}`, which makes it {found.goal}"
    place, goal = (second, a) if _changes(b, a) else (first, b)
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
    numbers = list(zip(map(_typical, x.shape[1:]), map(_typical, goal.shape[1:]), strict=True))
    if any(one != other for one, other in numbers):
        return any(one > other for one, other in numbers)
    one, other = x.shape[0], goal.shape[0]
    return not (isinstance(one, int) and isinstance(other, int)) or one <= other


def _typical(size: Size) -> int:
    """A size as a number, where each symbol is a large one."""
    return evaluate(size, dict.fromkeys(symbols(size), TYPICAL))


def _stride(sizes: tuple[Size, ...], goal: tuple[Size, ...]) -> int:
    """The stride of a convolution with kernel 1 that leads from sizes to others; 0 where there is none."""
    steps = set()
    pairs = list(zip(map(_typical, sizes), map(_typical, goal), strict=True))
    if all(size == wanted for size, wanted in pairs):
        return 1
    for size, wanted in pairs:
        if wanted < 1:
            return 0
        steps.add(next((step for step in range(2, 17) if (size - 1) // step + 1 == wanted), 0))
    return steps.pop() if len(steps) == 1 else 0


def _padding(small: Tensor, large: Tensor, index: int, other: int, *, channels: bool) -> str:
    """What to type where one branch has lost rows and columns at its edges."""
    lost = set()
    for wanted, size in zip(large.shape[1:], small.shape[1:], strict=True):
        lost.add(_typical(wanted) - _typical(size))
    kept = str(Tensor(large.shape[1:]))
    sizes = ", ".join(map(str, large.shape[1:]))
    fixed = all(isinstance(size, int) for size in large.shape[1:])
    cut = f"cut branch {other + 1} to the size of branch {index + 1}, `crop {{ ...; ... }}`"
    otherwise = f"write `interpolate([{sizes}])` after it" if fixed else cut
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
