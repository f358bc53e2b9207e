"""PyTorch source to `nn.Module`: the generated text is verified, compiled and executed as a module of its own.

This is the one file on the compiler's way that imports torch.
"""

import copyreg
import hashlib
import linecache
import sys
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType, TracebackType
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
    network = getattr(_module(written), written.main)()
    assert isinstance(network, nn.Module)
    return network


def _module(written: Written) -> ModuleType:
    name = _PREFIX + hashlib.sha256(written.text.encode()).hexdigest()[:16]
    known = sys.modules.get(name)
    if known is not None:
        return known
    tree = verify(written.text)
    file = f"<{name}.py>"
    module = ModuleType(name)
    module.__file__ = file
    module.__dict__["__archc_lines__"] = written.lines
    module.__dict__["__archc_written__"] = written
    # An entry without a time of change is never dropped by `linecache.checkcache`.
    linecache.cache[file] = (len(written.text), None, written.text.splitlines(keepends=True), file)
    exec(compile(tree, file, "exec"), module.__dict__)
    network = getattr(module, written.main)
    network.__call__ = _explained(network.__call__, written, file)
    copyreg.pickle(network, _reduced)
    sys.modules[name] = module
    return module


# ---- errors


def _explained(call: Callable[..., Any], written: Written, file: str) -> Callable[..., Any]:
    """Wrap the call of a network so that its errors say where in the `.arch` text they happen."""

    def explained(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(self, *args, **kwargs)
        except Exception as error:
            place = _place(self, error.__traceback__, written, file)
            if place is not None:
                error.add_note(f"in {place}: {place.source.line(place.line).strip()}")
            raise

    return explained


def _place(network: nn.Module, traceback: TracebackType | None, written: Written, file: str) -> Span | None:
    """Find the innermost line of the text that was at work: a line of generated source, or a module of torch."""
    paths = {id(module): written.paths.get(path) for path, module in network.named_modules()}
    found = None
    for frame, line in _frames(traceback):
        if frame.f_code.co_filename == file:
            found = written.lines[line - 1] or found
        elif frame.f_code.co_name == "_call_impl":
            found = paths.get(id(frame.f_locals.get("self"))) or found
    return found


def _frames(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


# ---- pickle


def _reduced(network: nn.Module) -> tuple[Callable[..., Any], tuple[Any, ...], Any]:
    """What pickle keeps of a network: its source, so that another process can unpickle it, and its state."""
    written = sys.modules[type(network).__module__].__dict__["__archc_written__"]
    return _restored, (written,), network.__getstate__()


def _restored(written: Written) -> nn.Module:
    kind = getattr(_module(written), written.main)
    network = kind.__new__(kind)
    assert isinstance(network, nn.Module)
    return network
