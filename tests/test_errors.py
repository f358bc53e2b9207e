"""Every kind of mistake, as a person sees it: tests/errors/NAME.arch and the whole message beside it, NAME.txt.

A first line `# -p NAME=VALUE` gives the architecture a parameter. Warnings are those of a file without mistakes.

ARCHC_UPDATE_GOLDEN=1 writes the messages anew; read the difference before committing it.
"""

import os
from pathlib import Path

import pytest

from archc.dsl.codes import CODES
from archc.dsl.diagnostics import ArchError, Diagnostic
from archc.dsl.render import render_json, render_text
from archc.files import open_file
from archc.network import network
from archc.parameters import read_parameters

FOLDER = Path(__file__).parent / "errors"
CASES = sorted(path.stem for path in FOLDER.glob("*.arch"))


def mistakes(name: str) -> tuple[Diagnostic, ...]:
    """What is found in a case, with paths as seen from the folder of the cases."""
    first = Path(f"{name}.arch").read_bytes().split(b"\n")[0].decode(errors="replace")
    given = [first.removeprefix("# -p ")] if first.startswith("# -p ") else []
    try:
        opened = open_file(f"{name}.arch")
        found = network(opened, read_parameters(opened, given)).warnings
    except ArchError as error:
        return error.diagnostics
    assert found, "nothing is wrong"
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_whole_message(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    text = render_text(mistakes(name)).replace(str(FOLDER.parents[1]), "PROJECT") + "\n"
    golden = Path(f"{name}.txt")
    if os.environ.get("ARCHC_UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_data(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    found = mistakes(name)
    records = render_json(found)
    assert len(records) == len(found)
    for record, diagnostic in zip(records, found, strict=True):
        assert record["code"] in CODES
        if record["file"].endswith(".arch"):
            lines = Path(record["file"]).read_text().splitlines()
            marked = lines[record["line"] - 1][record["column"] - 1 :]
            first_line = diagnostic.primary.span.text.split("\n")[0]
            assert marked.startswith(first_line), "the place in the JSON is the place in the text"
        assert record["message"] == diagnostic.message


def test_a_mistake_used_often_is_reported_once() -> None:
    text = "block b { conv(8, 3, strid=2) }\narch A { input x: [8, 32, 32]\n repeat 5 { b } }"
    from archc.files import open_text

    with pytest.raises(ArchError) as caught:
        network(open_text(text), {})
    assert [found.code for found in caught.value.diagnostics] == ["E0202"]
    assert "i" not in dict(caught.value.diagnostics[0].trace[0].loops)


def test_what_follows_from_a_mistake_is_not_reported() -> None:
    from archc.files import open_text

    text = """arch A {
        input x: [3, 8, 8]
        conv(8, 9) as big
        add { big; identity }
        let n = undefined
        conv(n, 3) as other
        concat { other; big }
        linear(in_features)
    }"""
    with pytest.raises(ArchError) as caught:
        network(open_text(text), {})
    assert [found.code for found in caught.value.diagnostics] == ["E0302", "E0101", "E0101"]
