"""PyTorch source to `nn.Module`: the generated text is verified, compiled and executed as a module of its own.

This is the one file on the compiler's way that imports torch.
"""

import copyreg
import hashlib
import importlib
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from types import FrameType, ModuleType, TracebackType
from typing import Any
from weakref import WeakSet

import torch
from torch import nn

from archc.compiler.algebra.sizes import Symbolic, evaluate
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import External
from archc.compiler.problems import did_you_mean
from archc.compiler.source import Written
from archc.compiler.source.externs import Contract, Externs, import_lines
from archc.compiler.verify import verify
from archc.dsl.source import Span

_PREFIX = "archc_generated_"


def load(written: Written) -> nn.Module:
    """Execute generated source and return its network, initialised by torch's defaults.

    The Python module is kept in `sys.modules` under a name made from the text, so the same text gives the same classes,
    and pickle, `inspect.getsource` and debuggers find it; `__archc_lines__` in it is the origin of each line. An error
    inside `forward` gets a note with the line of the `.arch` text. Classes of one's own are imported here, and only
    here.

    Raises:
        ExternProblem: such a class cannot be imported or constructed.
    """
    kind = getattr(_module(written), written.main)
    try:
        network = kind()
    except Exception as error:
        problem = _unconstructed(error, written)
        if problem is None:
            raise
        raise problem from error
    assert isinstance(network, nn.Module)
    return network


def _module(written: Written) -> ModuleType:
    name = _name(written)
    known = sys.modules.get(name)
    if known is not None:
        return known
    imported = written.externs.imported
    tree = verify(written.text, import_lines(imported), [one.callee for one in imported])
    for one in imported:
        _import(one.external)
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


def _name(written: Written) -> str:
    return _PREFIX + hashlib.sha256(written.text.encode()).hexdigest()[:16]


# ---- errors


