"""Random networks for inputs of any size: a text, and the same in torch's own functions, written apart from archc."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.campaigns.network_parts import (
    SIMPLE,
    Made,
    Maker,
    Part,
    Run,
    Torch,
    chain,
    conv,
    cut,
    groups,
    middle,
    pool,
    relative_crop,
    reshape,
    same_conv,
    shuffle,
    single_conv,
    whole,
    written,
)


class RandomNetwork(NamedTuple):
    """A network: its text, the sizes of its input (numbers, or symbols to be chosen), and the same in torch."""

    text: str
    shape: tuple[int | str, ...]
    run: Run

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols of the input, each once."""
        return tuple(dict.fromkeys(size for size in self.shape if isinstance(size, str)))

    def outcome(self, sizes: dict[str, int]) -> tuple[int, ...] | None:
        """Return the sizes of the result for a choice of the symbols, `None` where the network cannot run."""
        shape = [sizes[size] if isinstance(size, str) else size for size in self.shape]
        try:
            return tuple(self.run(torch.empty([1, *shape], device="meta")).shape[1:])
        except (RuntimeError, ValueError, IndexError):
            return None


def random_network(random: Random) -> RandomNetwork:
    """Make a network of one to four parts over (C, L), (C, H, W) or (C, H, H)."""
    spatial: tuple[str, ...] = random.choice((("L",), ("H", "W"), ("H", "H"), ("H", "H")))
    channels = random.choice((4, 8))
    maker = Maker(random)
    parts = [random.choice(BEGINNINGS)(maker, channels, len(spatial))]
    for _ in range(random.choice((0, 1, 1, 2, 2, 3))):
        parts.append(random.choice(PARTS)(maker, parts[-1].channels, len(spatial)))
    if random.random() < 0.25:
        parts.append(random.choice(ENDINGS)(maker, parts[-1].channels, len(spatial)))
    body = chain(parts)
    shape: tuple[int | str, ...] = (channels, *spatial)
    lines = [*maker.blocks, f"arch Net {{\ninput x: [{', '.join(map(str, shape))}]\n{body.text}\n}}"]
    return RandomNetwork("\n".join(lines) + "\n", shape, body.run)


# ---- structures


