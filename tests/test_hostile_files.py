"""Files, folders, streams and terminals as they are on bad days: the exit status is right, and nothing is a traceback.

Projects are made in a folder of their own and checked as `a.arch`; `lent` is a folder beside the project.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hostile import Worker, net
from tests.patience import PATIENCE

Made = Callable[[Path], object]

UNUSABLE = "block b { relu }\n"


def project(**files: str | bytes) -> Made:
    """Make a project of files; `a` is `a.arch`."""

    def make(folder: Path) -> None:
        for name, text in files.items():
            (folder / f"{name}.arch").write_bytes(text if isinstance(text, bytes) else text.encode())

    return make


def chain(length: int) -> Made:
    """Files of which each imports the next."""

    def make(folder: Path) -> None:
        project(a=net("b", 'from "f0.arch" import b'))(folder)
        for i in range(length):
            (folder / f"f{i}.arch").write_text(f'from "f{i + 1}.arch" import b\n')
        (folder / f"f{length}.arch").write_text(UNUSABLE)

    return make


def diamonds(folder: Path) -> None:
    """Sixty levels of two files, each of which imports both of the next level: 2**60 ways to the last."""
    project(a=net("b", 'from "l0.arch" import b'))(folder)
    for i in range(60):
        for side in "lr":
            imports = f'from "l{i + 1}.arch" import b\nfrom "r{i + 1}.arch" import b\n'
            (folder / f"{side}{i}.arch").write_text(imports)
    (folder / "l60.arch").write_text(UNUSABLE)
    (folder / "r60.arch").write_text('from "l60.arch" import b\n')


def imports(path: str, make: Made = lambda folder: None) -> Made:
    """A project that imports `b` from a path, which `make` puts there."""

    def whole(folder: Path) -> None:
        project(a=net("b", f'from "{path}" import b'))(folder)
        make(folder)

    return whole


def secret(folder: Path) -> Path:
    """A file outside the project."""
    outside = folder.parent / "lent"
    outside.mkdir()
    (outside / "b.arch").write_text(UNUSABLE)
    return outside / "b.arch"


def locked(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads every file")
    (folder / "b.arch").write_text(UNUSABLE)
    (folder / "b.arch").chmod(0)


# What lies in the project, and how `archc check a.arch` ends: its exit status and what it says.
PROJECTS: dict[str, tuple[Made, int, str]] = {
    "a chain of imports": (chain(60), 0, "no mistakes"),
    "a long chain of imports": (chain(5000), 1, "E0702"),
    "diamonds of imports": (diamonds, 0, "no mistakes"),
    "a circle of imports": (
        project(a=net("b", 'from "b.arch" import b'), b='from "c.arch" import b', c='from "b.arch" import b'),
        1,
        "E0106",
    ),
    "an import that is not UTF-8": (project(a=net("b", 'from "b.arch" import b'), b=b"\xff"), 1, "E0001"),
    "an import that is binary": (project(a=net("b", 'from "b.arch" import b'), b=b"\0\1\2\3" * 999), 1, "E0001"),
    "an empty import": (project(a=net("b", 'from "b.arch" import b'), b=""), 1, "E0108"),
    "import of a pipe": (imports("b.arch", lambda folder: os.mkfifo(folder / "b.arch")), 1, "not a regular file"),
    "import of a folder": (imports("b.arch", lambda folder: (folder / "b.arch").mkdir()), 1, "cannot read"),
    "import of a loop of links": (
        imports("b.arch", lambda folder: (folder / "b.arch").symlink_to("b.arch")),
        1,
        "E010",
    ),
    "import of a link to nothing": (imports("b.arch", lambda folder: (folder / "b.arch").symlink_to("x")), 1, "E010"),
    "a link out of the project": (
        imports("b.arch", lambda folder: (folder / "b.arch").symlink_to(secret(folder))),
        1,
        "outside the project",
    ),
    "a folder that is a link out of the project": (
        imports("d/b.arch", lambda folder: (folder / "d").symlink_to(secret(folder).parent)),
        1,
        "outside the project",
    ),
    "a link to a device": (imports("b.arch", lambda folder: (folder / "b.arch").symlink_to("/dev/zero")), 1, "E0107"),
    "import from above": (imports("../lent/b.arch", secret), 1, "outside the project"),
    "import from above, around a corner": (imports("./././x/../../lent/b.arch", secret), 1, "E010"),
    "import from below the zoo": (imports("zoo:../pyproject.toml"), 1, "E010"),
    "import of nothing": (imports(""), 1, "E0107"),
    "import of a locked file": (imports("b.arch", locked), 1, "cannot read"),
    "import of a name with escapes": (imports("\\u001b[31m.arch"), 1, "E010"),
    "import of a long name": (imports("b" * 5000), 1, "E010"),
    "two thousand missing imports": (project(a='from "no.arch" import b\n' * 2000 + net("relu")), 1, "E0105"),
}

# What is checked instead of a text: exit status 2, since a FILE that cannot be read is the caller's mistake.
FILES: dict[str, tuple[str, Made]] = {
    "a pipe": ("b.arch", lambda folder: os.mkfifo(folder / "b.arch")),
    "a folder": ("b.arch", lambda folder: (folder / "b.arch").mkdir()),
    "a loop of links": ("b.arch", lambda folder: (folder / "b.arch").symlink_to("b.arch")),
    "a link to nothing": ("b.arch", lambda folder: (folder / "b.arch").symlink_to("x")),
    "a device": ("/dev/zero", lambda folder: None),
    "a locked file": ("b.arch", locked),
    "a file in a file": ("a.arch/b.arch", project(a="")),
}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.close()


@pytest.mark.parametrize("name", PROJECTS)
def test_imports(name: str, worker: Worker, tmp_path: Path) -> None:
    make, expected, said = PROJECTS[name]
    folder = tmp_path / "project"
    folder.mkdir()
    make(folder)
    status, out, err = worker.run(["check", "a.arch"], folder)
    assert status == expected, out + err
    assert said in out + err
    assert len(err) < 200_000


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file(name: str, worker: Worker, tmp_path: Path) -> None:
    path, make = FILES[name]
    make(tmp_path)
    for command in ("check", "build"):
        status, out, err = worker.run([command, path], tmp_path)
        assert status == 2, out + err
        assert err.startswith("error: cannot read "), err


# ---- whole processes


def archc(
    arguments: str, folder: Path, *, before: str = "", after: str = "", **variables: str
) -> "subprocess.CompletedProcess[bytes]":
    """Run archc by a shell, which closes streams and sets limits before it starts."""
    environment = {**os.environ, **variables}
    command = f"{before} exec {sys.executable} -m archc {arguments} {after}"
    environment["PYTHONPATH"] = os.getcwd()
    result = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, capture_output=True, check=False)
    assert b"Traceback" not in result.stderr, result.stderr.decode()
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.arch").write_text(net("conv(4, 3)\nrelu"))
    (tmp_path / "bad.arch").write_text(net("conv(4, 3)\nrelo"))
    return tmp_path


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize(("file", "status"), [("good.arch", 0), ("bad.arch", 1), ("missing.arch", 2)])
def test_closed_streams(folder: Path, closed: str, file: str, status: int) -> None:
    for command in (f"check {file}", f"build {file} --summary"):
        assert archc(command, folder, after=closed).returncode == status


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "command", ["check good.arch", "build good.arch --summary", "zoo", "ops", "build good.arch --emit source"]
)
def test_a_full_disk_behind_stdout(folder: Path, command: str) -> None:
    result = archc(command, folder, after=">/dev/full")
    assert result.returncode == 3
    assert b"No space left" in result.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(
    ("command", "status"),
    [("check good.arch", 0), ("check bad.arch", 1), ("build bad.arch", 1), ("check no.arch", 2), ("no", 2)],
)
def test_a_full_disk_behind_stderr(folder: Path, command: str, status: int) -> None:
    """What cannot be said is lost; how it went is not."""
    assert archc(command, folder, after="2>/dev/full").returncode == status


def test_a_file_larger_than_its_limit_leaves_what_was_there(folder: Path) -> None:
    (folder / "x.py").write_text("before")
    result = archc("build resnet18 -o x.py", folder, before="ulimit -f 1;")
    assert result.returncode == 3, result.stderr
    assert b"File too large" in result.stderr
    assert (folder / "x.py").read_text() == "before"


def test_an_output_onto_a_folder(folder: Path) -> None:
    (folder / "x.py").mkdir()
    result = archc("build good.arch -o x.py", folder)
    assert result.returncode == 3
    assert b"x.py" in result.stderr
    assert sorted(entry.name for entry in folder.iterdir()) == ["bad.arch", "good.arch", "x.py"], "nothing is left"


def test_the_current_folder_is_gone(folder: Path) -> None:
    leave = "mkdir gone && cd gone && rmdir ../gone;"
    assert archc(f"check {folder}/good.arch", folder, before=leave).returncode == 0
    for command in ("check resnet18", "check x.arch", "check -", "build resnet18 -o x.py"):
        result = archc(command, folder, before=leave)
        assert result.returncode == 3, result.stderr
        assert b"the current folder has been deleted" in result.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"COLUMNS": "20"},
        {"COLUMNS": "x"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TERM": "dumb", "NO_COLOR": "1"},
        {"HOME": "", "TMPDIR": "/no"},
    ],
)
def test_environments(folder: Path, variables: dict[str, str]) -> None:
    (folder / "é.arch").write_text('"""Größe → ²"""\n' + net('"é": conv(4, 3)\nrelo'), encoding="utf-8")
    for command, status in (("check good.arch", 0), ("check é.arch", 1), ("build good.arch --summary", 0), ("zoo", 0)):
        result = archc(command, folder, before="unset HOME;" if "HOME" in variables else "", **variables)
        assert result.returncode == status, result.stderr


def test_hash_seeds_change_nothing(folder: Path) -> None:
    (folder / "many.arch").write_text(net("relo\nconv(n)\ngelo\nconv(3, kernal=2) as a\na -> a -> in"))
    for command in ("check many.arch", "build resnet18 --summary --format json", "build googlenet --emit source"):
        runs = [archc(command, folder, PYTHONHASHSEED=seed) for seed in "0123"]
        seen = {(run.stdout, run.stderr) for run in runs}
        assert len(seen) == 1


# Python's own end by SIGTERM is the signal's, which a shell shows as 143.
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_signals(folder: Path, number: signal.Signals, status: int) -> None:
    command = [sys.executable, "-m", "archc", "check", "-"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(b"#\n" * 2**20)  # more than a pipe holds: when this returns, the text is being read
    process.stdin.flush()
    time.sleep(0.5)  # Python sees a signal between two reads at the next one only: let it wait for more
    process.send_signal(number)
    try:
        assert process.wait(timeout=PATIENCE) == status
    finally:
        process.kill()
        output, errors = process.communicate()
    assert output == b""
    assert b"Traceback" not in errors
