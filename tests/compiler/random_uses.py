"""Random uses of operators: arguments that the kinds of the parameters accept, inputs that fit more or less."""

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from archc.compiler.ir import Initialisation, Tensor
from archc.compiler.ops.entry import REQUIRED, Op, Parameter
from archc.compiler.ops.initial import INITIALIZERS

Arguments = dict[str, Any]
Sampler = Callable[[Random, Sequence[Tensor]], object]


class Use(NamedTuple):
    """A use of an operator: its arguments and the types of its inputs."""

    op: Op
    arguments: Arguments
    inputs: tuple[Tensor, ...]

    def __str__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.op.name}({arguments}) on {', '.join(map(repr, self.inputs))}"


# ---- random arguments


def _numbers(*numbers: float) -> Sampler:
    return lambda random, inputs: random.choice(numbers)


def _spatial(inputs: Sequence[Tensor]) -> int:
    return max(len(inputs[0].shape) - 1, 1)


def _per_axis(one: Sampler) -> Sampler:
    def sample(random: Random, inputs: Sequence[Tensor]) -> object:
        if random.random() < 0.5:
            return one(random, inputs)
        count = _spatial(inputs) if random.random() < 0.9 else random.randint(1, 4)
        return [one(random, inputs) for _ in range(count)]

    return sample


def _axis(random: Random, inputs: Sequence[Tensor]) -> int:
    ranks = len(inputs[0].shape) + 1
    return random.randint(-ranks, ranks - 1) if random.random() < 0.9 else random.randint(-6, 6)


def _axes(random: Random, inputs: Sequence[Tensor]) -> object:
    if random.random() < 0.4:
        return _axis(random, inputs)
    if random.random() < 0.4:
        return list(range(-random.randint(1, max(len(inputs[0].shape), 1)), 0))
    return [_axis(random, inputs) for _ in range(random.randint(1, 3))]


def _order(random: Random, inputs: Sequence[Tensor]) -> object:
    ranks = len(inputs[0].shape) + inputs[0].batched
    order = list(range(inputs[0].batched, ranks))
    random.shuffle(order)
    order = [0] * inputs[0].batched + order
    if order and random.random() < 0.2:
        order[random.randrange(len(order))] = random.randint(-ranks, ranks)
    return [dim - ranks if dim and random.random() < 0.2 else dim for dim in order] or [0]


def _factors(random: Random, total: int) -> list[int]:
    sizes = []
    while total > 1 and random.random() < 0.8:
        divisor = random.choice([d for d in range(1, total + 1) if total % d == 0])
        sizes.append(divisor)
        total //= divisor
    sizes.append(total)
    random.shuffle(sizes)
    return sizes


def _shape(random: Random, inputs: Sequence[Tensor]) -> object:
    shape = inputs[0].shape
    total = 1
    for size in shape if random.random() < 0.5 else random.sample(shape, min(1, len(shape))):
        assert isinstance(size, int)
        total *= size
    sizes = _factors(random, total)
    if random.random() < 0.4:
        sizes[random.randrange(len(sizes))] = -1
    if random.random() < 0.2:
        sizes[random.randrange(len(sizes))] = random.randint(1, 5)
    return sizes


def _sizes(random: Random, inputs: Sequence[Tensor]) -> object:
    total = random.choice(inputs[0].shape or (3,))
    assert isinstance(total, int)
    sizes = []
    while total > 0:
        sizes.append(random.randint(1, total))
        total -= sizes[-1]
    return sizes if random.random() < 0.8 else [*sizes, 1]


def _sides(random: Random, inputs: Sequence[Tensor]) -> object:
    if random.random() < 0.3:
        return random.randint(-1, 4)
    axes = _spatial(inputs) if random.random() < 0.7 else random.randint(1, 4)
    low = -3 if random.random() < 0.3 else 0
    return [random.randint(low, 4) for _ in range(2 * axes)] + ([1] if random.random() < 0.05 else [])


def _pattern(random: Random, inputs: Sequence[Tensor]) -> object:
    names = iter("abcdefghij")
    left = []
    for size in inputs[0].shape:
        assert isinstance(size, int)
        if size == 1 and random.random() < 0.5:
            left.append("1")
        elif random.random() < 0.5:
            left.append(next(names))
        else:
            divisor = random.choice([d for d in range(1, size + 1) if size % d == 0 or random.random() < 0.05])
            parts = [next(names), f"{next(names)}={divisor}"]
            random.shuffle(parts)
            left.append(f"({' '.join(parts)})")
    used = [re.sub("=.*", "", word) for word in re.findall(r"[a-z](?:=\d+)?", " ".join(left))]
    random.shuffle(used)
    right = []
    while used:
        count = min(random.randint(0, 2), len(used))
        group, used = used[:count], used[count:]
        right.append("1" if not group else group[0] if len(group) == 1 else f"({' '.join(group)})")
    if random.random() < 0.05:
        right = right[1:]
    return f"{' '.join(left)} -> {' '.join(right)}"


