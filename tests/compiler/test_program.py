"""Files that import files: where they are looked up, and what may not be read."""

import os
from pathlib import Path

import pytest

from archc.dsl.diagnostics import ArchError
from archc.files import open_file
from archc.network import network

UNIT = "block unit(c) { conv(c, 1) }\n"
NET = 'from "{}" import unit\narch Net {{ input x: [3, 4, 4]\nunit(5) }}\n'


def codes(path: Path) -> list[str]:
    with pytest.raises(ArchError) as caught:
        network(open_file(str(path)), {})
    return [found.code for found in caught.value.diagnostics]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "nets").mkdir()
    (tmp_path / "unit.arch").write_text(UNIT)
    return tmp_path


def test_beside_the_importing_file(project: Path) -> None:
    (project / "nets" / "unit.arch").write_text(UNIT.replace("(c, 1)", "(c + 1, 1)"))
    (project / "nets" / "net.arch").write_text(NET.format("unit.arch"))
    assert network(open_file(str(project / "nets" / "net.arch")), {}).outputs["output"] == (6, 4, 4)


def test_from_another_folder_of_the_project(project: Path) -> None:
    (project / "nets" / "net.arch").write_text(NET.format("../unit.arch"))
    assert network(open_file(str(project / "nets" / "net.arch")), {}).outputs["output"] == (5, 4, 4)


def test_from_the_zoo(project: Path) -> None:
    text = 'from "{}resnet.arch" import basic\narch Net {{ input x: [64, 8, 8]\nbasic(64) }}\n'
    for prefix in ("", "zoo:"):
        (project / "net.arch").write_text(text.format(prefix))
        assert network(open_file(str(project / "net.arch")), {}).outputs["output"] == (64, 8, 8)


def test_own_file_comes_before_the_zoo(project: Path) -> None:
    (project / "resnet.arch").write_text(UNIT)
    (project / "net.arch").write_text(NET.format("resnet.arch"))
    network(open_file(str(project / "net.arch")), {})
    (project / "net.arch").write_text(NET.format("zoo:resnet.arch"))
    assert codes(project / "net.arch") == ["E0108"]


def test_an_imported_block_sees_its_own_file(project: Path) -> None:
    (project / "unit.arch").write_text("let c = 9\nblock unit(n) { conv(c, 1) }\n")
    (project / "net.arch").write_text("let c = 2\n" + NET.format("unit.arch"))
    assert network(open_file(str(project / "net.arch")), {}).outputs["output"] == (9, 4, 4)


def test_outside_the_project(project: Path) -> None:
    outside = project / "nets"
    (outside / "pyproject.toml").touch()  # nets/ is a project of its own now
    (outside / "net.arch").write_text(NET.format("../unit.arch"))
    assert codes(outside / "net.arch") == ["E0107"]


def test_a_link_that_leads_outside(project: Path) -> None:
    nets = project / "nets"
    (nets / "pyproject.toml").touch()
    (nets / "link.arch").symlink_to(project / "unit.arch")
    (nets / "net.arch").write_text(NET.format("link.arch"))
    assert codes(nets / "net.arch") == ["E0107"]


def test_absolute_paths(project: Path) -> None:
    (project / "net.arch").write_text(NET.format(str(project / "unit.arch")))
    assert codes(project / "net.arch") == ["E0107"]


def test_a_cycle_is_shown(project: Path) -> None:
    (project / "a.arch").write_text('from "b.arch" import x\nblock y { relu }\n')
    (project / "b.arch").write_text('from "a.arch" import y\nblock x { relu }\n')
    assert codes(project / "a.arch") == ["E0106"]


def test_a_pipe_is_not_waited_for(project: Path) -> None:
    os.mkfifo(project / "pipe.arch")
    (project / "net.arch").write_text(NET.format("pipe.arch"))
    assert codes(project / "net.arch") == ["E0105"]


def test_mistakes_in_imported_files_are_shown_there(project: Path) -> None:
    (project / "unit.arch").write_text("block unit(c) { conv(c, 1 }\n")
    (project / "net.arch").write_text(NET.format("unit.arch"))
    with pytest.raises(ArchError) as caught:
        network(open_file(str(project / "net.arch")), {})
    assert {found.primary.span.source.name for found in caught.value.diagnostics} == {str(project / "unit.arch")}


def test_each_file_is_read_once(project: Path) -> None:
    (project / "a.arch").write_text('from "unit.arch" import unit\nblock a { unit(2) }\n')
    (project / "net.arch").write_text(NET.format("unit.arch") + 'from "a.arch" import a\n')
    program = open_file(str(project / "net.arch")).program
    assert [os.path.basename(name) for name in program.units] == ["net.arch", "unit.arch", "a.arch"]


def test_a_name_is_defined_once(project: Path) -> None:
    (project / "net.arch").write_text(NET.format("unit.arch") + UNIT)
    assert codes(project / "net.arch") == ["E0102"]
