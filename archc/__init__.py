"""archc: a compiler for neural-network architectures.

>>> import archc
>>> graph = archc.compile("resnet18", num_classes=10)
>>> graph.params
11181642
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from archc import runtime
    from archc.api import compile, load, loads
    from archc.dsl.diagnostics import ArchError
    from archc.network import Network
    from archc.training import train

# Looked up when they are first used: `import archc` and `archc check` pay for nothing else.
_PLACES = {
    "ArchError": "archc.dsl.diagnostics",
    "Network": "archc.network",
    "compile": "archc.api",
    "load": "archc.api",
    "loads": "archc.api",
    "runtime": "archc.runtime",
    "train": "archc.training",
}

__all__ = ["ArchError", "Network", "__version__", "compile", "load", "loads", "runtime", "train"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(f"module 'archc' has no attribute '{name}'")
    module = import_module(_PLACES[name])
    return module if name == "runtime" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
