"""Trains any `torch.nn.Module`: data sets, the loop, the folder of a run. A stranger to the language and its compiler.

>>> from archc.runtime import Settings, fit, load_weights, new_run_folder
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from archc.runtime.errors import EnvironmentProblem, RunInterrupted, RunStopped, SettingsError

if TYPE_CHECKING:
    from archc.runtime.checkpoint import load_weights
    from archc.runtime.opening import new_run_folder
    from archc.runtime.run import EpochRecord, Run
    from archc.runtime.settings import Settings
    from archc.runtime.training import fit
    from archc.runtime.watch import JsonLines, Lines, Progress, Silent, Watch

__all__ = [
    "EnvironmentProblem",
    "EpochRecord",
    "JsonLines",
    "Lines",
    "Progress",
    "Run",
    "RunInterrupted",
    "RunStopped",
    "Settings",
    "SettingsError",
    "Silent",
    "Watch",
    "fit",
    "load_weights",
    "new_run_folder",
]

# What takes time to import, torch or dataclasses; the command line needs the errors long before it trains.
_LATER = {
    "EpochRecord": "archc.runtime.run",
    "JsonLines": "archc.runtime.watch",
    "Lines": "archc.runtime.watch",
    "Progress": "archc.runtime.watch",
    "Run": "archc.runtime.run",
    "Settings": "archc.runtime.settings",
    "Silent": "archc.runtime.watch",
    "Watch": "archc.runtime.watch",
    "fit": "archc.runtime.training",
    "load_weights": "archc.runtime.checkpoint",
    "new_run_folder": "archc.runtime.opening",
}


def __getattr__(name: str) -> object:
    """Imports what takes time when it is first used, so that `import archc.runtime` stays light."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
