"""PyTorch source to `nn.Module`: the generated text is verified, compiled and executed as a module of its own.

This is the one file of the compiler's way that imports torch.
"""

import copyreg
import hashlib
import linecache
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, TracebackType
from typing import Any

from torch import nn

from archc.compiler.source import Written
from archc.compiler.verify import verify
from archc.dsl.source import Span

_PREFIX = "archc_generated_"


def load(written: Written) -> nn.Module:
    """Execute generated source and return its network, initialised by torch's defaults.

    The Python module is kept in `sys.modules` under a name made from the text, so the same text gives the same classes,
    and pickle, `inspect.getsource` and debuggers find it; `__archc_lines__` in it is the origin of each line. An error
    inside `forward` gets a note with the line of the `.arch` text.
    """
    module = _module(written.text, written.main, written.lines)
    network = getattr(module, written.main)()
    assert isinstance(network, nn.Module)
    return network


def _module(text: str, main: str, lines: tuple[Span | None, ...]) -> ModuleType:
    name = _PREFIX + hashlib.sha256(text.encode()).hexdigest()[:16]
    known = sys.modules.get(name)
    if known is not None:
        return known
    tree = verify(text)
    file = f"<{name}.py>"
    module = ModuleType(name)
    module.__file__ = file
    module.__dict__["__archc_lines__"] = lines
    module.__dict__["__archc_source__"] = (text, main, lines)
    # An entry without a time of change is never dropped by `linecache.checkcache`.
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(tree, file, "exec"), module.__dict__)  # verified above
    network = getattr(module, main)
    network.__call__ = _explained(network.__call__, file, lines)
    copyreg.pickle(network, _reduced)
    sys.modules[name] = module
    return module


def _explained(call: Callable[..., Any], file: str, lines: tuple[Span | None, ...]) -> Callable[..., Any]:
    """Wrap the call of a network so that its errors say where in the `.arch` text they happen."""

    def __call__(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(self, *args, **kwargs)
        except Exception as error:
            _explain(error, file, lines)
            raise

    return __call__


def _explain(error: BaseException, file: str, lines: tuple[Span | None, ...]) -> None:
    found = None
    for line in _lines_in(error.__traceback__, file):
        if 0 < line <= len(lines) and lines[line - 1] is not None:
            found = lines[line - 1]
    if found is not None:
        note = f"in {found}: {found.source.line(found.line).strip()}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)


def _lines_in(traceback: TracebackType | None, file: str) -> Iterator[int]:
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == file:
            yield traceback.tb_lineno
        traceback = traceback.tb_next


def _reduced(network: nn.Module) -> tuple[object, ...]:
    """What pickle keeps of a network: its source, so that another process can unpickle it, and its state."""
    source = sys.modules[type(network).__module__].__dict__["__archc_source__"]
    return _restored, source, network.__getstate__()  # type: ignore[no-untyped-call]


def _restored(text: str, main: str, lines: tuple[Span | None, ...]) -> nn.Module:
    kind = getattr(_module(text, main, lines), main)
    network = kind.__new__(kind)
    assert isinstance(network, nn.Module)
    return network
