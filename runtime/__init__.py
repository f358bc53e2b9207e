"""Trains any `torch.nn.Module`: data sets, the loop, the folder of a run. A stranger to the language and its compiler.

>>> from archc.runtime import Settings, fit, load_weights, new_run_folder
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from archc.runtime.errors import EnvironmentProblem, RunInterrupted, RunStopped, SettingsError
from archc.runtime.settings import Settings, settings_from

if TYPE_CHECKING:
    from archc.runtime.checkpoint import load_weights
    from archc.runtime.run import EpochRecord, Run, new_run_folder
    from archc.runtime.training import fit

__all__ = [
    "EnvironmentProblem",
    "EpochRecord",
    "Run",
    "RunInterrupted",
    "RunStopped",
    "Settings",
    "SettingsError",
    "fit",
    "load_weights",
    "new_run_folder",
    "settings_from",
]

_NEED_TORCH = {
    "EpochRecord": "archc.runtime.run",
    "Run": "archc.runtime.run",
    "fit": "archc.runtime.training",
    "load_weights": "archc.runtime.checkpoint",
    "new_run_folder": "archc.runtime.run",
}


def __getattr__(name: str) -> object:
    """Imports what needs torch when it is first used, so that `import archc.runtime` stays light."""
    if name not in _NEED_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_NEED_TORCH[name]), name)
