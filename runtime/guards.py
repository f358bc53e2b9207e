"""What stands around a whole run: its random numbers, operations that repeat themselves, and a word for full memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from archc.runtime.errors import EnvironmentProblem, SettingsError
from archc.runtime.settings import Settings


def forked(device: torch.device) -> AbstractContextManager[None]:
    """Inside, torch's random numbers go on from where they are; afterwards they do so again, as if nothing had been.

    >>> with forked(torch.device("cpu")):
    ...     inside = torch.rand(1)
    >>> bool(torch.rand(1) == inside)
    True
    """
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, torch's random numbers start from the seed; the caller's own go on afterwards as if nothing had been."""
    with forked(device):
        torch.manual_seed(seed)
        yield


@contextmanager
def deterministic(settings: Settings) -> Iterator[None]:
    """With `deterministic`, inside torch takes only operations that repeat themselves bit for bit."""
    if not settings.deterministic:
        yield
        return
    before, benchmark = torch.get_deterministic_debug_mode(), torch.backends.cudnn.benchmark
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it, and reads it at its first use
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "does not have a deterministic implementation" not in str(error):
            raise
        operation = str(error).partition(" does not have")[0]
        raise SettingsError(f"deterministic: torch's {operation} does not repeat itself bit for bit here") from error
    finally:
        torch.set_deterministic_debug_mode(before)
        torch.backends.cudnn.benchmark = benchmark


@contextmanager
def memory_explained(settings: Settings) -> Iterator[None]:
    """Turns a lack of memory inside, which torch reports in three ways, into an `EnvironmentProblem`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise EnvironmentProblem(
            f"the memory is full; batch_size={settings.batch_size // 2 or 1} needs less (it is {settings.batch_size})"
        ) from error
