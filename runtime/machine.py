"""What the run uses of the machine: the device, the precision, the memory order, the memory that may be filled."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from archc.runtime.errors import EnvironmentProblem, SettingsError
from archc.runtime.settings import Settings

SHARE_OF_MEMORY = 0.25  # of the device's memory, for images that are kept at the network's size
KEPT_BY_ALLOCATOR = 1 << 30


PRECISIONS: dict[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
CHOSEN = ("precision", "layout", "im2col", "compile")
"""The settings that a run may choose for itself; it keeps them as `chosen` in what its folder says of it."""


class Machine(NamedTuple):
    """The device with the number type and memory order chosen for it, and for each the reason, for people."""

    device: torch.device
    autocast: torch.dtype | None
    """The type that convolutions and matrix products compute in; None: as the weights."""
    memory_format: torch.memory_format
    im2col: bool
    """Whether convolutions with many weights and small outputs are products of matrices."""
    text: str

    @property
    def chosen(self) -> dict[str, str | bool]:
        """Number type, memory order and way to convolve, in the words of the settings.

        >>> choose_machine(Settings(device="cpu", precision="fp16"), nn.Linear(2, 2)).chosen
        {'precision': 'fp16', 'layout': 'contiguous', 'im2col': False}
        """
        precision = next(name for name, dtype in PRECISIONS.items() if dtype is self.autocast)
        layout = next(name for name, order in LAYOUTS.items() if order is self.memory_format)
        return {"precision": precision, "layout": layout, "im2col": self.im2col}

    @property
    def way(self) -> str:
        """The same for people: `bf16, channels last, im2col`."""
        layout = str(self.chosen["layout"]).replace("_", " ")
        return f"{self.chosen['precision']}, {layout}{', im2col' * self.im2col}"


def as_chosen(settings: Settings, about: Mapping[str, Any]) -> Settings:
    """The settings of a run of which `about` is its run.json, with what it chose for itself: it does not choose again.

    Other types and values than a run writes there raise `EnvironmentProblem`.

    >>> as_chosen(Settings(epochs=3), {"chosen": {"precision": "bf16", "layout": "channels_last"}}).changed()
    {'epochs': 3, 'precision': 'bf16', 'layout': 'channels_last'}
    """
    chosen = about.get("chosen", {})
    try:
        if not isinstance(chosen, Mapping):
            raise SettingsError(f"`chosen` must be a mapping of {', '.join(CHOSEN)}, found {type(chosen).__name__}")
        return settings.but(**{name: chosen[name] for name in CHOSEN if name in chosen})
    except SettingsError as error:
        raise EnvironmentProblem(
            f"run.json is damaged in what it says that the run chose for itself: {error}"
        ) from None


def choose_machine(settings: Settings, module: nn.Module) -> Machine:
    """Resolves `device`, `precision`, `layout` and `im2col` by rule; a missing device raises `EnvironmentProblem`.

    >>> choose_machine(Settings(device="cpu", precision="fp32"), nn.Linear(2, 2)).text
    'cpu, fp32, contiguous'
    """
    device = choose_device(settings.device)
    autocast, reason = choose_precision(settings.precision, device)
    last = settings.layout == "channels_last" or (settings.layout == "auto" and _has_convolutions(module))
    layout = torch.channels_last if last else torch.contiguous_format
    im2col = may_gain(device, autocast, layout) if settings.im2col == "auto" else settings.im2col
    text = f"{device_name(device)}, {reason}, {'channels last' if last else 'contiguous'}{', im2col' * im2col}"
    return Machine(device, autocast, layout, im2col, text)


def ways_to_compute(machine: Machine, settings: Settings, module: nn.Module) -> list[Machine]:
    """What `auto` may choose from: the ways that the settings leave open and the device may be fast at, fp32 first.

    >>> settings, net = Settings(device="cpu", precision="fp32"), nn.Conv2d(1, 1, 1)
    >>> [way.text for way in ways_to_compute(choose_machine(settings, net), settings, net)]
    ['fp32, contiguous', 'fp32, channels last']
    """
    types, orders = [machine.autocast], [machine.memory_format]
    if settings.precision == "auto" and machine.autocast is not None:
        types.insert(0, None)
    if settings.layout == "auto" and _has_convolutions(module):
        orders.insert(0, torch.contiguous_format)
    ways = [machine._replace(autocast=dtype, memory_format=order) for dtype in types for order in orders]
    if settings.im2col == "auto" and machine.im2col:
        ways = [
            way._replace(im2col=im2col)
            for way in ways
            for im2col in ((False, True) if may_gain(way.device, way.autocast, way.memory_format) else (False,))
        ]
    return [way._replace(text=way.way) for way in ways]


def may_gain(device: torch.device, autocast: torch.dtype | None, layout: torch.memory_format) -> bool:
    """Whether products of matrices may be faster than convolutions there: measured on CPUs with AMX, in bf16.

    >>> may_gain(torch.device("cpu"), torch.bfloat16, torch.channels_last)
    True
    """
    return device.type == "cpu" and autocast is torch.bfloat16 and layout is torch.channels_last


def _has_convolutions(module: nn.Module) -> bool:
    return any(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for layer in module.modules())


def choose_device(name: str) -> torch.device:
    """The device of that name, or for `auto` the GPU if there is one, else the CPU.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device: torch.device | None
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        hint = "; a GPU of NVIDIA or AMD is 'cuda'" if "gpu" in name.lower() else ""
        raise SettingsError(f"device must be auto, cpu, cuda, cuda:1, ... or mps, found {name!r}{hint}")
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[device.type]
    if (device.index or 0) >= count:
        raise EnvironmentProblem(f"device {name!r} is not there: torch finds {count} of type {device.type!r}")
    return device


def choose_precision(precision: str, device: torch.device) -> tuple[torch.dtype | None, str]:
    """The type to compute in, and why; `auto` takes bf16 only where the hardware multiplies it faster than fp32.

    >>> choose_precision("bf16", torch.device("cpu"))
    (torch.bfloat16, 'bf16')
    """
    if precision != "auto":
        slow = precision == "fp16" and device.type == "cpu"  # torch has no fast convolution for it there
        return PRECISIONS[precision], precision + (" (slow on a CPU)" if slow else "")
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16, "bf16 (the GPU has it)"
        return None, "fp32 (the GPU has no bf16)"
    if device.type == "cpu" and torch.cpu._is_amx_tile_supported():
        return torch.bfloat16, "bf16 (the processor has AMX)"
    return None, "fp32 (the processor has no AMX)" if device.type == "cpu" else "fp32"


def device_name(device: torch.device) -> str:
    """The device as people know it.

    >>> device_name(torch.device("cpu"))
    'cpu'
    """
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def exact_type(device: torch.device) -> torch.dtype:
    """The most exact type of numbers that the device has: Apple's GPUs have no float64.

    >>> exact_type(torch.device("cpu")), exact_type(torch.device("mps"))
    (torch.float64, torch.float32)
    """
    return torch.float32 if device.type == "mps" else torch.float64


def image_budget(device: torch.device) -> int:
    """Bytes of the device's memory that resized images may fill."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * SHARE_OF_MEMORY)
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        memory = 8 << 30
    return int(memory * SHARE_OF_MEMORY)


def keep_freed_memory() -> None:
    """Lets glibc keep what a step frees for the next one, instead of returning it to the kernel and faulting it in.

    It changes no number; on other systems it does nothing. Source: mallopt(3), M_TRIM_THRESHOLD and M_MMAP_THRESHOLD.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(-1, KEPT_BY_ALLOCATOR)
            mallopt(-3, KEPT_BY_ALLOCATOR)
