"""`archc render`: files that are what their suffix says, and the exit status of everything that can go wrong."""

import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import archc as package
from archc.cli import main

MAGIC = {"svg": b"<?xml", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-", "dot": b"digraph {"}


def archc(*args: str) -> Result:
    return CliRunner().invoke(main, list(args), prog_name="archc")


@pytest.mark.parametrize("suffix", MAGIC)
def test_the_file_is_what_its_suffix_says(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    result = archc("render", "d2l/lenet", "-o", str(path))
    assert (result.exit_code, result.output) == (0, "")
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert list(tmp_path.iterdir()) == [path]


def test_options_reach_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "x.dot"
    arguments = ("-p", "num_classes=7", "--depth", "1", "--direction", "lr")
    assert archc("render", "resnet18", *arguments, "-o", str(path)).exit_code == 0
    text = path.read_text(encoding="utf-8")
    assert "linear 7" in text
    assert "rankdir=LR" in text
    assert "downsample" not in text.replace("first: stride=2, with downsample", "")


@pytest.mark.parametrize("name", ["x.jpg", "x", "svg", ".svg", "x.svg.gz"])
def test_unknown_suffix(name: str, tmp_path: Path) -> None:
    result = archc("render", "d2l/lenet", "-o", str(tmp_path / name))
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "error: a diagram is written to a path that ends in one of .svg, .png, .pdf, .dot; this is `"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("resnet18",), 2),
        (("nothing", "-o", "x.svg"), 2),
        (("resnet18", "-o", "x.svg", "--depth", "0"), 2),
        (("resnet18", "-o", "x.svg", "--direction", "up"), 2),
        (("resnet18", "-p", "num_clases=3", "-o", "x.svg"), 2),
        (("wrong.arch", "-o", "x.svg"), 1),
        (("large.arch", "-o", "x.svg"), 2),
        (("resnet18", "-o", "nowhere/x.svg"), 3),
        (("resnet18", "-o", "folder.svg"), 3),
    ],
)
def test_exit_status(arguments: tuple[str, ...], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "wrong.arch").write_text("arch A { input x: [4]\n rleu }\n")
    large = "for i in range(1200) { if i % 2 == 0 { conv(3, 1) } else { max_pool(1) } }"
    (tmp_path / "large.arch").write_text(f"arch A {{ input x: [3, 8, 8]\n {large} }}\n")
    result = archc("render", *arguments)
    assert result.exit_code == status, result.output
    assert result.stderr.startswith("error")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "x.svg").exists()


def test_an_old_picture_stays_when_the_text_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    path.write_text("old")
    (tmp_path / "wrong.arch").write_text("arch A { input x: [4]\n rleu }\n")
    assert archc("render", str(tmp_path / "wrong.arch"), "-o", str(path)).exit_code == 1
    assert path.read_text() == "old"


def test_without_graphviz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    result = archc("render", "d2l/lenet", "-o", str(tmp_path / "x.svg"))
    assert result.exit_code == 3
    assert "pip install pygraphviz" in result.stderr


def test_a_network_draws_itself_in_a_notebook(tmp_path: Path) -> None:
    network = package.compile("d2l/lenet")
    network.render(tmp_path / "x.svg")
    assert (tmp_path / "x.svg").read_text(encoding="utf-8") == network._repr_svg_()
