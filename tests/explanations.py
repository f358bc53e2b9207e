"""The long forms of the diagnostics as data, and the page of all of them: `python -m tests.explanations` writes it."""

import re
from pathlib import Path
from typing import NamedTuple

from archc.dsl.codes import CODES
from archc.dsl.explain import explained, explanation
from tests.checkout import ROOT
from tests.documents import Block, blocks_of

FOLDER = ROOT / "dsl" / "explanations"
PAGE = ROOT / "docs" / "errors.md"
SECTIONS = ("Why", "Wrong", "Right", "Hints")

HEAD = """# Errors and warnings

Every mistake that archc finds has a code. `archc check` points at its place and says what to type;
`archc explain CODE` prints what stands here: what the code means, an example with the mistake, and the same mended.
This page is written by `python -m tests.explanations` from the files in [dsl/explanations](../dsl/explanations).

| code | meaning |
|---|---|
"""


class Example(NamedTuple):
    """A section with an example: the files beside it, and its text or the transcript that shows it."""

    files: tuple[Block, ...]
    main: Block


def headings(code: str) -> list[str]:
    """The headings of sections, in their order."""
    return re.findall(r"^## (.+)$", explanation(code), re.MULTILINE)


def example(code: str, section: str) -> Example:
    """The example of a section; the files of earlier sections are there too."""
    path = FOLDER / f"{code}.md"
    text = path.read_text(encoding="utf-8")
    start = text.index(f"\n## {section}\n") + 2
    end = text.find("\n## ", start)
    first, last = text.count("\n", 0, start), text.count("\n", 0, end if end >= 0 else len(text))
    blocks = [block for block in blocks_of(path) if block.line <= last + 1]
    (main,) = [block for block in blocks if block.line > first and block.file is None]
    return Example(tuple(block for block in blocks if block.file is not None), main)


def page() -> str:
    """The page of all explanations, in the order of the table of codes."""
    titles = {code: CODES[code] for code in explained()}
    rows = [f"| [{code}](#{_anchor(code, title)}) | {title} |\n" for code, title in titles.items()]
    return HEAD + "".join(rows) + "".join("\n" + _on_the_page(code) for code in titles)


def _on_the_page(code: str) -> str:
    """An explanation with its headings one level lower, and the marks that tests of the documents need."""
    before, heading, after = explanation(code).partition("\n## Wrong\n")
    if code.startswith("E"):
        mended = after.index("\n## Right\n")
        wrong = re.sub(r"(?<! -->)\n```arch\n", "\n<!-- wrong: net.arch -->\n```arch\n", after[:mended])
        after = wrong + after[mended:]
    return re.sub(r"^#", "##", before + heading + after, flags=re.MULTILINE)


def _anchor(code: str, title: str) -> str:
    return re.sub(r"[^\w\- ]", "", f"{code} {title}".lower()).replace(" ", "-")


if __name__ == "__main__":
    Path(PAGE).write_text(page(), encoding="utf-8")
