"""Parts of random networks: a text, and the same in torch's own functions, written apart from archc.

Every part of a network is a `Part`: a statement of the language beside a function on tensors. Nothing here reads an
entry, a rule or a condition of archc, so that both sides can be wrong only on their own.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Run = Callable[[Tensor], Tensor]
Torch = Callable[..., Tensor]
Made = Callable[["Maker", int, int], "Part"]


class Part(NamedTuple):
    """A stretch of a network: its text, what it does, and the channels it leaves."""

    text: str
    run: Run
    channels: int


def whole(y: Tensor) -> Tensor:
    """A value without numbers, which torch lets pass in places, is no result."""
    if 0 in y.shape:
        raise ValueError("nothing is left")
    return y


def chain(parts: Sequence[Part]) -> Part:
    """One part after the other."""

    def run(x: Tensor) -> Tensor:
        for part in parts:
            x = whole(part.run(x))
        return x

    return Part("\n".join(part.text for part in parts), run, parts[-1].channels)


def written(text: str, **arguments: object) -> str:
    """A use of an operator; arguments that are `None` are left out."""
    listed = [f"{name}={_text(value)}" for name, value in arguments.items() if value is not None]
    return f"{text}({', '.join(listed)})"


def _text(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


class Maker:
    """What the parts of one network share: the source of chance, fresh names, and the blocks of the file."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.blocks: list[str] = []
        self.fixed = False  # some size is a number: a 1 of them would broadcast, so nothing is added any more
        self._names = 0

    def name(self, start: str) -> str:
        self._names += 1
        return f"{start}{self._names}"

    def one(self, *choices: int) -> int:
        return self.random.choice(choices)

    def small(self, channels: int, axes: int) -> Part:
        return self.random.choice(SIMPLE)(self, channels, axes)


# ---- one operator


def single_conv(channels: int, out: int, axes: int, k: int, **arguments: object) -> Part:
    function: Torch = (F.conv1d, F.conv2d)[axes - 1]
    weight = torch.empty((out, channels, *(k,) * axes), device="meta")
    text = written("conv", out_channels=out, kernel_size=k, **arguments)
    return Part(text, lambda x: function(x, weight, **arguments), out)


def conv(maker: Maker, channels: int, axes: int) -> Part:
    k, stride, padding = maker.one(1, 2, 3, 3, 4, 5), maker.one(1, 1, 2, 2, 3), maker.one(0, 0, 1, 1, 2)
    dilation = maker.one(1, 1, 1, 2, 3)
    return single_conv(channels, maker.one(4, 8), axes, k, stride=stride, padding=padding, dilation=dilation)


def same_conv(maker: Maker, channels: int, axes: int) -> Part:
    return single_conv(channels, channels, axes, 3, padding=1)


def conv_transpose(maker: Maker, channels: int, axes: int) -> Part:
    k, stride, padding = maker.one(2, 2, 3, 4), maker.one(1, 2, 2, 3), maker.one(0, 0, 1, 2)
    given = {
        "stride": stride,
        "padding": padding,
        "output_padding": maker.one(0, 0, 1) if stride > 1 else 0,
        "dilation": maker.one(1, 1, 1, 2),
    }
    function: Torch = (F.conv_transpose1d, F.conv_transpose2d)[axes - 1]
    weight = torch.empty((channels, channels, *(k,) * axes), device="meta")
    text = written("conv_transpose", out_channels=channels, kernel_size=k, **given)
    return Part(text, lambda x: function(x, weight, **given), channels)


def pool(maker: Maker, channels: int, axes: int) -> Part:
    kind, k = maker.one(0, 0, 1, 2), maker.one(2, 2, 2, 3, 3, 5)
    given = {"stride": maker.one(1, 2, 2, 2, 3, k), "ceil_mode": maker.random.random() < 0.4}
    if kind == 2:
        lp: Torch = (F.lp_pool1d, F.lp_pool2d)[axes - 1]
        text = written("lp_pool", norm_type=2, kernel_size=k, **given)
        return Part(text, lambda x: lp(x, 2.0, k, **given), channels)
    given["padding"] = maker.one(0, 0, 1) if k > 1 else 0
    if kind == 0:
        given["dilation"] = maker.one(1, 1, 1, 2)
    function: Torch = ((F.max_pool1d, F.max_pool2d), (F.avg_pool1d, F.avg_pool2d))[kind][axes - 1]
    text = written(("max_pool", "avg_pool")[kind], kernel_size=k, **given)
    return Part(text, lambda x: function(x, k, **given), channels)


def upsample(maker: Maker, channels: int, axes: int) -> Part:
    scale = maker.random.choice((2, 2, 3, 1.5, 0.5, 2.5))
    return Part(f"upsample(scale_factor={scale})", lambda x: F.interpolate(x, scale_factor=scale), channels)


def pad(maker: Maker, channels: int, axes: int) -> Part:
    mode = maker.random.choice(("constant", "constant", "reflect", "circular", "replicate"))
    sides = [maker.one(0, 1, 2, 3) - (maker.one(0, 3) if mode == "constant" else 0) for _ in range(2 * axes)]
    run: Run = lambda x: F.pad(x, sides, mode)  # noqa: E731
    return Part(f'pad({sides}, mode="{mode}")', run, channels)


