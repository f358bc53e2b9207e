"""`archc fmt`: what it writes where, and its exit status."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from archc.cli import main

UGLY = "arch A{input x:[3]\nrelu # é\n}"
NICE = "arch A {\n    input x: [3]\n    relu  # é\n}\n"
WRONG = "arch A { relu(\n}"


def fmt(*args: str, input: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["fmt", *args], input=input, prog_name="archc")


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    path = tmp_path / "ugly.arch"
    path.write_bytes(UGLY.encode())
    return path


def test_it_rewrites_in_place_once(ugly: Path) -> None:
    result = fmt(str(ugly))
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"formatted {ugly}\n", "")
    assert ugly.read_bytes() == NICE.encode()
    before = ugly.stat()
    result = fmt(str(ugly))
    assert (result.exit_code, result.stdout) == (0, "")
    after = ugly.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_check_names_what_would_change_and_writes_nothing(ugly: Path, tmp_path: Path) -> None:
    nice = tmp_path / "nice.arch"
    nice.write_bytes(NICE.encode())
    result = fmt("--check", str(nice), str(ugly))
    assert (result.exit_code, result.stdout) == (1, f"would change {ugly}\n")
    assert ugly.read_bytes() == UGLY.encode()
    result = fmt("--check", str(nice))
    assert (result.exit_code, result.stdout) == (0, "")


def test_diff_writes_nothing_to_the_file(ugly: Path) -> None:
    wanted = (
        f"--- {ugly}\n+++ {ugly} (formatted)\n@@ -1,3 +1,4 @@\n-arch A{{input x:[3]\n-relu # é\n-}}\n"
        "\\ No newline at end of file\n+arch A {\n+    input x: [3]\n+    relu  # é\n+}\n"
    )
    result = fmt("--diff", str(ugly))
    assert (result.exit_code, result.stdout, result.stderr) == (0, wanted, "")
    assert ugly.read_bytes() == UGLY.encode()
    result = fmt("--diff", "--check", str(ugly))
    assert (result.exit_code, result.stdout, result.stderr) == (1, wanted, f"would change {ugly}\n")


def test_standard_input_to_standard_output() -> None:
    result = fmt("-", input=UGLY.encode())
    assert (result.exit_code, result.stdout_bytes) == (0, NICE.encode())
    result = fmt("-", "--check", input=UGLY.encode())
    assert (result.exit_code, result.stdout) == (1, "would change <stdin>\n")
    assert fmt("-", "--check", input=NICE.encode()).exit_code == 0


def test_line_ends_and_a_byte_order_mark_go(ugly: Path) -> None:
    ugly.write_bytes(b"\xef\xbb\xbf" + NICE.replace("\n", "\r\n").encode())
    assert fmt("--check", str(ugly)).exit_code == 1
    assert fmt(str(ugly)).exit_code == 0
    assert ugly.read_bytes() == NICE.encode()


def test_a_file_with_mistakes_is_left_alone_and_the_others_are_not(ugly: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.arch"
    wrong.write_text(WRONG)
    result = fmt(str(wrong), str(ugly))
    assert result.exit_code == 1
    assert "error[E0004]" in result.stderr
    assert "wrong.arch:1:14" in result.stderr
    assert (wrong.read_text(), ugly.read_bytes()) == (WRONG, NICE.encode())


def test_bytes_that_are_no_text(ugly: Path) -> None:
    ugly.write_bytes(b"arch \xff")
    result = fmt(str(ugly))
    assert result.exit_code == 1
    assert "byte 5 (0xff) is not UTF-8" in result.stderr


def test_a_missing_file_or_a_folder_stops_before_anything_is_written(ugly: Path, tmp_path: Path) -> None:
    result = fmt(str(ugly), str(tmp_path / "ugli.arch"))
    assert result.exit_code == 2
    assert "did you mean `ugly.arch`?" in result.stderr
    assert fmt(str(ugly), str(tmp_path)).exit_code == 2
    assert fmt().exit_code == 2
    assert ugly.read_bytes() == UGLY.encode()


def test_a_failed_write_leaves_what_was_there(ugly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device", str(ugly))

    monkeypatch.setattr(os, "fsync", full)
    assert fmt(str(ugly)).exit_code == 3
    assert ugly.read_bytes() == UGLY.encode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["ugly.arch"]


def test_a_link_goes_on_leading_to_its_file(ugly: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.arch"
    link.symlink_to(ugly.name)
    assert fmt(str(link)).exit_code == 0
    assert link.is_symlink()
    assert ugly.read_bytes() == NICE.encode()
