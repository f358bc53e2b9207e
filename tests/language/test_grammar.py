"""The grammar is the language's, in one file: it knows no operator, and the reference shows every word of it."""

import re

import pytest

from archc.compiler.ops import OPS
from tests.checkout import ROOT
from tests.documents import blocks_of

GRAMMAR = (ROOT / "dsl" / "grammar.lark").read_text(encoding="utf-8")
RULES = re.sub(r"^//.*|(?<=\s)//.*", "", GRAMMAR, flags=re.MULTILINE)
WORDS = sorted(set(re.findall(r'"([a-z]+)"', RULES)))


def test_it_knows_no_op_by_name() -> None:
    """The grammar ... knows no op by name."""
    assert "block" in WORDS
    assert "repeat" in WORDS
    assert not set(WORDS) & set(OPS)
    patterns = re.findall(r"^[A-Z]+: (.+)$", RULES, flags=re.MULTILINE)
    assert not [name for name in OPS for pattern in patterns if re.search(rf"\b{name}\b", pattern)]


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_it_stands_in_an_example_of_the_reference(word: str) -> None:
    examples = [block.text for block in blocks_of(ROOT / "docs" / "language.md") if block.language == "arch"]
    assert any(re.search(rf"\b{word}\b", re.sub(r'#.*|"[^"]*"', "", text)) for text in examples)


def test_every_rule_of_it_is_used() -> None:
    defined = set(re.findall(r"^[?!]*(_?[a-z_]+):", RULES, flags=re.MULTILINE))
    used = set(re.findall(r"\b_?[a-z_]+\b", re.sub(r"^[?!]*_?[a-z_]+:|->.*$", "", RULES, flags=re.MULTILINE)))
    assert "pipeline" in defined
    assert defined - used == {"file"}
