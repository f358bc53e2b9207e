"""Hostile text: a diagnostic at the first token over a limit, after work in proportion to the text."""

import sys
from collections.abc import Callable

import pytest

from archc.dsl.diagnostics import LONGEST_TEXT, MOST_RELATED, MOST_REPORTS, ArchError, Diagnostic, Label
from archc.dsl.lexer import Lexer
from archc.dsl.parser import parse
from archc.dsl.render import render_text
from archc.dsl.source import Source, Span
from tests.dsl.trees import nodes

MANY = 100_000


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("let x = " + "(" * MANY, "E0006", len("let x = ") + 64),
        ("let x = " + "[" * MANY, "E0006", len("let x = ") + 64),
        ("let x = " + "f(" * MANY, "E0006", len("let x = ") + 129),
        ("block a " + "{" * MANY, "E0006", len("block a ") + 64),
        ("block a {" + "for x in y {" * MANY, "E0006", len("block a {") + 63 * 12 + 11),
        ("let " + "(" * MANY, "E0006", len("let ") + 64),
        ("let x = " + "-" * MANY, "E0006", 204),
        ("let x = " + "not " * MANY, "E0006", 792),
        ("let x = " + "2**" * MANY + "1", "E0006", 302),
        ("let x = " + "1 + " * MANY + "1", "E0006", 808),
        ("let x = " + "a and " * MANY + "a", "E0006", 1208),
        ("let x = a" + ".b" * MANY, "E0006", 408),
        ("let x = a" + "()" * MANY, "E0006", 408),
        ("let x = a" + "[0]" * MANY, "E0006", 608),
        ("let x = " + "1 if a else " * MANY + "1", "E0006", 596),
        ("block a { if x { }" + " else if x { }" * 300 + "}", "E0006", len("block a { if x { }") + 200 * 14 + 6),
        (f"let {'a' * 201} = 1", "E0007", 4),
        (f"let x = {'9' * 41}", "E0007", 8),
        (f"let x = 0.{'9' * 1_000_000}", "E0007", 8),
        (f'let x = "{"a" * 10_000}"', "E0007", 8),
        (f'let x = "{"a" * 1_000_000}', "E0003", 8),
        ('"""' + "a" * 1_000_000, "E0003", 0),
        (f'block a {{ "{"a" * 1_000_000}": relu }}', "E0007", 10),
        (f"block a {{ {'a' * 1_000_000}: relu }}", "E0007", 10),
        (f"block a {{ l{'{i}' * MANY}: relu }}", "E0007", 10),
        (f"block a {{ module m{'{i}' * MANY} = relu }}", "E0007", 17),
        ("let x = [" + "1, " * MANY + "]", "E0007", 75_002),
        ("# c\n" * MANY, "E0007", 4 * 25_000),
        ("\n" * (4 * 2**20 + 1), "E0007", 4 * 2**20),
        ("let x = 1\n" + "\u00e9" * MANY, "E0002", 10),
        ("let x = 1 " + "\u00a0" * MANY, "E0002", 10),
        (" " * MANY + "\u00a0\n", "E0002", MANY),
        ("let x = 1\n\x1b", "E0002", 10),
        ("\ufeff\ufeff", "E0002", 1),
        ("$" * MANY, "E0002", 0),
        ("\x00" * MANY, "E0002", 0),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else str(value),
)
def test_the_first_token_over_the_limit(text: str, code: str, place: int) -> None:
    found = parse(Source("test.arch", text)).diagnostics[0]
    assert (found.code, found.primary.span.start) == (code, place)


@pytest.mark.parametrize(
    "text",
    [
        "let x = " + "(" * 64 + "1" + ")" * 64,
        "block a " + "{" * 64 + "}" * 64,
        "let x = " + "-" * 190 + "1",
        "let x = " + "1 + " * 190 + "1",
        "block a { if x { }" + " else if x { }" * 199 + " else { } }",
        f"let {'a' * 200} = {'9' * 40}",
        f'let x = "{"a" * 9_998}"',
    ],
    ids=lambda text: text[:20],
)
def test_within_the_limits(text: str) -> None:
    assert not parse(Source("test.arch", text)).diagnostics


