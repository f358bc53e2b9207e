"""Every stage printed as text, as `archc build --emit` does: golden files that one can read."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from archc.cli import main
from archc.compiler.listing import graph_listing, shapes_listing
from archc.dsl.outline import outline
from archc.files import Opened, open_file, open_text
from archc.network import Network, network

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = {"lenet": "d2l/lenet", "resnet18": "resnet18", "two_towers": "input.arch", "unet": "unet"}


class Case(NamedTuple):
    opened: Opened
    network: Network


STAGES: dict[str, Callable[[Case], str]] = {
    "ast": lambda case: outline(case.opened.program.main.file),
    "graph": lambda case: graph_listing(case.network.checked.shaped.graph),
    "shapes": lambda case: shapes_listing(case.network.checked.shaped),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("case", CASES)
def test_golden_stage(case: str, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run with ARCHC_REGENERATE=1 to accept what changed, and read the difference."""
    monkeypatch.chdir(GOLDEN / case)
    opened = open_file(CASES[case])
    text = STAGES[stage](Case(opened, network(opened, {}))) + "\n"
    text = text.replace(str(GOLDEN.parents[1] / "archc") + os.sep, "")
    file = GOLDEN / case / f"{stage}.txt"
    if os.environ.get("ARCHC_REGENERATE"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("stage", [*STAGES, "source"])
def test_command(stage: str) -> None:
    result = CliRunner().invoke(main, ["build", "d2l/lenet", "--emit", stage])
    assert result.exit_code == 0
    assert not result.stderr
    if stage in ("graph", "shapes"):
        assert result.stdout.startswith(f"{stage} LeNet of ")
    assert result.stdout.endswith("\n")
    assert not result.stdout.endswith("\n\n")


def test_the_tree_of_a_wrong_network_is_printed() -> None:
    text = "arch Net { input x: [3]; rleu }\n"
    runner = CliRunner()
    assert "Stage 1:26" in runner.invoke(main, ["build", "-", "--emit", "ast"], input=text).stdout
    assert runner.invoke(main, ["build", "-", "--emit", "graph"], input=text).exit_code == 1


def test_a_stage_has_one_form() -> None:
    for options in (["--summary"], ["--format", "json"]):
        assert CliRunner().invoke(main, ["build", "d2l/lenet", "--emit", "graph", *options]).exit_code == 2


def test_an_empty_call_is_not_a_name() -> None:
    def tree(stage: str) -> str:
        return outline(open_text(f"arch Net {{ input x: [3]; {stage} }}").program.main.file)

    assert "arguments:" not in tree("relu")
    assert "arguments:" in tree("relu()")


def test_the_tree_of_a_long_text_needs_no_deep_python() -> None:
    text = f"arch Net {{ input x: [3]; linear({' + '.join(['1'] * 150)}) }}"
    assert outline(open_text(text).program.main.file).count("Binary '+'") == 149


def test_imported_files_of_one_name_keep_their_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "unit.arch").write_text(f"block {folder} {{ relu }}\n")
    (tmp_path / "net.arch").write_text(
        'from "a/unit.arch" import a\nfrom "b/unit.arch" import b\narch Net { input x: [3]; a; b }\n'
    )
    text = graph_listing(network(open_file("net.arch"), {}).checked.shaped.graph)
    assert "a/unit.arch:1:11" in text
    assert "b/unit.arch:1:11" in text
