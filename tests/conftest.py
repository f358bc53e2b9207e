"""What every test relies on, whatever the machine and the order."""

import os
import signal

import pytest
from hypothesis import settings

# Read by torch when it is imported: spinning threads of a busy machine make small tests many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a shell runs in the background ignores SIGINT, and so would the processes that tests start to interrupt them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A deadline measures the neighbours' load; derandomized examples make a red run red for everybody.
settings.register_profile("archc", deadline=None, derandomize=True)
settings.load_profile("archc")


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves take ten times as long as the small runs of a test."""
    monkeypatch.setattr("archc.runtime.history.History._draw", lambda self: None)


@pytest.fixture
def ruled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule is bf16, channels last, a busy machine is as good as another, and the weights are always the same."""
    import torch

    torch.manual_seed(0)
    monkeypatch.setattr("archc.runtime.tuning.LEAST_PROCESSOR", 0.0)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
