"""`archc check`: several files, its forms for programs, and watching."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from archc import __version__
from archc.cli import main
from archc.dsl.explain import explanation
from archc.watch import look, wait_for_change
from tests.patience import PATIENCE

BLOCKS = "block unit(channels) {\n    conv(channels, 3, padding=1) -> relu\n}\n"
NET = 'from "blocks.arch" import unit\n\narch Net {\n    input image: [3, 8, 8]\n    unit(8)\n}\n'
WRONG = "arch Net {\n    input image: [3, 8, 8]\n    add { conv(8, 1); identity }\n    flaten  # größer\n}\n"


def archc(*args: str, input: str | None = None) -> Result:
    return CliRunner().invoke(main, list(args), input=input, prog_name="archc")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blocks.arch").write_text(BLOCKS)
    (tmp_path / "net.arch").write_text(NET)
    (tmp_path / "a wrong ünit.arch").write_text(WRONG)
    return tmp_path


def test_a_mistake_that_several_files_share_is_reported_once(folder: Path) -> None:
    (folder / "blocks.arch").write_text(BLOCKS.replace("relu", "rleu"))
    (folder / "other.arch").write_text(NET.replace("Net", "Other"))
    result = archc("check", "net.arch", "other.arch")
    assert result.exit_code == 1
    assert result.stderr.count("error[") == 1


def test_every_architecture_of_a_file_is_checked_though_the_first_is_wrong(folder: Path) -> None:
    (folder / "net.arch").write_text("arch A { input x: [3]; rleu }\narch B { input x: [3]; geluu }\n")
    result = archc("check", "net.arch", "--format", "json")
    assert [record["line"] for record in json.loads(result.stdout)] == [1, 2]


def test_a_missing_file_does_not_hide_what_is_wrong_with_the_others(folder: Path) -> None:
    result = archc("check", "missing.arch", "a wrong ünit.arch", "absent.arch")
    assert result.exit_code == 2
    assert "error[E0101]" in result.stderr
    assert "cannot read `missing.arch`" in result.stderr
    assert "cannot read `absent.arch`" in result.stderr


def test_an_architecture_that_is_not_there_is_a_mistake_of_the_command_line(folder: Path) -> None:
    result = archc("check", "net.arch:Ned")
    assert result.exit_code == 2
    assert "net.arch has no architecture `Ned`" in result.stderr


def test_standard_input_is_read_once(folder: Path) -> None:
    assert archc("check", "-", input=NET).exit_code == 0
    assert archc("check", "-", "-", input=NET).exit_code == 2


@pytest.mark.parametrize(
    ("command", "last"),
    [
        (["check", "a wrong ünit.arch"], "`archc explain CODE` says more"),
        (["check", "wrong.arch"], "`archc explain E0101` says more"),
        (["build", "wrong.arch"], "`archc explain E0101` says more"),
    ],
)
def test_on_a_terminal_the_last_line_says_what_to_type(folder: Path, command: list[str], last: str) -> None:
    (folder / "wrong.arch").write_text(NET.replace("unit(8)", "units(8)"))
    assert last not in archc(*command).stderr
    ours, theirs = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1"}
    subprocess.run([sys.executable, "-m", "archc", *command], stderr=theirs, env=environment, check=False)
    os.close(theirs)
    assert os.read(ours, 10_000).decode().rstrip().endswith(last)
    os.close(ours)


# ---- SARIF

# The objects of the schema of SARIF 2.1.0 that are written: what each must have, and what else it may have.
OBJECTS: dict[str, tuple[set[str], set[str]]] = {
    "log": ({"version", "runs"}, {"$schema"}),
    "run": ({"tool"}, {"results", "columnKind", "invocations"}),
    "tool": ({"driver"}, set()),
    "driver": ({"name"}, {"semanticVersion", "rules"}),
    "rule": ({"id"}, {"shortDescription", "help", "defaultConfiguration"}),
    "text": ({"text"}, {"markdown"}),
    "configuration": (set(), {"level"}),
    "invocation": ({"executionSuccessful"}, set()),
    "result": ({"message"}, {"ruleId", "ruleIndex", "level", "locations", "relatedLocations"}),
    "location": (set(), {"id", "message", "physicalLocation"}),
    "physical": ({"artifactLocation"}, {"region"}),
    "artifact": (set(), {"uri"}),
    "region": (set(), {"startLine", "startColumn", "endLine", "endColumn"}),
}
CHILDREN = {
    "runs": "run",
    "tool": "tool",
    "driver": "driver",
    "rules": "rule",
    "shortDescription": "text",
    "help": "text",
    "message": "text",
    "defaultConfiguration": "configuration",
    "invocations": "invocation",
    "results": "result",
    "locations": "location",
    "relatedLocations": "location",
    "physicalLocation": "physical",
    "artifactLocation": "artifact",
    "region": "region",
}


def assert_valid(kind: str, found: dict[str, Any]) -> None:
    """Hold an object, and all in it, against the table of what the schema allows."""
    required, optional = OBJECTS[kind]
    assert required <= set(found) <= required | optional, kind
    for key, value in found.items():
        for part in value if isinstance(value, list) else [value]:
            assert isinstance(part, dict) == (key in CHILDREN), key
            if isinstance(part, dict):
                assert_valid(CHILDREN[key], part)
            elif kind == "region":
                assert isinstance(part, int)
                assert part >= 1
            elif key == "text":
                assert part


def sarif(*files: str) -> dict[str, Any]:
    result = archc("check", *files, "--format", "sarif")
    log: dict[str, Any] = json.loads(result.stdout)
    assert_valid("log", log)
    return log


def test_sarif(folder: Path) -> None:
    log = sarif("a wrong ünit.arch", "net.arch")
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["tool"]["driver"]["semanticVersion"] == __version__
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["E0101", "E0301"]
    assert rules[0]["help"]["markdown"] == explanation("E0101")
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "error"
    clash, unknown = run["results"]
    assert "did you mean `flatten`?" in unknown["message"]["text"]
    place = unknown["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20wrong%20%C3%BCnit.arch"
    assert place["region"] == {"startLine": 4, "startColumn": 5, "endLine": 4, "endColumn": 11}
    assert [related["message"]["text"] for related in clash["relatedLocations"]] == [
        "branch 1 is 8x8x8",
        "branch 2 is 3x8x8",
    ]


def test_sarif_of_a_file_without_mistakes_is_a_log_without_results(folder: Path) -> None:
    assert sarif("net.arch")["runs"][0]["results"] == []


def test_sarif_of_a_file_elsewhere_has_its_address(folder: Path) -> None:
    log = sarif(str(folder / "a wrong ünit.arch"))
    uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.startswith("file:///")


def test_the_table_of_objects_sees_what_is_wrong() -> None:
    with pytest.raises(AssertionError):
        assert_valid("region", {"startLine": 0})
    with pytest.raises(AssertionError):
        assert_valid("log", {"version": "2.1.0", "runs": [{"results": []}]})


# ---- watching


class Watcher:
    """A running `archc check --watch`, and what it has said so far."""

    def __init__(self, *args: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "archc", "check", *args, "--watch"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self.lines: Queue[str] = Queue()
        self.reader = Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def round(self) -> str:
        """What the next round says, up to the line that it is watching again."""
        said = ""
        while "; Ctrl-C ends" not in said:
            said += self.lines.get(timeout=PATIENCE)
        return said


@pytest.fixture
def watcher(folder: Path) -> Iterator[Watcher]:
    watcher = Watcher("net.arch")
    yield watcher
    watcher.process.kill()
    watcher.process.wait()
    assert watcher.process.stdout is not None
    watcher.process.stdout.close()


def test_watch(folder: Path, watcher: Watcher) -> None:
    blocks = folder / "blocks.arch"
    first = watcher.round()
    assert first.startswith("no mistakes found\nwatching ")
    blocks.write_text(BLOCKS.replace("relu", "rleu"))
    second = watcher.round()
    assert "blocks.arch changed ------" in second
    assert "did you mean `relu`?" in second
    (folder / "net.arch").unlink()  # as an editor does that moves the file away, and writes it anew
    time.sleep(0.5)
    (folder / "net.arch").write_text(NET.replace("unit(8)", "relu"))
    third = watcher.round()
    assert "net.arch changed" in third
    assert "cannot read" not in third
    blocks.unlink()
    fourth = watcher.round()
    assert "error[E0105]" in fourth
    blocks.write_text(BLOCKS)
    assert "error[E0105]" not in watcher.round()
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.process.wait(timeout=PATIENCE) == 130
    watcher.reader.join(timeout=PATIENCE)
    assert [watcher.lines.get() for _ in range(watcher.lines.qsize())] in ([], ["\n"])  # the line of the ^C ends


def test_what_cannot_be_watched(folder: Path) -> None:
    assert archc("check", "-", "--watch", input=NET).exit_code == 2
    assert archc("check", "net.arch", "--watch", "--format", "json").exit_code == 2


def test_a_change_is_seen_once_it_has_settled(folder: Path) -> None:
    paths = [str(folder / name) for name in ("net.arch", "blocks.arch", "absent.arch")]
    before = look(paths)
    os.utime(paths[0], ns=(1, 1))
    assert wait_for_change(before, interval=0.01) == [paths[0]]
    (folder / "absent.arch").write_text(NET)
    assert wait_for_change(before, interval=0.01) == [paths[2], paths[0]]
    (folder / "net.arch").unlink()
    start = time.monotonic()
    assert paths[0] in wait_for_change(look(paths) | {paths[0]: before[paths[0]]}, interval=0.01, patience=0.3)
    assert time.monotonic() - start >= 0.3


# ---- parameters


def test_an_architecture_without_its_parameters_is_not_said_to_be_right(folder: Path) -> None:
    (folder / "deep.arch").write_text("arch Deep(depth) { input x: [3, 8, 8]; repeat depth { conv(3, 1) } }\n")
    result = archc("check", "deep.arch")
    assert result.exit_code == 0
    assert result.stdout == "no mistakes found; 0 of 1 architectures checked\n"
    assert "`archc check deep.arch:Deep -p depth=...`" in result.stderr


def test_parameters_are_given_to_the_architecture(folder: Path) -> None:
    (folder / "deep.arch").write_text("arch Deep(depth) { input x: [3, 8, 8]; repeat depth { conv(3, 3) } }\n")
    assert archc("check", "deep.arch", "-p", "depth=3").stdout == "no mistakes found\n"
    result = archc("check", "deep.arch:Deep", "-p", "depth=4")
    assert (result.exit_code, result.stderr.count("error[E0302]")) == (1, 1)


@pytest.mark.parametrize("given", [["net.arch", "-p", "width=3"], ["net.arch", "net.arch", "-p", "width=3"]])
def test_parameters_that_cannot_be_given(folder: Path, given: list[str]) -> None:
    assert archc("check", *given).exit_code == 2
