"""What archc finds on a machine, and what is wrong with it. Nothing here fails where a package is missing or broken."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import NamedTuple

from archc import __version__

DISTRIBUTION = "archc-torch"
ROOMS = ("dsl", "compiler", "runtime", "archs")
PACKAGE = os.path.dirname(os.path.abspath(__file__))
TORCH_SECONDS = 120  # a first import from a cold disk takes long
ENOUGH_DISK = 2**30  # bytes; a run with checkpoints of a small network
NARROW = 80  # columns
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")

# Run by a Python of its own: what a broken torch does to its process, it does there.
TORCH = """
import json, torch
facts = {"version": torch.__version__, "threads": torch.get_num_threads(), "cuda": torch.version.cuda, "devices": []}
facts["capability"] = torch.backends.cpu.get_cpu_capability()
facts["mps"] = torch.backends.mps.is_available()
for i in range(torch.cuda.device_count()):
    device = torch.cuda.get_device_properties(i)
    memory = f"{device.total_memory / 2**30:.0f} GiB"
    facts["devices"].append(f"{device.name}, {memory}, compute {device.major}.{device.minor}")
try:
    import torchvision
    torchvision.ops.nms
    facts["torchvision"] = torchvision.__version__
except Exception as error:
    facts["problem"] = f"{type(error).__name__}: {error}"
