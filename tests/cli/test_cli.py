"""The command line as a user meets it: results, exit statuses, and what happens to wrong input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from archc.cli import main

NET = "arch Net(num_classes = 10) {\n    input image: [3, 8, 8]\n    flatten -> linear(num_classes)\n}\n"


def archc(*args: str, input: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(args), input=input, prog_name="archc")


@pytest.fixture
def net(tmp_path: Path) -> str:
    path = tmp_path / "net.arch"
    path.write_text(NET)
    return str(path)


def test_build_says_what_it_is(net: str) -> None:
    result = archc("build", net)
    assert result.exit_code == 0
    assert result.stdout == "Net: 1,930 parameters, 1,920 multiply-adds at image 3x8x8, depth 1\n"


def test_build_summary_of_the_zoo() -> None:
    result = archc("build", "resnet18", "-p", "num_classes=5 * 2", "--summary")
    assert result.exit_code == 0
    assert "fc " in result.stdout
    assert "11,181,642" in result.stdout


def test_build_json() -> None:
    result = archc("build", "d2l/lenet", "--summary", "--format", "json")
    assert json.loads(result.stdout)["params"] == 61_706


def test_build_reads_standard_input() -> None:
    assert archc("build", "-", input=NET).stdout.startswith("Net: 1,930")


def test_build_chooses_by_name(tmp_path: Path) -> None:
    path = tmp_path / "two.arch"
    path.write_text(NET + NET.replace("Net", "Other"))
    assert archc("build", f"{path}:Other").stdout.startswith("Other")
    result = archc("build", str(path))
    assert result.exit_code == 2
    assert "`Net`, `Other`" in result.stderr


def test_build_writes_source(net: str, tmp_path: Path) -> None:
    target = tmp_path / "net.py"
    assert archc("build", net, "-o", str(target)).exit_code == 0
    assert "class Net(nn.Module)" in target.read_text() or "class Net(nn.Sequential)" in target.read_text()
    assert "archc" not in [line.split()[1] for line in target.read_text().splitlines() if line.startswith("import")]
    assert archc("build", net, "-o", str(tmp_path / "net.txt")).exit_code == 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["net.arch", "net.py"]


def test_a_failed_write_leaves_what_was_there(net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "net.py"
    target.write_text("mine")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(os, "fsync", full)
    result = archc("build", net, "-o", str(target))
    assert (result.exit_code, target.read_text()) == (3, "mine")
    assert "No space left on device" in result.stderr
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["net.arch", "net.py"]


def test_check_several_files(net: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.arch"
    wrong.write_text(NET.replace("flatten", "flaten"))
    result = archc("check", net, str(wrong))
    assert result.exit_code == 1
    assert "did you mean `flatten`?" in result.stderr
    assert result.stdout == ""
    assert archc("check", net, net).stdout == "no mistakes found in 2 files\n"


def test_check_json(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.arch"
    wrong.write_text(NET.replace("flatten", "flaten"))
    result = archc("check", str(wrong), "--format", "json")
    assert result.exit_code == 1
    (record,) = json.loads(result.stdout)
    assert (record["code"], record["line"], record["column"], record["end_column"]) == ("E0101", 3, 5, 11)


def test_check_looks_at_every_architecture_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "two.arch"
    path.write_text(NET + NET.replace("Net", "Other").replace("linear", "liner"))
    assert archc("check", str(path)).exit_code == 1


@pytest.mark.parametrize(
    "option", ["classes=3", "num_classes", "num_classes=", "num_classes=foo", "=3", "num_classes=1 +", "num_classes=(("]
)
def test_wrong_parameters(net: str, option: str) -> None:
    result = archc("build", net, "-p", option)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_a_parameter_given_twice(net: str) -> None:
    assert archc("build", net, "-p", "num_classes=1", "-p", "num_classes=2").exit_code == 2


def test_unknown_parameter_has_a_suggestion(net: str) -> None:
    assert "did you mean `num_classes`?" in archc("build", net, "-p", "num_clases=3").stderr


BAD_FILES = {
    "missing.arch": (None, 2),
    "empty.arch": (b"", 1),
    "binary.arch": (bytes(range(256)), 1),
    "nul.arch": (b"arch Net { \0 }", 1),
    "utf16.arch": (NET.encode("utf-16"), 1),
    "latin1.arch": ("arch Nét { input x: [3]\nrelu }".encode("latin-1"), 1),
    "brackets.arch": (b"let x = " + b"[" * 100_000, 1),
    "signs.arch": (b"let x = " + b"-" * 100_000 + b"1", 1),
    "spaces.arch": (b" \n" * 1000, 1),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("command", ["build", "check", "train"])
def test_bad_files(tmp_path: Path, command: str, name: str) -> None:
    content, status = BAD_FILES[name]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    result = archc(command, str(path))
    expected = 0 if command == "check" and name in ("empty.arch", "spaces.arch") else status
    assert result.exit_code == expected, result.stderr
    assert "Traceback" not in result.stderr
    assert "crashed" not in result.stderr


def test_bom_and_crlf_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "net.arch"
    path.write_bytes(b"\xef\xbb\xbf" + NET.replace("\n", "\r\n").encode())
    assert archc("build", str(path)).exit_code == 0


@pytest.mark.parametrize("command", ["build", "check", "train"])
def test_a_folder(tmp_path: Path, command: str) -> None:
    result = archc(command, str(tmp_path))
    assert result.exit_code == 2
    assert "folder" in result.stderr


def test_unknown_commands_options_and_networks() -> None:
    assert "did you mean `build`?" in archc("biuld").stderr
    assert archc("biuld").exit_code == 2
    assert archc("build", "resnet18", "--sumary").exit_code == 2
    result = archc("build", "resnet81")
    assert result.exit_code == 2
    assert "did you mean `resnet18`?" in result.stderr


def test_zoo_and_ops() -> None:
    listed = archc("zoo").stdout
    assert "resnet18 " in listed
    assert "\nparts" not in listed  # no network
    assert "it has `d2l/lenet` and `papers/lenet`" in archc("zoo", "lenet").stderr
    assert archc("zoo", "d2l/lenet").stdout == (Path(__file__).parents[2] / "archs/d2l/lenet.arch").read_text()
    assert archc("zoo", "lenett").exit_code == 2
    assert "max_pool" in archc("ops").stdout
    assert archc("ops", "conv").stdout.startswith("conv(out_channels, kernel_size, stride=1")
    assert "  crop { a; b }  from 3x9x8, 5x6x8\n" in archc("ops", "crop").stdout
    assert "did you mean `conv`?" in archc("ops", "cnov").stderr


def test_every_command_has_help_with_examples() -> None:
    from archc.cli import COMMANDS

    listed = archc("--help").stdout
    for command in COMMANDS:
        assert f"\n  {command} " in listed
        text = archc(command, "--help").stdout
        assert "Examples:" in text
        assert f"archc {command}" in text


def test_sizes_for_symbols() -> None:
    assert "at image 3x64x32" in archc("build", "unet", "--input", "3x64x32").stdout
    for size in ("3x60x64", "1x64x64", "3x64", "3x64x64,3x64x64", "axbxc", ""):
        assert archc("build", "unet", "--input", size).exit_code == 2


def test_a_crash_says_so(monkeypatch: pytest.MonkeyPatch, net: str) -> None:
    def broken(*args: object) -> None:
        raise AssertionError("broken inside")

    monkeypatch.setattr("archc.commands.build.open_network", broken)
    result = archc("build", net)
    assert result.exit_code == 70
    assert "mistake in archc" in result.stderr


def run(*args: str, **extra: str) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, **extra}
    return subprocess.run([sys.executable, "-m", "archc", *args], capture_output=True, env=environment, check=False)


def test_a_reader_that_stops_early() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "archc", "zoo", "densenet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate()
    assert process.returncode == 0
    assert errors == b""


def test_an_ascii_terminal() -> None:
    result = run("build", "nét", PYTHONIOENCODING="ascii")
    assert result.returncode == 2
    assert b"Traceback" not in result.stderr


def test_messages_are_not_coloured_where_nobody_looks() -> None:
    result = run("check", "-")
    assert b"\x1b" not in result.stderr
