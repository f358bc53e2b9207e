"""How much faster convolutions are as products of matrices: `python -m benchmarks.im2col [IMAGES...]`.

Forward and backward passes of 3x3 convolutions in bf16 and channels last, with so many images (by default 32 and 128).
`runtime/im2col.py` computes those as products that have many weights for each place of their output; here each is
computed both ways in turn, so that the bound can be read off.
"""

import sys
import time

import torch
from torch import nn

from archc.runtime.im2col import WEIGHTS_PER_PLACE, Im2col
from archc.runtime.machine import keep_freed_memory
from benchmarks.paired import machine

SIDES = (2, 4, 8, 16)
CHANNELS = (32, 64, 128, 256, 512)
ROUNDS = 7
NATIVE, PRODUCT = float("inf"), 0.0  # no convolution has so many weights for each place; every one has


def main(counts: list[int]) -> None:
    """Print a table for each number of images, with the place of the bound."""
    print(machine())
    keep_freed_memory()
    for count in counts:
        print(f"\n{count} images   weights/place   as convolution   as product   times as fast")
        for side in SIDES:
            for channels in CHANNELS:
                layer = nn.Conv2d(channels, channels, 3, padding=1).to(memory_format=torch.channels_last)
                least = {way: min(passes(layer, count, side, way) for _ in range(ROUNDS)) for way in (NATIVE, PRODUCT)}
                ratio = layer.weight.numel() / side**2
                print(
                    f"{channels:>3} x {side}x{side:<4} {ratio:>14,.0f} {1e3 * least[NATIVE]:>13.2f} ms"
                    f" {1e3 * least[PRODUCT]:>9.2f} ms {least[NATIVE] / least[PRODUCT]:>12.2f}"
                    + ("   computed so" if ratio >= WEIGHTS_PER_PLACE else ""),
                    flush=True,
                )


def passes(layer: nn.Conv2d, count: int, side: int, weights_per_place: float) -> float:
    """The seconds of one forward and backward pass."""
    shape = (count, layer.in_channels, side, side)
    images = torch.randn(shape, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last).requires_grad_()
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16), Im2col(weights_per_place):
        output = layer(images)
    output.backward(output.detach())
    layer.zero_grad()
    return time.perf_counter() - began


if __name__ == "__main__":
    main([int(count) for count in sys.argv[1:]] or [32, 128])