def middle(x: Tensor, sizes: Sequence[int]) -> Tensor:
    for axis, size in zip(range(-len(sizes), 0), sizes, strict=True):
        have = x.shape[axis]
        if not 0 < size <= have:
            raise ValueError("a crop makes smaller")
        x = x.narrow(axis, (have - size) // 2, size)
    return x


def crop(maker: Maker, channels: int, axes: int) -> Part:
    maker.fixed = True
    sizes = [maker.one(1, 2, 3, 5, 8) for _ in range(axes)]
    text = f"crop({sizes[0]})" if len(set(sizes)) == 1 else f"crop({sizes})"
    return Part(text, lambda x: middle(x, sizes), channels)


def relative_crop(maker: Maker, channels: int, axes: int) -> Part:
    """To sizes that the text computes from those of a value."""
    name, k, less = maker.name("v"), maker.one(1, 2, 3), maker.one(0, 0, 1, 2)
    sizes = [f"{name}.{side} // {k} - {less}" for side in ("height", "width")[-axes:]]
    text = f"identity as {name}\ncrop([{', '.join(sizes)}])"
    return Part(text, lambda x: middle(x, [n // k - less for n in x.shape[2:]]), channels)


def cut(maker: Maker, channels: int, axes: int) -> Part:
    """Part of an axis."""
    dim, start, step = maker.one(-1, 2), maker.one(0, 1, 2), maker.one(1, 1, 2, 3)
    end = maker.one(0, -1, -2, 6, 9)
    name = maker.name("v")
    side = "width" if dim == -1 or axes == 1 else "height"
    maker.fixed |= end > 0
    if end == 0:  # computed from the size
        text = f"identity as {name}\nslice({dim}, {start}, {name}.{side} - {start}, step={step})"
    else:
        text = f"slice({dim}, {start}, {end}, step={step})"

    def run(x: Tensor) -> Tensor:
        have = x.shape[dim]
        stop = have - start if end == 0 else end + have if end < 0 else end
        if not start < stop <= have:
            raise ValueError("not within the axis")
        return x.transpose(dim, -1)[..., start:stop:step].transpose(dim, -1)

    return Part(text, run, channels)


def shuffle(maker: Maker, channels: int, axes: int) -> Part:
    """Places into channels, or channels into places."""
    if axes == 1:
        return same_conv(maker, channels, axes)
    k = maker.one(2, 2, 3)
    if maker.random.random() < 0.3 and channels % 4 == 0:
        return Part("pixel_shuffle(2)", lambda x: F.pixel_shuffle(x, 2), channels // 4)
    after = single_conv(channels * k * k, channels, axes, 1)
    return Part(f"pixel_unshuffle({k}) -> {after.text}", lambda x: after.run(F.pixel_unshuffle(x, k)), channels)


def groups(maker: Maker, channels: int, axes: int) -> Part:
    """An axis split by a number and joined again, or averaged."""
    k = maker.one(2, 3, 4, 5)
    match maker.random.randrange(4):
        case 0:
            text = f"unflatten(-1, [-1, {k}]) -> mean(dim=-1)"
            return Part(text, lambda x: x.unflatten(-1, (-1, k)).mean(-1), channels)
        case 1:
            return Part(
                f"unflatten(-1, [{k}, -1]) -> max(dim=-2)", lambda x: x.unflatten(-1, (k, -1)).amax(-2), channels
            )
        case 2:
            text = f'rearrange("c {"h " * (axes - 1)}(w k={k}) -> c {"h " * (axes - 1)}(k w)")'
            return Part(text, lambda x: x.unflatten(-1, (-1, k)).transpose(-1, -2).flatten(-2), channels)
        case _:
            name = maker.name("v")
            rest = f"{name}.width // {k}"
            text = f"identity as {name}\nunflatten(-1, [{k}, {rest}]) -> mean(dim=-2)"
            return Part(text, lambda x: x.unflatten(-1, (k, x.shape[-1] // k)).mean(-2), channels)


def reshape(maker: Maker, channels: int, axes: int) -> Part:
    """Other sizes for as many numbers."""
    k = maker.one(2, 2, 3)
    name = maker.name("v")
    if axes == 1:
        out = channels * k
        return Part(f"reshape([{out}, -1])", lambda x: x.reshape(x.shape[0], out, -1), out)
    if maker.random.random() < 0.5:
        text = f"identity as {name}\nreshape([{channels}, {name}.height // {k}, {k} * {name}.width])"
        return Part(text, lambda x: x.reshape(1, channels, x.shape[2] // k, k * x.shape[3]), channels)
    text = f"identity as {name}\nreshape([{channels}, {name}.height, -1, {k}]) -> sum(dim=-1)"
    return Part(text, lambda x: x.reshape(1, channels, x.shape[2], -1, k).sum(-1), channels)


SIMPLE: tuple[Made, ...] = (conv, conv, same_conv, pool, pool, conv_transpose, upsample, pad, crop)