def _explained(call: Callable[..., Any], written: Written, file: str) -> Callable[..., Any]:
    """Wrap the call of a network so that its errors say where in the `.arch` text they happen."""

    compared: WeakSet[nn.Module] = WeakSet()  # networks whose own classes have been seen to do what is declared

    def explained(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        try:
            if not written.externs.contracts or self in compared or _is_traced():
                return call(self, *args, **kwargs)
            result = _compared(call, written.externs, self, args, kwargs)
            compared.add(self)
            return result
        except Exception as error:
            place = _place(self, error.__traceback__, written, file)
            if place is not None:
                error.add_note(f"in {place}: {place.source.line(place.line).strip()}")
            raise

    # torch.compile counts how often it compiles one code object, and gives up at the eighth network that shares it.
    explained.__code__ = explained.__code__.replace()
    return explained


def _place(network: nn.Module, traceback: TracebackType | None, written: Written, file: str) -> Span | None:
    """Find the innermost line of the text that was at work: a line of generated source, or a module of torch."""
    paths = {id(module): written.paths.get(path) for path, module in network.named_modules()}
    found = None
    for frame, line, instruction in _frames(traceback):
        if frame.f_code.co_filename == file:
            found = _within(frame, instruction, written) or written.lines[line - 1] or found
        elif frame.f_code.co_name == "_call_impl":
            found = paths.get(id(frame.f_locals.get("self"))) or found
    return found


def _within(frame: FrameType, instruction: int, written: Written) -> Span | None:
    """Find the expression within a line of generated source that was at work, where it is not the line's own."""
    start, end_line, column, end_column = next(islice(frame.f_code.co_positions(), instruction // 2, None))
    if start is None or end_line is None or column is None or end_column is None:
        return None  # as with `python -X no_debug_ranges`
    around = [
        place for place in written.places if place.start <= (start, column) and (end_line, end_column) <= place.end
    ]
    # Of expressions within each other the innermost begins last, or ends first.
    innermost = max(around, key=lambda place: (place.start, (-place.end[0], -place.end[1])), default=None)
    return innermost.origin if innermost is not None else None


def _frames(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int, int]]:
    """The frames of a traceback, each with the line and the instruction that was at work."""
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno, traceback.tb_lasti
        traceback = traceback.tb_next


# ---- classes of one's own


class ExternProblem(Exception):
    """A class that an `extern` names is not there, or is not what is declared; the message says where."""

    exit_status = 3


def _problem(external: External, found: str, place: Span | None = None) -> ExternProblem:
    declared = f"{external.span.text}` is declared as `{external.module}:{external.name}"
    return ExternProblem(f"{place or external.span}: `{declared}`, {found}")


def _import(external: External) -> None:
    """Import the class of an extern.

    Raises:
        ExternProblem: there is no such module or class, or it is no `nn.Module`.
    """
    module = external.module
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _problem(external, f"and importing that fails: {error}") from error
        hint = "install it, or add the folder that holds it to PYTHONPATH"
        raise _problem(external, f"but there is no module `{error.name}`; {hint}") from None
    except (Exception, SystemExit) as error:
        raise _problem(external, f"and importing that fails: {type(error).__name__}: {error}") from error
    for part in external.name.split("."):
        where, found = found, getattr(found, part, None)
        if found is None:
            near = did_you_mean(part, (name for name in dir(where) if not name.startswith("_")))
            raise _problem(external, f"but there is no `{part}` in it" + (f"; {near}" if near else ""))
    if not isinstance(found, type) or not issubclass(found, nn.Module):
        raise _problem(external, "and that is no class of `nn.Module`")


def _unconstructed(error: Exception, written: Written) -> ExternProblem | None:
    """Say which class of one's own could not be constructed, if that is the error."""
    file = f"<{_name(written)}.py>"
    lines = [line for frame, line, _ in _frames(error.__traceback__) if frame.f_code.co_filename == file]
    place = written.lines[lines[-1] - 1] if lines else None
    text = written.text.splitlines()
    same = [text[i] for i, origin in enumerate(written.lines) if origin is not None and origin == place]
    for one in written.externs.imported:
        if any(f"{one.callee}(" in line for line in same):
            found = f"and constructing that fails: {type(error).__name__}: {error}"
            return _problem(one.external, found, place)
    return None


def _is_traced() -> bool:
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]


def _compared(
    call: Callable[..., Any], externs: Externs, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a network for the first time and compare what classes of one's own leave with what is declared.

    Raises:
        ExternProblem: one leaves another size.
    """
    sizes: dict[str, int] = {}
    given = inspect.signature(type(network).forward).bind_partial(network, *args, **kwargs).args[1:]
    for tensor, declared in zip(given, externs.inputs, strict=False):
        for size, found in zip(declared.shape, _shape(tensor), strict=False):
            if isinstance(size, Symbolic):
                sizes.setdefault(str(size), found)
    expected: dict[str, list[Contract]] = {}
    for contract in externs.contracts:
        expected.setdefault(contract.path, []).append(contract)
    modules = dict(network.named_modules())
    handles = [
        modules[path].register_forward_hook(partial(_compare, uses, sizes))
        for path, uses in expected.items()
        if path in modules
    ]
    try:
        return call(network, *args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()


def _compare(
    uses: list[Contract], sizes: dict[str, int], module: nn.Module, inputs: tuple[Any, ...], result: Any
) -> None:
    taken = [_shape(value) for value in inputs]
    results = result if isinstance(result, tuple | list) else (result,)
    for contract in uses:
        if [_sizes(tensor, sizes) for tensor in contract.inputs] != taken:
            continue  # a module that is shared has several uses
        left = [_sizes(tensor, sizes) for tensor in contract.outputs]
        found = [_shape(value) for value in results]
        if found != left:
            words = f"which is to leave {_written(left)} here and leaves {_written(found)}"
            raise _problem(contract.external, words, contract.place)


def _written(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join("x".join(map(str, shape)) or "a number for each sample" for shape in shapes)


def _shape(value: Any) -> tuple[int, ...]:
    """The sizes of a tensor without the batch."""
    return tuple(value.shape[1:]) if isinstance(value, torch.Tensor) else (-1,)


def _sizes(tensor: Tensor, sizes: dict[str, int]) -> tuple[int, ...]:
    return tuple(evaluate(size, sizes) for size in tensor.shape)


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
