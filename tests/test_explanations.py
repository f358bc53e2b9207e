"""Every code has a long form, whose wrong example has just this mistake and whose right one has none."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from archc.cli import main
from archc.dsl.codes import CODES
from archc.dsl.diagnostics import ArchError, Diagnostic
from archc.dsl.explain import FENCE, explained, explanation
from archc.dsl.format import formatted
from archc.dsl.source import Source
from archc.files import open_all
from archc.network import network
from tests.documents import matches, steps_of
from tests.explanations import PAGE, SECTIONS, Example, example, headings, page
from tests.test_documentation import run_command


def test_every_code_is_explained_and_nothing_else() -> None:
    assert explained() == sorted(CODES)


@pytest.mark.parametrize("code", explained())
def test_form(code: str) -> None:
    text = explanation(code)
    assert text.startswith(f"# {code}: {CODES[code]}\n\n")
    assert headings(code) in ([*SECTIONS], [*SECTIONS[:-1]])
    assert max(map(len, FENCE.sub("", text).splitlines())) <= 150


def check(path: str) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    try:
        for opened in open_all(path):
            found.extend(network(opened, {}).warnings)
    except ArchError as error:
        found.extend(error.diagnostics)
    return found


def codes_of(shown: Example, cwd: Path) -> set[str]:
    """The codes that an example gives: its text checked, or its transcript run and compared."""
    for block in shown.files:
        assert block.file is not None
        (cwd / block.file).write_text(block.text, encoding="utf-8")
    if shown.main.language == "arch":
        (cwd / "net.arch").write_text(shown.main.text, encoding="utf-8")
        return {found.code for found in check("net.arch")}
    printed = ""
    status = 0
    for step in steps_of(shown.main.text, shown.main.language):
        status, printed = run_command(step.command, cwd, status=status)
        assert matches(step.expected or "", printed), printed
    assert status == shown.main.status, printed
    return set(re.findall(r"^(?:error|warning)\[(\w+)\]", printed, re.MULTILINE))


@pytest.mark.parametrize("code", explained())
def test_the_wrong_example_has_this_mistake_and_the_right_one_none(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert codes_of(example(code, "Wrong"), tmp_path) == {code}
    assert codes_of(example(code, "Right"), tmp_path) == set()


@pytest.mark.parametrize("code", explained())
def test_the_right_example_is_formatted(code: str) -> None:
    block = example(code, "Right").main
    if block.language == "arch":
        assert formatted(Source("net.arch", block.text)) == block.text


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.explanations"


@pytest.mark.parametrize("written", ["E0203", "e0203"])
def test_the_command_prints_it(written: str) -> None:
    result = CliRunner().invoke(main, ["explain", written])
    assert result.exit_code == 0
    assert result.output.startswith("E0203: argument given twice")
    assert "\n    conv(8, kernel_size=5)\n" not in result.output  # the text of the example stands deeper
    assert "\n        conv(8, kernel_size=5)\n" in result.output
    assert "```" not in result.output
    assert "<!--" not in result.output


def test_the_command_lists_all_codes() -> None:
    result = CliRunner().invoke(main, ["explain"])
    assert [line.split("  ")[0] for line in result.output.splitlines()] == list(CODES)


def test_an_unknown_code_is_answered_with_a_near_one() -> None:
    result = CliRunner().invoke(main, ["explain", "E203"])
    assert result.exit_code == 2
    assert "did you mean `E0203`?" in result.output
