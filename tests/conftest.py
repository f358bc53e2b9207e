"""What every test relies on, whatever the machine and the order."""

import os

import pytest
from hypothesis import settings

# Read by torch when it is imported: spinning threads of a busy machine make small tests many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A deadline measures the neighbours' load; derandomized examples make a red run red for everybody.
settings.register_profile("archc", deadline=None, derandomize=True)
settings.load_profile("archc")


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves take ten times as long as the small runs of a test."""
    monkeypatch.setattr("archc.runtime.history.History._draw", lambda self: None)