LONG: list[Callable[[int], str]] = [
    lambda n: "let x = [" + "1, " * n + "]",
    lambda n: "block a {\n" + "conv(3, k=2) -> relu\n" * n + "}",
    lambda n: "block a { relu" + " -> relu" * n + " }",
    lambda n: "let x = 1\n" * n,
    lambda n: "block a(" + "a, " * n + ") { }",
    lambda n: "let x = [a " + "for a in b if a " * n + "]",
    lambda n: "let x = " + "a < " * n + "a",
    lambda n: "block a {" + "l{i + 1}: relu;" * n + "}",
    lambda n: 'block a { require x, "' + "{a}" * min(n, 3000) + '" }',
    lambda n: "block a {\n" + "conv(3\n" * n + "}",
    lambda n: "block a {\n" + "f(a b\n" * n,
    lambda n: "block a " + "{\n" * 30 + "relu (\n" * n,
    lambda n: "let x = f(\n" * n,
    lambda n: 'x = """\n' * n,
    lambda n: "block a { " + 'a{"' * n,
    lambda n: "block a { x{" + "a" * n,
    lambda n: "block a {" + "} " * n,
    lambda n: "\n;# c\n" * n,
]


@pytest.mark.parametrize("number", range(len(LONG)))
def test_the_work_is_in_proportion_to_the_text(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in tokens read, again after a mistake included, and in function calls."""
    counts = []
    taken = Lexer.next
    tokens = 0

    def counted(self: Lexer) -> object:
        nonlocal tokens
        tokens += 1
        return taken(self)

    monkeypatch.setattr(Lexer, "next", counted)
    for size in (400, 800, 1600):
        tokens = calls = 0

        def count(_frame: object, event: str, _argument: object) -> None:
            nonlocal calls
            calls += event == "call"

        sys.setprofile(count)
        parse(Source("test.arch", LONG[number](size)))
        sys.setprofile(None)
        counts.append((tokens, calls))
    for small, large in zip(counts[1], counts[2], strict=True):
        before = counts[0][0 if small is counts[1][0] else 1]
        assert large - small <= 2.2 * max(small - before, 100)


@pytest.mark.parametrize("number", range(len(LONG)))
def test_no_text_needs_a_deep_python_stack(number: int) -> None:
    limit = sys.getrecursionlimit()
    text = LONG[number](20_000 if number > 8 else 3_000)
    sys.setrecursionlimit(250)
    try:
        file, _ = parse(Source("test.arch", text))
    finally:
        sys.setrecursionlimit(limit)
    assert sum(1 for _ in nodes(file.items)) >= 0


def test_a_text_of_many_stages_may_be_long() -> None:
    assert not parse(Source("test.arch", "block a {\n" + "conv(3, k=2) -> relu\n" * 6_000 + "}")).diagnostics
    assert not parse(Source("test.arch", "\n ; \n" * 20_000)).diagnostics


def test_no_message_is_long() -> None:
    """Nor is there a report without end: a last one says how many more there are."""
    for text in ("\u00e9" * MANY, f"block a {{ relu '{'x' * MANY}' }}", f"let x = {'9' * MANY}x", "\u0663" * MANY):
        found = parse(Source("test.arch", text)).diagnostics
        assert found
        assert all(len(one.message) + len(one.help) + len(one.primary.text) < 500 for one in found)
        assert len(render_text(found, width=80)) < 2_000 * len(found)
    place = Label(Span(Source("test.arch", "relo"), 0, 4), "x" * 10_000)
    error = ArchError([Diagnostic("E0101", "m" * 10_000, place, (place,) * 50, help="h" * 10_000)] * 5_000)
    assert len(error.diagnostics) == MOST_REPORTS
    assert error.diagnostics[-1].message == "4,901 more mistakes were found"
    assert len(str(error)) < MOST_REPORTS * 20_000
    assert {len(error.diagnostics[0].message), len(error.diagnostics[0].help)} == {LONGEST_TEXT}
    assert len(error.diagnostics[0].related) == MOST_RELATED
