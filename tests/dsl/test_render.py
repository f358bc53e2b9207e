"""Diagnostics as framed text and as data."""

import json

from archc.dsl.diagnostics import ArchError, Diagnostic, Label, Use
from archc.dsl.render import render_json, render_text
from archc.dsl.source import Source, Span

ARCH = Source("a.arch", "arch A {\n    input x: [3, 8, 8]\n    add { a; b }\n\n\n    relo\n}")
OTHER = Source("b.arch", "block b {\n\tconv(3)\n}")


def at(source: Source, text: str, label: str = "") -> Label:
    start = source.text.index(text)
    return Label(Span(source, start, start + len(text)), label)


def error(primary: Label, *related: Label, message: str = "it is wrong", **more: object) -> Diagnostic:
    return Diagnostic("E0301", message, primary, related, **more)  # type: ignore[arg-type]


def frame(diagnostic: Diagnostic, width: int | None = None) -> list[str]:
    return render_text([diagnostic], width=width).splitlines()


def test_everything_at_once() -> None:
    found = error(
        at(ARCH, "add", "these differ"),
        at(ARCH, "b }", "this one is 4x8x8"),
        at(ARCH, "relo", "and this comes later"),
        at(OTHER, "conv(3)", "made here"),
        message="the inputs of `add` differ",
        trace=(Use("b", at(ARCH, "relo").span, (("i", "1"), ("j", "0"))), Use("A", at(ARCH, "arch").span)),
        help="make them equal,\nor use `concat`",
    )
    assert render_text([found]) == (
        "error[E0301]: the inputs of `add` differ\n"
        " --> a.arch:3:5\n"
        "  |\n"
        "3 |     add { a; b }\n"
        "  |     ^^^ these differ\n"
        "  |              --- this one is 4x8x8\n"
        "...\n"
        "6 |     relo\n"
        "  |     ---- and this comes later\n"
        " ::: b.arch:2:2\n"
        "  |\n"
        "2 |     conv(3)\n"
        "  |     ------- made here\n"
        "  |\n"
        "  = in block `b`, used at a.arch:6:5, with i = 1, j = 0\n"
        "  = in block `A`, used at a.arch:1:1\n"
        "  = help: make them equal,\n"
        "          or use `concat`"
    )


def test_the_count() -> None:
    warning = Diagnostic("W0102", "`x` is never used", at(ARCH, "x"))
    mistake = error(at(ARCH, "relo"))
    assert render_text([]) == ""
    assert not render_text([mistake]).endswith("error")
    assert render_text([mistake, mistake]).splitlines()[-1] == "2 errors"
    assert render_text([warning, mistake, mistake]).splitlines()[-1] == "2 errors, 1 warning"
    assert render_text([warning, warning]).splitlines()[-1] == "2 warnings"
    assert render_text([warning]).startswith("warning[W0102]: `x` is never used")


def test_colour_is_off_unless_asked_for() -> None:
    plain = render_text([error(at(ARCH, "relo", "unknown"))])
    assert "\x1b" not in plain
    colored = render_text([error(at(ARCH, "relo", "unknown"))], color=True)
    assert "\x1b[1;31m" in colored
    for code in ("\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"):
        colored = colored.replace(code, "")
    assert colored == plain


def test_tabs_and_wide_characters_keep_the_caret_in_its_place() -> None:
    source = Source("a.arch", 'x\t"漢字é" -> relo')
    line, caret = frame(error(at(source, "relo", "here")))[3:5]
    assert line == '1 | x    "漢字é" -> relo'
    assert caret == "  |                 ^^^^ here"  # two columns for each of the wide characters
    combining = Source("a.arch", '"e\u0301" -> relo')
    assert frame(error(at(combining, "relo")))[4] == "  |        ^^^^"


def test_no_terminal_is_told_what_to_do() -> None:
    evil = "\x1b[31m\x07\u202e\x85\x9b\ud800"
    source = Source(f"{evil}.arch", f'let "{evil}"')
    found = Diagnostic(
        "E0005",
        evil,
        Label(Span(source, 0, 3), evil),
        (Label(Span(source, 4, 6), evil),),
        (Use(evil, Span(source, 0, 1)),),
        evil,
    )
    text = render_text([found])
    assert not set(evil) - set("[31m") & set(text)
    assert r"\x1b[31m\x07\u202e\x85\x9b\ud800" in text
    text.encode("utf-8")


def test_long_lines_are_clipped_around_the_caret() -> None:
    source = Source("a.arch", "a" * 500_000 + " relo " + "漢" * 500_000)
    for width in (20, 80, 200, None):
        lines = frame(error(at(source, "relo", "here"), at(source, "aaa", "far away")), width=width)
        assert all(len(line) <= max(width or 210, 50) + 20 for line in lines)
        line, caret = lines[3:5]
        assert line[caret.index("^") : caret.index("^") + 4] == "relo"
        assert "...a" in line
        assert line.endswith("...")


def test_an_empty_span_and_one_of_several_lines() -> None:
    empty = Label(Span(ARCH, 8, 8), "expected something")
    assert frame(error(empty))[3:] == ["1 | arch A {", "  |         ^ expected something"]
    several = Label(Span(ARCH, 0, len(ARCH.text)), "all of it")
    assert frame(error(several))[3:] == ["1 | arch A {", "  | ^^^^^^^^ all of it"]
    end = Source("a.arch", "let a =\n")
    assert frame(error(Label(Span(end, 8, 8), "the end")))[3:] == ["2 |", "  | ^ the end"]


def test_line_numbers_share_a_margin() -> None:
    source = Source("a.arch", "\n" * 98 + "abc\ndef")
    assert frame(error(at(source, "def", "b"), at(source, "abc", "a")))[1:] == [
        "   --> a.arch:100:1",
        "    |",
        " 99 | abc",
        "    | --- a",
        "100 | def",
        "    | ^^^ b",
    ]


def test_data() -> None:
    found = error(
        at(ARCH, "input x: [3, 8, 8]\n    add"), at(OTHER, "conv", "here"), trace=(Use("b", at(ARCH, "relo").span),)
    )
    [record] = render_json([found])
    assert json.loads(json.dumps(record)) == {
        "code": "E0301",
        "severity": "error",
        "message": "it is wrong",
        "file": "a.arch",
        "line": 2,
        "column": 5,
        "end_line": 3,
        "end_column": 8,
        "help": "",
        "related": [
            {"file": "b.arch", "line": 2, "column": 2, "end_line": 2, "end_column": 6, "message": "here"},
            {
                "file": "a.arch", "line": 6, "column": 5, "end_line": 6, "end_column": 9,
                "message": "in block `b`, used at a.arch:6:5",
            },
        ],
    }  # fmt: skip


def test_an_error_shows_itself() -> None:
    assert str(ArchError([error(at(ARCH, "relo"))])).startswith("error[E0301]: it is wrong\n --> a.arch:6:5")