print(json.dumps(facts))
"""


class Fact(NamedTuple):
    """One line of the report: `state` is "ok", "note" (worth knowing) or "problem" (something needed is missing).

    `advice` says what to type, where there is something to do.
    """

    group: str
    name: str
    value: str
    state: str = "ok"
    advice: str = ""


def examine(data_root: str) -> Iterator[Fact]:
    """Yield what is found, the quick parts first, torch last; `data_root` is the folder of the data sets."""
    for part in (_archc, _python, _dependencies, _graphviz, _processor, _disk, _terminal):
        yield from part()
    yield from _data(data_root)
    yield from _torch()


def _archc() -> Iterator[Fact]:
    yield Fact("archc", "version", __version__)
    yield Fact("archc", "installed in", PACKAGE)
    texts = [room for room in ROOMS if os.path.isfile(os.path.join(PACKAGE, room))]
    if texts:
        advice = "work from an installation: pip install -e . in the checkout"
        yield Fact("archc", "links", f"{', '.join(texts)}: text files where links should be", "note", advice)
    elif os.path.islink(os.path.join(PACKAGE, ROOMS[0])):
        yield Fact("archc", "links", "as in a checkout")


def _python() -> Iterator[Fact]:
    yield Fact("python", "version", f"{platform.python_version()} in {sys.executable}")
    yield Fact("python", "system", platform.platform())


def requirements() -> list[tuple[str, str]]:
    """Return the packages that archc needs, each with the lowest version: those declared by the installation.

    A checkout that is not installed declares them in its `pyproject.toml`.

    >>> dict(requirements())["click"]
    '8.1.7'
    """
    try:
        declared = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        declared = _declared_in_checkout()
    found = [re.match(r"([\w.-]+)\s*>=\s*([\w.]+)\s*$", line) for line in declared]  # extras have a marker behind
    return sorted((match[1], match[2]) for match in found if match)


def _declared_in_checkout() -> list[str]:
    import tomllib

    try:
        with open(os.path.join(os.path.dirname(PACKAGE), "pyproject.toml"), "rb") as file:
            return list(tomllib.load(file)["project"]["dependencies"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return []


def at_least(version: str, lowest: str) -> bool:
    """Whether a version is the lowest one or later; what follows the numbers (`+cu128`, `rc1`) does not count.

    >>> at_least("2.14.1+cpu", "2.6"), at_least("8.1", "8.1.7")
    (True, False)
    """
    have, need = (
        [int(part) for part in re.findall(r"\d+", re.split(r"[^\d.]", text)[0])] for text in (version, lowest)
    )
    return have + [0] * (len(need) - len(have)) >= need


def _dependencies() -> Iterator[Fact]:
    wanted = requirements()
    if not wanted:
        yield Fact("packages", "declared", "unknown", "note", f"pip install {DISTRIBUTION}, or -e . in the checkout")
    for name, lowest in wanted:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Fact(
                "packages", name, f"missing; {lowest} or later is needed", "problem", f"pip install '{name}>={lowest}'"
            )
            continue
        if at_least(version, lowest):
            yield Fact("packages", name, version)
        else:
            yield Fact(
                "packages",
                name,
                f"{version}; {lowest} or later is needed",
                "problem",
                f"pip install -U '{name}>={lowest}'",
            )


def _graphviz() -> Iterator[Fact]:
    from importlib.util import find_spec

    dot = shutil.which("dot")
    if dot:
        said = _output([dot, "-V"])
        version = re.search(r"[\d.]{3,}", said or "")
        yield Fact("diagrams", "dot", f"{version[0]} in {dot}" if version else dot, *(() if version else ("note",)))
    elif find_spec("pygraphviz"):
        yield Fact("diagrams", "dot", "not on the PATH; pygraphviz lays diagrams out")
    else:
        yield Fact("diagrams", "dot", "neither dot nor pygraphviz", "problem", "pip install pygraphviz")


def _processor() -> Iterator[Fact]:
    text = _read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    has = [flag for flag in CPU_FLAGS if flags and flag in flags[1].split()]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    name = model[1] if model else platform.processor() or platform.machine()
    yield Fact("machine", "processor", f"{name}, {cores} cores" + (f", {' '.join(has)}" if has else ""))
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return
    yield Fact("machine", "memory", f"{memory / 2**30:.1f} GiB")


def _disk() -> Iterator[Fact]:
    import tempfile

    for name, folder in (("here", os.curdir), ("temporary", tempfile.gettempdir())):
        try:
            free = shutil.disk_usage(folder).free
            writable = os.access(folder, os.W_OK)
        except OSError as error:
            yield Fact("disk", name, f"{folder}: {error.strerror}", "note")
            continue
        value = f"{free / 2**30:.1f} GiB free in {os.path.abspath(folder)}"
        if not writable:
            yield Fact(
                "disk", name, f"{value}, not writable", "note", "runs and diagrams go elsewhere: --out RUN, -o PATH"
            )
        elif free < ENOUGH_DISK:
            yield Fact("disk", name, value, "note", "free some space before you train")
        else:
            yield Fact("disk", name, value)


def _terminal() -> Iterator[Fact]:
    columns = shutil.get_terminal_size().columns
    encoding = (getattr(sys.stdout, "encoding", "") or "unknown").lower()
    shown = (
        f"{columns} columns"
        if sys.stdout is not None and sys.stdout.isatty()
        else "none: output goes to a file or program"
    )
    colour = "no colour (NO_COLOR)" if os.environ.get("NO_COLOR") else f"TERM={os.environ.get('TERM', '')}"
    narrow = sys.stdout is not None and sys.stdout.isatty() and columns < NARROW
    yield Fact("terminal", "size", f"{shown}, {colour}", *(("note", "tables need 80 columns") if narrow else ()))
    if encoding.replace("-", "") == "utf8":
        yield Fact("terminal", "encoding", encoding)
    else:
        yield Fact("terminal", "encoding", encoding, "note", "export PYTHONUTF8=1 shows every character")


def _data(root: str) -> Iterator[Fact]:
    from archc.runtime.data.table import SOURCES

    absent: dict[str, str] = {}  # the first of the sets that lie at one place, by the place
    for name, source in SOURCES.items():
        if not source.place:
            yield Fact("data", name, source.summary)
        elif os.path.exists(place := os.path.join(root, source.place)):
            yield Fact("data", name, f"in {place}")
        else:
            absent.setdefault(place, name)
    if absent:
        advice = "archc doctor --data-root DIR looks elsewhere, archc data list says what goes where"
        yield Fact("data", "others", f"not in {root}: {', '.join(absent.values())}", "note", advice)


def _torch() -> Iterator[Fact]:
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", TORCH],  # without the current folder: it may hold a `torch.py`
            capture_output=True,
            encoding="utf-8",
            timeout=TORCH_SECONDS,
            check=False,
        )
        facts = json.loads(done.stdout) if done.returncode == 0 else None
        said = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        facts, said = None, f"no answer in {TORCH_SECONDS} s"
    except (OSError, ValueError) as error:
        facts, said = None, str(error)
    if facts is None:
        advice = (
            "archc check, build, render and fmt work without it; "
            "to train, pip install --force-reinstall torch torchvision"
        )
        yield Fact("torch", "import", f"fails: {said}", "problem", advice)
        return
    yield Fact("torch", "build", f"{facts['version']}, {facts['capability']}, {facts['threads']} threads")
    if "problem" in facts:
        advice = f"install the version that belongs to torch {facts['version']}: pip install -U torch torchvision"
        yield Fact("torch", "torchvision", f"fails: {facts['problem']}", "problem", advice)
    for number, device in enumerate(facts["devices"]):
        yield Fact("torch", f"cuda:{number}", device)
    if facts["mps"]:
        yield Fact("torch", "mps", "available")
    if not facts["devices"] and not facts["mps"]:
        yield _no_device(facts["cuda"])


def _no_device(built_for: str | None) -> Fact:
    card = _output(["nvidia-smi", "-L"])
    if not card:
        return Fact("torch", "devices", "the processor only")
    if built_for:
        advice = f"this torch is built for CUDA {built_for}: nvidia-smi shows what the driver can do"
    else:
        advice = "this torch is built for processors only: pytorch.org/get-started says how to install the other"
    return Fact("torch", "devices", f"not used: {card.splitlines()[0]}", "note", advice)


def _output(command: list[str]) -> str | None:
    """What a program prints, or nothing when it is not there, fails or hangs."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
