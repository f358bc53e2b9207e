"""A process without torch that runs `archc` on hostile inputs, each in a fork of it with a limit on memory and time."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

MEMORY = 512 * 2**20
SECONDS = 60  # a case that is still running hangs, even on a busy machine; the limits of the compiler are counts

# Reads cases as lines of JSON, writes one line of JSON for each: [exit status, seconds, peak bytes, stdout, stderr].
WORKER = """
import io, json, os, resource, signal, sys, time, traceback
import archc.commands.build, archc.commands.check, archc.compiler.source, archc.compiler.summary, archc.dsl.render
from archc.cli import main

memory, seconds = map(int, sys.argv[1:])
for line in sys.stdin:
    arguments, folder = json.loads(line)
    began = time.monotonic()
    out, err = (os.path.join(folder, name) for name in (".out", ".err"))
    child = os.fork()
    if not child:
        try:
            os.chdir(folder)
            sys.stdout, sys.stderr = open(out, "w"), open(err, "w", errors="backslashreplace")
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
            signal.alarm(seconds)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            status = main.main(arguments, "archc", standalone_mode=False)
            sys.stdout.flush(), sys.stderr.flush()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            status = 99
        os._exit(status)
    _, status, used = os.wait4(child, 0)
    took = time.monotonic() - began
    texts = [open(name, errors="surrogateescape").read() for name in (out, err)]
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps([os.waitstatus_to_exitcode(status), took, peak, *texts]), flush=True)
"""


class Ended(NamedTuple):
    """How a case ended."""

    status: int
    out: str
    err: str


class Worker:
    """The process; `figures` holds the seconds and the peak memory of every case, for those who want to read them."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", WORKER, str(MEMORY), str(SECONDS)]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.figures: dict[str, tuple[float, int]] = {}

    def run(self, arguments: list[str], folder: Path, name: str = "") -> Ended:
        """Run `archc` in a folder; no case ends in a crash, by a signal, or writes what a terminal would obey."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([arguments, str(folder)]) + "\n")
        self.process.stdin.flush()
        status, seconds, peak, out, err = json.loads(self.process.stdout.readline())
        self.figures[name] = seconds, peak
        assert status in (0, 1, 2, 3), f"exit status {status} after {seconds:.1f} s: {err[-2000:]}"
        assert peak < MEMORY
        assert "Traceback" not in err
        obeyed = {c for c in out + err if (ord(c) < 0x20 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2028"}
        assert not obeyed
        return Ended(status, out, err)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def net(body: str, before: str = "", inputs: str = "input x: [3, 32, 32]") -> str:
    """The text of an architecture with a body."""
    return f"{before}\narch A {{\n{inputs}\n{body}\n}}\n"
