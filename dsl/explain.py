"""The long form of each diagnostic: one Markdown file per code, in the folder `explanations` beside this file."""

import os
import re

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explanations")
MARK = re.compile(r"^<!-- .* -->\n", re.MULTILINE)  # for the tests that run the examples
FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def explained() -> list[str]:
    """Return the codes that have an explanation, in order.

    >>> explained()[0]
    'E0001'
    """
    return sorted(name.removesuffix(".md") for name in os.listdir(FOLDER) if name.endswith(".md"))


def explanation(code: str) -> str:
    """Return the explanation of a code as its author wrote it, in Markdown.

    Raises `KeyError` where there is none.

    >>> explanation("E0203").splitlines()[0]
    '# E0203: argument given twice, or too many arguments'
    """
    if code not in explained():
        raise KeyError(code)
    with open(os.path.join(FOLDER, f"{code}.md"), encoding="utf-8") as file:
        return file.read()


def plain(markdown: str) -> str:
    """Return an explanation as a terminal shows it: examples indented, headings with a colon, no marks.

    >>> print(plain("# E0001: no\\n\\nWhat it is.\\n\\n## Wrong\\n\\n```arch\\narch A = B\\n```\\n"))
    E0001: no
    <BLANKLINE>
    What it is.
    <BLANKLINE>
    Wrong:
    <BLANKLINE>
        arch A = B
    """
    parts: list[str] = []
    end = 0
    text = MARK.sub("", markdown)
    for block in FENCE.finditer(text):
        parts += [_prose(text[end : block.start()]), _indented(block[1])]
        end = block.end()
    return "".join([*parts, _prose(text[end:])]).rstrip()


def _prose(text: str) -> str:
    return HEADING.sub(lambda heading: heading[1] if heading[0].startswith("# ") else f"{heading[1]}:", text)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.rstrip("\n").split("\n"))
