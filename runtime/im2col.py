"""Convolutions with small outputs as products of matrices (im2col), which a CPU may compute several times as fast.

A convolution's own kernel takes an output row by row; where a row has two or four places, it leaves most of the
processor's matrix unit idle. Here each place of each image gives a row, the window it sees, so that one product of a
[batch * height * width, window] matrix with the weights is the whole convolution. What that gains grows with the
weights, what gathering the windows costs grows with the places. Source: Chellapilla, Puri and Simard, "High performance
convolutional neural networks for document processing", 2006.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F  # the field's name for it
from torch.overrides import TorchFunctionMode

WEIGHTS_PER_PLACE = 12_288
"""From so many weights for each place of the output on (height * width) products were clearly faster, with 16 to 256
images in bf16 with AMX and torch 2.14: `python -m benchmarks.im2col`. At 9,216 only on 8x8 places, not 12x12."""


class Im2col(TorchFunctionMode):
    """Inside, 2-d convolutions with at least so many weights for each place of their output are products of matrices.

    Outputs and gradients are the same up to rounding. Grouped convolutions stay as they are. `met` says whether there
    was a convolution to compute this way.

    >>> layer, images = torch.nn.Conv2d(256, 256, 3, padding=1), torch.rand(2, 256, 4, 4)
    >>> with Im2col() as im2col:
    ...     product = layer(images)
    >>> im2col.met, torch.allclose(product, layer(images), atol=1e-5)
    (True, True)
    """

    def __init__(self, weights_per_place: float = WEIGHTS_PER_PLACE) -> None:
        super().__init__()
        self.weights_per_place, self.met = weights_per_place, False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.conv2d:
            product = self._product(*args, **kwargs)
            if product is not None:
                self.met = True
                return product
        return func(*args, **kwargs)

    def _product(
        self,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> Tensor | None:
        """The convolution, or None where it is none to compute this way; named as torch names them."""
        if groups != 1 or input.ndim != 4 or isinstance(padding, str):
            return None
        windows = _Windows(_pair(weight.shape[2:]), _pair(stride), _pair(padding), _pair(dilation))
        places = windows.places(input)
        if min(places) < 1 or input.shape[1] != weight.shape[1]:
            return None  # torch says what is wrong
        if weight.numel() < self.weights_per_place * math.prod(places):
            return None
        device = input.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            input, weight = input.to(dtype), weight.to(dtype)
            bias = None if bias is None else bias.to(dtype)
        found: Tensor = _Convolution.apply(input, weight, bias, windows)
        return found


class _Windows(NamedTuple):
    """Where a convolution looks, vertically and horizontally."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    def places(self, images: Tensor) -> tuple[int, int]:
        """Height and width of the output; not above 0 where no window fits."""
        high, wide = (
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, padding, dilation in zip(images.shape[2:], *self, strict=True)
        )
        return high, wide

    def gathered(self, images: Tensor) -> Tensor:
        """Each window of [N, C, H, W] images as a row: [N * places, kernel * C]."""
        (vertical, horizontal), (down, right), (by, over) = self.padding, self.stride, self.dilation
        padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, horizontal, horizontal, vertical, vertical))
        image, row, pixel, channel = padded.stride()
        windows = padded.as_strided(
            (len(images), *self.places(images), *self.kernel, images.shape[1]),
            (image, row * down, pixel * right, row * by, pixel * over, channel),
        )
        return windows.reshape(math.prod(windows.shape[:3]), -1)

    def spread(self, rows: Tensor, images: Tensor) -> Tensor:
        """The reverse of `gathered`: what came from one pixel is added up, in fp32 at least."""
        number, channels, height, width = images.shape
        (vertical, horizontal), (down, right), (by, over) = self.padding, self.stride, self.dilation
        high, wide = self.places(images)
        windows = rows.view(number, high, wide, *self.kernel, channels)
        shape = (number, height + 2 * vertical, width + 2 * horizontal, channels)
        padded = rows.new_zeros(shape, dtype=torch.promote_types(rows.dtype, torch.float32))
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                top, left = i * by, j * over
                reached = padded[:, top : top + down * high : down, left : left + right * wide : right]
                reached += windows[:, :, :, i, j]
        inner = padded[:, vertical : vertical + height, horizontal : horizontal + width]
        return inner.to(rows.dtype).permute(0, 3, 1, 2)


class _Convolution(torch.autograd.Function):
    """The convolution of [N, C, H, W] images with weights [out, C, kernel]: [N, out, places], channels last.

    The windows are gathered anew for the backward pass: they would take `kernel` times the memory of the images.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, images: Tensor, weight: Tensor, bias: Tensor | None, windows: _Windows) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.windows = windows  # type: ignore[attr-defined]  # a context takes what it is given
        shape = (len(images), len(weight), *windows.places(images))
        output = torch.empty(shape, dtype=images.dtype, device=images.device, memory_format=torch.channels_last)
        rows = output.permute(0, 2, 3, 1).flatten(0, 2)  # a view of it; were it one itself, no `relu_` could follow
        if bias is None:
            torch.mm(windows.gathered(images), _matrix(weight).t(), out=rows)
        else:
            torch.addmm(bias, windows.gathered(images), _matrix(weight).t(), out=rows)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (images, weight), windows = ctx.saved_tensors, ctx.windows
        of_images, of_weight, of_bias, _ = ctx.needs_input_grad
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, len(weight))
        found: list[Tensor | None] = [None] * 4
        if of_images:
            found[0] = windows.spread(rows @ _matrix(weight), images)
        if of_weight:
            matrix = rows.t() @ windows.gathered(images)
            found[1] = matrix.view(len(weight), *windows.kernel, -1).permute(0, 3, 1, 2)
        if of_bias:
            found[2] = rows.sum(0)
        return tuple(found)


def _matrix(weight: Tensor) -> Tensor:
    """[out, C, kernel] weights as [out, kernel * C]; a view where they are channels last."""
    return weight.permute(0, 2, 3, 1).flatten(1)


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    """One number for both axes, or one for each."""
    first, last = (value, value) if isinstance(value, int) else (value[0], value[-1])
    return first, last
