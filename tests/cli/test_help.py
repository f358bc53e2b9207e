"""What the command line says of itself: help with examples that parse, and completion in a shell."""

import os
import subprocess
import sys

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from archc.cli import COMMANDS, main
from archc.compiler.ops import OPS
from archc.dsl.codes import CODES
from archc.files import zoo_names
from tests.checkout import ROOT
from tests.documents import archc_calls
from tests.test_documentation import parse


def help_of(command: str) -> str:
    result = CliRunner().invoke(main, [command, "--help"], prog_name="archc", env={"COLUMNS": "100"})
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_that_parse(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    _, _, after = help_of(command).partition("Examples:\n")
    examples = [line.strip() for line in after.partition("\n\n")[0].splitlines()]
    assert examples
    for example in examples:
        (call,) = archc_calls(example)
        assert call[0] == command
        parse(call)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_words(command: str) -> None:
    found = main.get_command(click.Context(main), command)
    assert found is not None
    for option in found.params:
        assert not isinstance(option, click.Option) or option.help, option.name


def test_the_readme_lists_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, table = text.partition("| command | does |\n|---|---|\n")
    listed = [row.split("`")[1].split()[1] for row in table.partition("\n\n")[0].splitlines()]
    assert listed == list(COMMANDS)


def completed(*words: str) -> list[str]:
    """What a shell offers for the last word."""
    complete = BashComplete(main, {}, "archc", "_ARCHC_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


def test_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "archs")
    assert completed("") == list(COMMANDS)
    assert completed("b") == ["build"]
    assert completed("zoo", "") == zoo_names()
    assert completed("ops", "max_p") == [op for op in OPS if op.startswith("max_p")]
    assert completed("explain", "w") == [code for code in CODES if code.startswith("W")]
    assert "--summary" in completed("build", "--su")
    assert completed("build", "--emit", "s") == ["shapes", "source"]
    assert completed("build", "resnet18") == ["resnet18.arch", "resnet18"]
    assert completed("check", "vgg.arch", "alex") == ["alexnet.arch", "alexnet"]
    assert completed("check", "nothing/of/that/name") == ["nothing/of/that/name"]  # with the word for files


def test_completion_in_a_shell_imports_no_torch() -> None:
    program = "import sys\nsys.modules['torch'] = None\nfrom archc.cli import main\nmain(prog_name='archc')"
    environment = {
        **os.environ,
        "_ARCHC_COMPLETE": "bash_complete",
        "COMP_WORDS": "archc build d2l/",
        "COMP_CWORD": "2",
    }
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, encoding="utf-8", check=True, cwd=ROOT
    )
    assert "plain,d2l/lenet" in found.stdout.splitlines()
    script = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "_ARCHC_COMPLETE": "bash_source"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert "complete -o nosort -F" in script.stdout