SIZES = (1, 1, 2, 2, 3, 4, 4, 5, 6, 7, 8)
NUMBERS = (-2, -1.5, -1, -0.5, 0, 0.25, 0.5, 1, 2, 2.5)


def _nested(random: Random, inputs: Sequence[Tensor]) -> object:
    if random.random() < 0.3:
        return random.choice((*NUMBERS, True))
    sizes = [random.randint(1, 3) for _ in range(random.randint(1, 3))]

    def nested(depth: int) -> object:
        if depth == len(sizes):
            return random.choice((0, 1, 2, 0.5, False))
        return [nested(depth + 1) for _ in range(sizes[depth] + (random.random() < 0.05))]

    return nested(0)


def _initialisation(random: Random, inputs: Sequence[Tensor]) -> object:
    initializer = random.choice(list(INITIALIZERS.values()))
    given = {
        parameter.name: _sampled(random, parameter, inputs)
        for parameter in initializer.parameters
        if (parameter.default is REQUIRED or random.random() < 0.5)
    }
    return Initialisation(initializer.name, tuple(given.items()))


SAMPLERS: dict[str, Sampler] = {
    "a list of positive sizes, empty for a single number": lambda random, inputs: [
        random.choice(SIZES) for _ in range(random.randint(0, 4))
    ],
    "an initializer such as `zeros` or `normal(std=0.02)`": _initialisation,
    "a number, `true` or `false`, or nested lists of them": _nested,
    "`true` or `false`": _numbers(True, False),
    "a whole number": lambda random, inputs: random.randint(-5, 5),
    "a positive whole number": _numbers(1, 1, 2, 2, 3, 4, 6),
    "a whole number, 0 or more": _numbers(0, 0, 1, 2, 3, 5),
    "a number": _numbers(*NUMBERS),
    "a positive number": _numbers(0.25, 0.5, 1, 1.5, 2, 2.5, 3),
    "a number, 0 or more": _numbers(0, 0.001, 0.5, 1, 2),
    "a number from 0 to 1": _numbers(0, 0.0, 0.25, 1),
    "text": _pattern,
    "the number of an axis": _axis,
    "the number of an axis, or a list of them": _axes,
    "a list of the numbers of axes": _order,
    "a whole number, or a list of them": _axes,
    "a positive whole number, or one for each axis": _per_axis(_numbers(1, 1, 2, 2, 3, 4)),
    "a whole number, 0 or more, or one for each axis": _per_axis(_numbers(0, 0, 1, 1, 2, 3)),
    'a whole number, 0 or more, or one for each axis, or "same" or "valid"': lambda random, inputs: (
        random.choice(["same", "valid"]) if random.random() < 0.3 else _per_axis(_numbers(0, 1, 2, 3))(random, inputs)
    ),
    "a positive whole number or `none`, or one for each axis": _per_axis(_numbers(1, 2, 3, 7)),
    "a positive number, or one for each axis": _per_axis(_numbers(0.1, 0.3, 0.5, 1, 1.5, 2, 2.7, 3)),
    "a list of positive sizes": _sizes,
    "a list of sizes, -1 to keep one": lambda random, inputs: (
        [random.choice((-1, -1, size, 3)) for size in inputs[0].shape[: random.choice((9, 9, 9, 1))]] or [2]
    ),
    "a positive size, or one for each axis": _per_axis(_numbers(1, 2, 3, 4, 5)),
    "a list of positive sizes, at most one of them -1": _shape,
    "a whole number, or two for each axis, the last axis first": _sides,
}


def _sampled(random: Random, parameter: Parameter, inputs: Sequence[Tensor]) -> object:
    words = parameter.kind.words
    if words.endswith(", or `none`"):
        if random.random() < 0.2:
            return None
        words = words.removesuffix(", or `none`")
    if words.startswith(("one of ", '"')):
        return random.choice(re.findall('"([^"]+)"', words))
    return SAMPLERS[words](random, inputs)


# ---- random inputs


