"""Every block of the documents runs and prints what it shows, every link leads somewhere."""

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from archc.cli import main
from archc.experiments import read_table
from archc.runtime.recipe import resolve
from archc.runtime.recipe_text import read_recipe
from tests.checkout import PYPROJECT, ROOT, VERSION
from tests.documents import Block, anchors_of, archc_calls, blocks_of, links_of, matches, steps_of

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]
BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]

# Blocks that need the network, a terminal or many minutes. Their commands are still parsed; there should not be more.
NOT_RUN = 12

ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "COLUMNS": "100",
    "NO_COLOR": "1",
    "TERM": "dumb",
}


def name_of(block: Block) -> str:
    return f"{block.document.name}:{block.line}"


@pytest.fixture(scope="module")
def workplaces(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """A folder for each document, with the networks where the document says they are: later blocks use earlier ones."""
    folders = {document: tmp_path_factory.mktemp(document.stem) for document in DOCUMENTS}
    for folder in folders.values():
        shutil.copytree(ROOT / "archs", folder / "archs", ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    return folders


@pytest.fixture(scope="module")
def namespaces() -> dict[Path, dict[str, Any]]:
    """The names of each document's Python session."""
    return {document: {} for document in DOCUMENTS}


def run_command(command: str, cwd: Path, *, status: int) -> tuple[int, str]:
    """Return the exit status and the output of a command, `status` being that of the one before it.

    A plain `archc check` or `archc build` runs in this process: that saves the start of an interpreter each time.
    """
    if re.fullmatch(r"archc (check|build) [\w./:= -]+", command):
        found = CliRunner().invoke(main, command.split()[1:], env=ENVIRONMENT)
        return found.exit_code, found.output
    result = subprocess.run(
        ["bash", "-c", f"(exit {status})\n{command}"],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return result.returncode, result.stdout


def run_transcript(block: Block, cwd: Path) -> None:
    """Run the commands one by one; one that fails is expected to where `echo $?` comes next, or at the end."""
    status, output = 0, ""
    for step in steps_of(block.text, block.language):
        asks_status = step.command.strip() == "echo $?"
        assert status == 0 or asks_status, f"exit status {status} before `{step.command}`"
        status, output = run_command(step.command, cwd, status=status)
        if step.expected is not None:
            assert matches(step.expected, output), f"$ {step.command}\n{output}"
    assert status == block.status, output


def run_python(block: Block, names: dict[str, Any]) -> None:
    if ">>> " not in block.text:
        exec(compile(block.text, name_of(block), "exec"), names)
        return
    example = doctest.DocTestParser().get_doctest(block.text, names, name_of(block), str(block.document), block.line)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    failed, _ = runner.run(example, out=report.append, clear_globs=False)
    names.update(example.globs)
    assert failed == 0, "".join(report)


def check_text(block: Block, cwd: Path) -> None:
    """Check the network, which may be a wrong one; where it has a name, later blocks find it under that."""
    file = cwd / (block.file or f"block-{block.line}.arch")
    file.write_text(block.text, encoding="utf-8")
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == block.status, result.output


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.not_run is None], ids=name_of)
def test_block_runs(
    block: Block,
    workplaces: dict[Path, Path],
    namespaces: dict[Path, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cwd = workplaces[block.document]
    monkeypatch.chdir(cwd)
    match block.language:
        case "console" | "sh":
            run_transcript(block, cwd)
        case "python":
            monkeypatch.syspath_prepend(cwd)
            if block.file is not None:
                (cwd / block.file).write_text(block.text, encoding="utf-8")
            run_python(block, namespaces[block.document])
        case "arch":
            check_text(block, cwd)
        case "yaml":
            path = cwd / (block.file or f"block-{block.line}.yaml")
            path.write_text(block.text, encoding="utf-8")
            if "\nrows:" in block.text:
                read_table(str(path))
            else:
                resolve([read_recipe(block.text, name_of(block))])
        case "text":
            pass  # a drawing or a form, nothing that could run
        case language:
            pytest.fail(f"write ```text if ```{language} is nothing that runs")


def parse(arguments: list[str]) -> None:
    """Have the real command line resolve the command and parse its options, without running it."""
    try:
        with click.Context(main, info_name="archc") as context:
            name, command, rest = main.resolve_command(context, arguments)
            assert command is not None
            command.make_context(name, rest, parent=context).close()
    except click.exceptions.Exit as end:  # as --help does
        if end.exit_code != 0:
            raise


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.not_run is not None], ids=name_of)
def test_block_that_is_not_run_has_commands_that_parse(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert block.language in ("console", "sh")
    for step in steps_of(block.text, block.language):
        for arguments in archc_calls(step.command):
            parse(arguments)


@pytest.mark.parametrize("arguments", [["biuld", "x.arch"], ["build", "x.arch", "--sumary"], ["build"]])
def test_wrong_command_does_not_parse(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(arguments)


def test_few_blocks_are_not_run() -> None:
    assert sum(block.not_run is not None for block in BLOCKS) == NOT_RUN


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in links_of(document):
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        assert file.resolve().is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors_of(file), target


def test_readme_gives_the_reason_for_each_dependency() -> None:
    rows = re.findall(
        r"^\| ([\w-]+) \| ([\d.]+) \| .+ \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(f"{name}>={version}" for name, version in rows) == sorted(PYPROJECT["project"]["dependencies"])


def test_changelog_has_an_entry_for_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\S+)", text, re.MULTILINE)
    assert versions[0] == VERSION