def residual(maker: Maker, channels: int, axes: int) -> Part:
    """Two or three branches that are added, most often with a stride."""
    stride = maker.one(1, 2, 2, 2, 3)
    branches = []
    for _ in range(maker.one(2, 2, 2, 3)):
        match maker.random.randrange(6):
            case 0 if stride == 1:
                branches.append(Part("identity", lambda x: x, channels))
            case 1:
                branches.append(_pool(channels, axes, stride, stride, ceil=False))
            case 2:
                branches.append(_pool(channels, axes, stride, stride, ceil=True))
            case 3:
                branches.append(single_conv(channels, channels, axes, 1, stride=stride))
            case 4:
                k = maker.one(2, 3, 4)
                branches.append(single_conv(channels, channels, axes, k, stride=stride, padding=(k - 1) // 2))
            case _:
                first = single_conv(channels, channels, axes, 3, stride=stride, padding=1)
                branches.append(_joined(first, same_conv(maker, channels, axes)))
    return _merge("concat", branches, channels * len(branches)) if maker.fixed else _merge("add", branches, channels)


def _pool(channels: int, axes: int, k: int, stride: int, *, ceil: bool) -> Part:
    function: Torch = (F.max_pool1d, F.max_pool2d)[axes - 1]
    text = written("max_pool", kernel_size=k, stride=stride, ceil_mode=ceil)
    return Part(text, lambda x: function(x, k, stride=stride, ceil_mode=ceil), channels)


def _joined(*parts: Part) -> Part:
    both = chain(parts)
    return both._replace(text="{ " + both.text.replace("\n", "; ") + " }")


def _merge(op: str, branches: Sequence[Part], channels: int, arguments: str = "", dim: int = 1) -> Part:
    text = f"{op}{arguments} {{\n" + "\n".join(branch.text for branch in branches) + "\n}"

    def run(x: Tensor) -> Tensor:
        results = [whole(branch.run(x)) for branch in branches]
        return torch.cat(results, dim) if op == "concat" else added(*results)

    return Part(text, run, channels)


def branches(maker: Maker, channels: int, axes: int) -> Part:
    """Any two parts side by side, joined by channels or along the last axis."""
    found = [chain([maker.small(channels, axes)]) for _ in range(2)]
    if maker.random.random() < 0.6:  # else few of them fit
        found[1] = chain([found[0], single_conv(found[0].channels, channels, axes, 1)])
    if maker.random.random() < 0.3:
        found = [_joined(one, single_conv(one.channels, channels, axes, 1)) for one in found]
        return _merge("concat", found, channels, "(dim=-1)", -1)
    found = [_joined(one) for one in found]
    return _merge("concat", found, sum(one.channels for one in found))


def ladder(maker: Maker, channels: int, axes: int) -> Part:
    """Down and up again, each level's value joined to what comes back: a U-Net of one to four levels."""
    return _level(maker, channels, axes, maker.one(1, 1, 2, 2, 3, 4))


def _level(maker: Maker, channels: int, axes: int, levels: int) -> Part:
    if levels == 0:
        return same_conv(maker, channels, axes)
    name = maker.name("skip")
    before = maker.random.choice((same_conv, same_conv, same_conv, _valid_conv))(maker, channels, axes)
    down = maker.random.choice((_halved, _halved, _halved, _strided, _wide_pool))(maker, channels, axes)
    inner = _level(maker, channels, axes, levels - 1)
    up = maker.random.choice((_doubled, _doubled, _transposed, _exact))(maker, channels, axes)
    join = maker.random.choice(("concat", "concat", "concat" if maker.fixed else "add", "crop", "resize"))
    if join == "crop":
        text = f"concat {{ crop {{ {name}; identity }}; identity }}"
    elif join == "resize":
        text = f"interpolate {{ identity; {name} }}\nconcat {{ {name}; identity }}"
    else:
        text = f"{join} {{ {name}; identity }}"
    after = single_conv(channels if join == "add" else 2 * channels, channels, axes, 1)

    def run(x: Tensor) -> Tensor:
        skip = whole(before.run(x))
        y = whole(up.run(whole(inner.run(whole(down.run(skip))))))
        if join == "add":
            return after.run(added(skip, y))
        if join == "crop":
            skip = middle(skip, y.shape[2:])
        elif join == "resize":
            y = F.interpolate(y, list(skip.shape[2:]))
        return after.run(torch.cat([skip, y], 1))

    lines = [f"{before.text} as {name}", down.text, inner.text, up.text, text, after.text]
    return Part("\n".join(lines), run, channels)


def added(first: Tensor, *others: Tensor) -> Tensor:
    """The sum. That torch would broadcast where a size of the input happens to leave a 1 is no reason to accept it."""
    for other in others:
        if other.shape != first.shape:
            raise ValueError("not of one size")
    return first


def _valid_conv(maker: Maker, channels: int, axes: int) -> Part:
    return single_conv(channels, channels, axes, 3)


def _halved(maker: Maker, channels: int, axes: int) -> Part:
    return _pool(channels, axes, 2, 2, ceil=maker.random.random() < 0.2)


def _wide_pool(maker: Maker, channels: int, axes: int) -> Part:
    return _pool(channels, axes, 3, 2, ceil=maker.random.random() < 0.3)


def _strided(maker: Maker, channels: int, axes: int) -> Part:
    return single_conv(channels, channels, axes, 3, stride=2, padding=1)


def _doubled(maker: Maker, channels: int, axes: int) -> Part:
    return Part("upsample(scale_factor=2)", lambda x: F.interpolate(x, scale_factor=2), channels)


def _transposed(maker: Maker, channels: int, axes: int) -> Part:
    k = maker.one(2, 3)
    function: Torch = (F.conv_transpose1d, F.conv_transpose2d)[axes - 1]
    weight = torch.empty((channels, channels, *(k,) * axes), device="meta")
    return Part(f"conv_transpose({channels}, {k}, stride=2)", lambda x: function(x, weight, stride=2), channels)


def _exact(maker: Maker, channels: int, axes: int) -> Part:
    function: Torch = (F.conv_transpose1d, F.conv_transpose2d)[axes - 1]
    weight = torch.empty((channels, channels, *(3,) * axes), device="meta")
    text = f"conv_transpose({channels}, 3, stride=2, padding=1, output_padding=1)"
    return Part(text, lambda x: function(x, weight, stride=2, padding=1, output_padding=1), channels)


def pieces(maker: Maker, channels: int, axes: int) -> Part:
    """An axis cut into pieces, which are added or joined in another order."""
    a, b, name = maker.name("a"), maker.name("b"), maker.name("v")
    match maker.random.randrange(1 if maker.fixed else 0, 3):
        case 0:
            text = f"chunk(2, dim=-1) as ({a}, {b})\nadd {{ {a}; {b} }}"

            def run(x: Tensor) -> Tensor:
                first, second = x.chunk(2, dim=-1)
                return added(first, second)
        case 1:
            k = maker.one(2, 3, 4)
            names = [maker.name("c") for _ in range(k)]
            text = f"chunk({k}, dim=2) as ({', '.join(names)})\nconcat(dim=2) {{ {names[-1]}; {names[0]} }}"

            def run(x: Tensor) -> Tensor:
                found = x.chunk(k, dim=2)
                if len(found) < k:
                    raise ValueError("too few chunks")
                return torch.cat([found[-1], found[0]], 2)
        case _:
            k = maker.one(1, 2, 4)
            text = f"identity as {name}\nsplit([{k}, {name}.width - {k}], dim=-1) as ({a}, {b})\nidentity -> {b}"

            def run(x: Tensor) -> Tensor:
                return x.narrow(-1, k, x.shape[-1] - k)

    return Part(text, run, channels)


def loop(maker: Maker, channels: int, axes: int) -> Part:
    """The same parts several times."""
    n = maker.one(2, 2, 3, 4)
    inside = maker.small(channels, axes)
    body = chain([inside] if inside.channels == channels else [inside, single_conv(inside.channels, channels, axes, 1)])
    return chain([body] * n)._replace(text=f"repeat {n} {{\n{body.text}\n}}")


def growing(maker: Maker, channels: int, axes: int) -> Part:
    """A loop over kernels."""
    kernels, half = maker.random.sample((1, 2, 3, 5, 7), 2), maker.one(2, 3, 100)
    parts = [single_conv(channels, channels, axes, k, padding=k // half) for k in kernels]
    return chain(parts)._replace(text=f"for k in {kernels} {{\nconv({channels}, k, padding=k // {half})\n}}")


def block(maker: Maker, channels: int, axes: int) -> Part:
    """A block of the file, used once or twice."""
    name = maker.name("part")
    inside = maker.random.choice(PARTS)(maker, channels, axes)
    body = chain([inside, single_conv(inside.channels, channels, axes, 1)])
    kind = maker.random.choice(("block", "inline block"))
    maker.blocks.append(f"{kind} {name} {{\n{body.text}\n}}")
    times = maker.one(1, 1, 2)
    return chain([body] * times)._replace(text="\n".join([name] * times))


# ---- ends


def adaptive(maker: Maker, channels: int, axes: int) -> Part:
    k = maker.one(1, 2, 3, 7)
    function: Torch = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d)[axes - 1]
    return Part(f"adaptive_avg_pool({k})", lambda x: function(x, k), channels)


def head(maker: Maker, channels: int, axes: int) -> Part:
    return Part(
        "global_avg_pool -> flatten -> linear(3)",
        lambda x: F.linear(x.mean(dim=tuple(range(2, 2 + axes))), torch.empty((3, channels), device="meta")),
        channels,
    )


def tokens(maker: Maker, channels: int, axes: int) -> Part:
    return Part("flatten(2) -> transpose(1, 2) -> layer_norm", lambda x: x.flatten(2).transpose(1, 2), channels)


PARTS: tuple[Made, ...] = (
    *SIMPLE, relative_crop, cut, shuffle, groups, reshape,
    residual, residual, branches, ladder, ladder, pieces, loop, growing, block,
)  # fmt: skip
BEGINNINGS: tuple[Made, ...] = (*PARTS, same_conv, conv, pool, ladder, ladder, residual, residual)
ENDINGS: tuple[Made, ...] = (adaptive, head, tokens)