def _tensor(random: Random, *, least: int = 0, most: int = 4, batched: float = 0.9) -> Tensor:
    rank = random.randint(least, most)
    return Tensor(tuple(random.choice(SIZES) for _ in range(rank)), batched=random.random() < batched)


def _varied(random: Random, x: Tensor) -> Tensor:
    """A value that fits the first one more or less."""
    sizes = list(x.shape)
    if sizes and random.random() < 0.4:
        sizes[random.randrange(len(sizes))] = random.choice((1, random.choice(SIZES)))
    if x.batched and random.random() < 0.2:
        return Tensor(tuple(sizes if random.random() < 0.5 else (1, *sizes)), batched=False)
    if random.random() < 0.1:
        sizes = sizes[1:]
    return x._replace(shape=tuple(sizes))


def _alike(low: int, high: int) -> Callable[[Random], tuple[Tensor, ...]]:
    def make(random: Random) -> tuple[Tensor, ...]:
        first = _tensor(random, most=3)
        return (first, *(_varied(random, first) for _ in range(random.randint(low, high) - 1)))

    return make


def _mixed(low: int, high: int) -> Callable[[Random], tuple[Tensor, ...]]:
    def make(random: Random) -> tuple[Tensor, ...]:
        dtypes = ("float32",) * 5 + ("int64", "bool", "float16", "bfloat16", "float64", "uint8", "int8", "int32")
        return tuple(x._replace(dtype=random.choice(dtypes)) for x in _alike(low, high)(random))

    return make


def _maps(random: Random) -> tuple[Tensor, ...]:
    x = _tensor(random, least=2 if random.random() < 0.9 else 0, most=4, batched=0.97)
    return (x._replace(shape=(random.choice((1, 2, 3, 4, 6, 8)), *x.shape[1:])) if x.shape else x,)


def _matrices(random: Random) -> tuple[Tensor, ...]:
    inner = random.choice(SIZES)
    front = [random.choice(SIZES) for _ in range(random.randint(0, 2))]
    a = Tensor((*front, random.choice(SIZES), inner))
    other = [size if random.random() < 0.8 else 1 for size in front]
    b = Tensor((*other, inner if random.random() < 0.9 else random.choice(SIZES), random.choice(SIZES)))
    pair = [a, b]
    for number in (0, 1):
        draw = random.random()
        if draw < 0.2:
            pair[number] = pair[number]._replace(batched=False)
        elif draw < 0.3:
            pair[number] = Tensor(pair[number].shape[-1:], batched=random.random() < 0.5)
    return tuple(pair)


def _sequences(count: tuple[int, ...]) -> Callable[[Random], tuple[Tensor, ...]]:
    def make(random: Random) -> tuple[Tensor, ...]:
        number, length, width = random.choice(count), random.choice(SIZES), random.choice((2, 4, 6, 8))
        found = [(random.choice(SIZES), width), *[(length, random.choice((width, 3, 4))) for _ in range(number - 1)]]
        if random.random() < 0.1:
            found[-1] = (random.choice(SIZES), width)
        shapes: list[tuple[int, ...]] = list(found)
        if random.random() < 0.1:
            shapes[0] = random.choice([(width,), (2, 3, width)])
        return tuple(Tensor(shape) for shape in shapes)

    return make


def _states(count: int) -> Callable[[Random], tuple[Tensor, ...]]:
    def make(random: Random) -> tuple[Tensor, ...]:
        x = _tensor(random, least=2, most=2 if random.random() < 0.9 else 3, batched=1)
        state = Tensor((random.choice((1, 2, 4)), random.choice((1, 2, 3))))
        return (x, *(state for _ in range(count))) if random.random() < 0.5 else (x,)

    return make


def _table(random: Random) -> tuple[Tensor, ...]:
    table = _tensor(random, least=1, most=3, batched=0.5)
    index = _tensor(random, most=2, batched=0.3)
    return (table, index._replace(dtype=random.choice(("int64", "int64", "int32", "float32"))))


def _grids(random: Random) -> tuple[Tensor, ...]:
    axes = random.choice((2, 2, 3))
    grid = tuple(random.choice((1, 2, 3, 5)) for _ in range(axes))
    x = Tensor(tuple(random.choice((1, 2, 3, 5)) for _ in range(axes + 1 if random.random() < 0.9 else 2)))
    return x, Tensor((*grid, axes if random.random() < 0.8 else random.choice((1, 2, 3))))


