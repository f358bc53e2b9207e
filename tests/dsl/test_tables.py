"""The committed tables are those of the grammar, and our walk over them is Lark's own."""

import logging
import subprocess
import sys
from pathlib import Path

import lark
import pytest
from lark import Lark, Token, UnexpectedToken
from lark.lexer import Lexer as LarkLexer

from archc.dsl import grammar_tables, tables
from archc.dsl.builder import Builder
from archc.dsl.lexer import Lexer, Patterns
from archc.dsl.lexer import Token as OurToken
from archc.dsl.parser import Parser, parse
from archc.dsl.source import Source

REPOSITORY = Path(__file__).parents[2]


def test_the_written_tables_are_those_of_the_grammar() -> None:
    assert tables.WRITTEN.read_text("utf-8") == tables.render(tables.build()), "run `python -m archc.dsl.tables`"
    assert tables.load() == tables.build()


def test_the_tables_depend_on_the_grammar_alone() -> None:
    """Lark numbers states in the order of sets, which depends on the hash seed."""
    command = "from archc.dsl import tables; print(tables.render(tables.build()))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", command],
            env={"PYTHONHASHSEED": seed},
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


def test_an_edited_grammar_works_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    edited = tmp_path / "grammar.lark"
    edited.write_text(tables.GRAMMAR.read_text("utf-8").replace('"repeat" expression', '"again" expression'), "utf-8")
    monkeypatch.setattr(tables, "GRAMMAR", edited)
    assert "again" in tables.load().words
    assert "repeat" in grammar_tables.WORDS


def test_the_grammar_is_not_ambiguous(caplog: pytest.LogCaptureFixture) -> None:
    """Lark settles shift/reduce conflicts by shifting and only notes it in its log."""
    with caplog.at_level(logging.DEBUG, logger=lark.logger.name):
        level = lark.logger.level
        lark.logger.setLevel(logging.DEBUG)
        Lark('start: "x" start | "x"', parser="lalr", debug=True)
        assert "conflict" not in caplog.text
        Lark('start: "i" start | "i" start "e" start | "x"', parser="lalr", debug=True)
        assert "Shift/Reduce conflict" in caplog.text, "a conflict is noted"
        caplog.clear()
        Lark(tables.GRAMMAR.read_text("utf-8"), parser="lalr", lexer="basic", start=list(tables.START), debug=True)
        lark.logger.setLevel(level)
    assert "conflict" not in caplog.text


def test_every_node_function_is_used_and_every_action_has_one() -> None:
    used = {production.action for production in tables.load().productions if production.action}
    own = {name for name in vars(Builder) if not name.startswith("_")}
    helpers = {"span", "report", "diagnostics", "parse_inside", "source"}
    assert used == own - helpers


class Given(LarkLexer):
    """Hands Lark the tokens that our lexer made."""

    __future_interface__ = 1

    def __init__(self, _: object) -> None:
        pass

    def lex(self, lexer_state: object, _: object) -> list[Token]:  # type: ignore[override]
        return lexer_state.text  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    "text",
    [
        *(path.read_text("utf-8") for path in sorted((REPOSITORY / "archs").rglob("*.arch"))),
        "let x = [a for b in c if d] if not e[1:] else -f(g=1,) ** 2 not in h",
        "let x = 1 +",
        "block a { relu relu }",
        "block a { if x }",
        "let a = (1, 2",
        'arch A = B { expect 1 }; extern f: [a] -> [b] = "c:d"',
    ],
    ids=lambda text: text[:20],
)
def test_lark_itself_accepts_the_same_tokens(text: str) -> None:
    known = tables.load()
    source = Source("test.arch", text)
    lexer = Lexer(source, Patterns(known))
    kinds: list[OurToken] = []
    while not kinds or kinds[-1].kind != "$END":
        kinds.append(lexer.next())
        if kinds[-1].kind in ("(", "[", "{"):
            lexer.brackets.append(kinds[-1])
        elif kinds[-1].kind in (")", "]", "}"):
            lexer.brackets.pop()
    reference = Lark(tables.GRAMMAR.read_text("utf-8"), parser="lalr", lexer=Given, start=list(tables.START))
    names = {t.pattern.value if t.pattern.type == "str" else t.name: t.name for t in reference.terminals}
    tokens = [Token(names[token.kind], token.text) for token in kinds[:-1]]
    try:
        reference.parse(tokens, start="file")
        accepted = True
    except UnexpectedToken:
        accepted = False
    assert accepted == (not parse(source).diagnostics)


def test_the_parser_says_what_it_accepts() -> None:
    parser = Parser(Source("test.arch", ""), 0, 0)
    parser.run("file")
    assert parser.accepts("$END")
    del parser.stack[1:]
    assert parser.accepts("block", "NAME", "{", "}", "NEWLINE", "let")
    assert not parser.accepts("block", "NAME", "}")
    assert parser.accepts("$END")


def test_lark_is_not_imported_to_parse() -> None:
    command = (
        "import sys; from archc.dsl.parser import parse; from archc.dsl.source import Source;"
        "assert not parse(Source('a', 'block a { relu }')).diagnostics;"
        "assert not {'lark', 'dataclasses', 'enum_', 'rich', 'click', 'torch'} & set(sys.modules), sys.modules.keys();"
        "assert 'archc.dsl.recovery' not in sys.modules and 'archc.dsl.render' not in sys.modules;"
        "from archc.dsl import tables; tables.build(); assert 'lark' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", command], cwd=REPOSITORY, check=True)
