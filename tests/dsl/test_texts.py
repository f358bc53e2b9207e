"""Broken texts through the whole of `archc check`; `python -m tests.campaigns.texts` runs more of them."""

import pytest

from archc.compiler.program import Program
from tests.campaigns import texts

COUNT = 1_500


def test_broken_texts_end_in_a_network_or_in_diagnostics() -> None:
    endings, failures = texts.campaign(COUNT, seed=3)
    assert not failures
    assert sum(endings.values()) == COUNT
    assert endings["ok"] > COUNT / 300
    assert len(endings) > 20, "the texts are broken in many ways"


def test_the_campaign_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> Program:
        raise IndexError("string index out of range")

    monkeypatch.setattr(texts, "ending", lambda data, path, timed: str(crash()))
    monkeypatch.setattr(texts, "corpus", lambda: (texts.Text("a.arch", "arch A { relu }", 1),))
    found = texts.campaign(3, seed=1)
    assert found.endings == {"FAILED": 3}
    assert [why for _, _, why in found.failures] == ["IndexError: string index out of range"] * 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("arch A { input x: [3]\n" + "relo\n" * 20 + "}", "line"),
        ("arch A { input x: [3]\n relu }", "seconds"),
    ],
)
def test_a_bound_that_is_broken_is_found(text: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "LONGEST_LINE", -texts.LONGEST_MESSAGE if why == "line" else 250)
    monkeypatch.setattr(texts, "SECONDS", -1.0 if why == "seconds" else 10.0)
    with pytest.raises(texts.Broken, match="too long" if why == "line" else "it took"):
        texts.ending(text.encode(), "a.arch", timed=True)


def test_the_same_seed_gives_the_same_texts() -> None:
    assert texts.campaign(20, seed=4).endings == texts.campaign(20, seed=4).endings