def _matrix(random: Random) -> tuple[Tensor, ...]:
    axes = random.choice((2, 2, 3))
    theta = Tensor((axes, axes + 1) if random.random() < 0.85 else (2, 2))
    like = Tensor(tuple(random.choice((1, 2, 3)) for _ in range(axes + 1 if random.random() < 0.85 else 2)))
    return (theta, like) if random.random() < 0.5 else (theta,)


def _folded(random: Random) -> tuple[Tensor, ...]:
    if random.random() < 0.1:
        return (Tensor((random.choice((1, 1, 1, 2, 4)),)),)
    return (Tensor((random.choice((144, 144, 144, 12)), random.choice((1, 1, 1, 1, 1, 2, 2, 3, 4, 4, 6)))),)


def _found_places(random: Random) -> tuple[Tensor, ...]:
    shape = tuple(random.choice((1, 2, 3, 4)) for _ in range(random.choice((2, 3, 3, 4))))
    places = Tensor(shape if random.random() < 0.9 else shape[1:], random.choice(("int64",) * 9 + ("int32",)))
    large = Tensor((shape[0], *(2 * size + random.randint(-1, 1) for size in shape[1:])))
    return (Tensor(shape), places, large) if random.random() < 0.4 else (Tensor(shape), places)


def _choice_of(random: Random) -> tuple[Tensor, ...]:
    first, *others = _mixed(3, 3)(random)
    return (first._replace(dtype="bool" if random.random() < 0.9 else "float32"), *others)


def _attended(random: Random) -> tuple[Tensor, ...]:
    front = tuple(random.choice((1, 2, 3)) for _ in range(random.randint(0, 2)))
    width, length = random.choice(SIZES), random.choice(SIZES)
    query, key = (random.choice(SIZES), width), (length, width if random.random() < 0.9 else 3)
    value = (length if random.random() < 0.9 else 2, random.choice(SIZES))
    return tuple(Tensor((*front, *shape)) for shape in (query, key, value))


INPUTS: dict[str, Callable[[Random], tuple[Tensor, ...]]] = {
    "parameter": lambda random: (),
    "buffer": lambda random: (),
    "constant": lambda random: (),
    "matmul": _matrices,
    "multihead_attention": _sequences((1, 1, 2, 3, 3, 3)),
    "scaled_dot_product_attention": _attended,
    "lstm": _states(2),
    "gru": _states(1),
    "rnn": _states(1),
    "embedding": lambda random: (
        _tensor(random, most=2)._replace(dtype=random.choice(("int64", "int64", "int32", "float32", "int16"))),
    ),
    "take": _table,
    "where": _choice_of,
    "grid_sample": _grids,
    "affine_grid": _matrix,
    "fold": _folded,
    "unfold": lambda random: (Tensor(tuple(random.choice(SIZES) for _ in range(3 if random.random() < 0.8 else 2))),),
    "max_unpool": _found_places,
    "bilinear": _alike(2, 2),
    "crop": _alike(1, 2),
    **{name: _mixed(1, 3) for name in ("add", "sub", "mul", "div", "maximum", "minimum")},
    **{name: _mixed(2, 3) for name in ("concat", "stack")},
    **{name: _mixed(1, 2) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
}


# What arguments with one number for each spatial axis are made for, where the input is no map.
LIKE: dict[str, Callable[[Sequence[Tensor]], Sequence[Tensor]]] = {
    "fold": lambda inputs: (Tensor((1, 1, 1)),),
    "affine_grid": lambda inputs: (Tensor((1,) * (inputs[0].shape[-1])),),  # type: ignore[operator]
}


def random_use(op: Op, random: Random) -> Use:
    """Make a use with arguments that the kinds of the parameters accept; whether it fits is for the rules to say."""
    if op.name in INPUTS:
        inputs = INPUTS[op.name](random)
    elif op.role in ("convolution", "pooling", "resample", "norm"):
        inputs = _maps(random)
    else:
        inputs = (_tensor(random),)
    if op.name not in INPUTS and random.random() < 0.05:
        dtype = random.choice(("float64", "float64", "int64", "int32", "bool"))
        inputs = tuple(x._replace(dtype=dtype) for x in inputs)
    arguments: Arguments = {}
    for parameter in op.parameters:
        if parameter.default is REQUIRED or random.random() < 0.4:
            value = _sampled(random, parameter, LIKE[op.name](inputs) if op.name in LIKE else inputs)
            assert parameter.kind.accepts(value), (parameter, value)
        else:
            value = parameter.default
        arguments[parameter.name] = value
    return Use(op, arguments, inputs)
