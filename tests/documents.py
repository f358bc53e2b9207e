"""Fenced blocks, transcripts and links of the Markdown documents, as data."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (not run|file|wrong|exit): (.+?) -->\n$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """One fenced block. The line right before it may be one of four marks.

    `<!-- not run: REASON -->`; `<!-- file: NAME -->` for a file that later blocks use; `<!-- wrong: NAME -->` for
    one with mistakes; `<!-- exit: STATUS -->` for a transcript whose last command fails with that status.
    """

    document: Path
    line: int
    language: str
    text: str
    not_run: str | None
    file: str | None
    status: int  # how its last command, or the check of its network, exits


class Step(NamedTuple):
    """One command of a transcript and what it is said to print (None: nothing is said)."""

    command: str
    expected: str | None


def blocks_of(document: Path) -> list[Block]:
    """The fenced blocks of a document, in order."""
    text = document.read_text(encoding="utf-8")
    blocks = []
    for match in FENCE.finditer(text):
        mark = MARK.search(text[: match.start()])
        kind, value = (mark[1], mark[2]) if mark else ("", "")
        line = text.count("\n", 0, match.start()) + 1
        not_run = value if kind == "not run" else None
        file = value if kind in ("file", "wrong") else None
        status = int(value) if kind == "exit" else int(kind == "wrong")
        blocks.append(Block(document, line, match[1], match[2], not_run, file, status))
    return blocks


def steps_of(text: str, language: str) -> list[Step]:
    """The commands of a block: each line of `sh`, each line after `$ ` of `console` with the output below it.

    >>> steps_of("$ echo one\\none\\n$ true\\n", "console")
    [Step(command='echo one', expected='one\\n'), Step(command='true', expected='')]
    >>> steps_of("echo one  # says so\\n", "sh")
    [Step(command='echo one  # says so', expected=None)]
    """
    if language == "sh":
        lines = text.replace("\\\n", "").splitlines()
        return [Step(line, None) for line in lines if line.strip() and not line.startswith("#")]
    before, *parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    if before or not parts:
        raise ValueError(f"a console block starts with `$ `, found {text[:40]!r}")
    pairs = [part.partition("\n") for part in parts]
    return [Step(command, expected) for command, _, expected in pairs]


def matches(expected: str, printed: str) -> bool:
    """Whether the output is the expected one, `...` standing for anything and spaces at the ends of lines for nothing.

    >>> matches("a ... c\\n", "a b c   \\n"), matches("a\\n...\\nz\\n", "a\\nb\\nc\\nz\\n"), matches("a\\n", "b\\n")
    (True, True, False)
    """
    wanted, found = ("\n".join(line.rstrip() for line in text.strip().splitlines()) for text in (expected, printed))
    return re.fullmatch(".*".join(map(re.escape, wanted.split("..."))), found, re.DOTALL) is not None


def archc_calls(command: str) -> list[list[str]]:
    """The arguments of each call of archc in a command line.

    >>> archc_calls("pip install . && .venv/bin/archc build x.arch --summary | head -3  # look")
    [['build', 'x.arch', '--summary']]
    """
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    calls: list[list[str]] = []
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set("|&;<>"):
            words.append(word)
            continue
        if words and Path(words[0]).name == "archc":
            calls.append(words[1:])
        words = []
    return calls


def without_blocks(document: Path) -> str:
    return FENCE.sub("", document.read_text(encoding="utf-8"))


def links_of(document: Path) -> list[str]:
    """The targets of a document's links that lead to a file or a heading of the repository."""
    return [target for target in LINK.findall(without_blocks(document)) if "://" not in target]


def anchors_of(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = HEADING.findall(without_blocks(document))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
