"""W0207, and how a warning is silenced on its line: `# archc: allow W0203` at the end of the line it points to.

Several codes are separated by spaces or commas; what follows them is for the reader:
`# archc: allow W0201: as in the paper`. A statement over several lines has its comment on any of them.

What: W0207 says that such a comment names no code, something that is no warning, or, in an architecture's own text and
with its own parameters, a warning that does not appear on its line.

Why: a comment that allows nothing hides the next mistake, or does not silence what it was written for.

>>> from archc.compiler.lints.example import warnings
>>> warnings("arch A { input x: [28]; softmax }  # archc: allow W0202: probabilities are wanted")
[]
>>> warnings("arch A { input x: [28]; relu }  # archc: allow W0202")
['W0207 W0202: `W0202` does not appear on this line']
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from archc.compiler.ir import ShapedGraph
from archc.compiler.program import Definition, Unit
from archc.dsl import ast
from archc.dsl.codes import CODES
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.source import Source, Span

MARK = "archc: allow"
WRONG = "W0207"


class Allowance(NamedTuple):
    """A comment that allows warnings: the spans of the codes it names, or its own where it names none."""

    comment: Span
    codes: tuple[Span, ...]


Allowances = Mapping[tuple[Source, int], Allowance]


def allowances(definition: Definition) -> Allowances:
    """Return the comments that allow warnings, in all files that a definition reaches, by source and line."""
    found = {}
    units: dict[int, Unit] = {}
    waiting = [definition.unit]
    while waiting:
        unit = waiting.pop()
        if id(unit) in units:
            continue
        units[id(unit)] = unit
        waiting += [other.unit for other in unit.names.values()]
        if MARK in unit.file.source.text:
            for comment in unit.file.comments:
                if comment.text.lstrip("# \t").startswith(MARK):
                    found[comment.source, comment.line] = Allowance(comment, _codes(comment))
    return found


def _codes(comment: Span) -> tuple[Span, ...]:
    """The codes right behind the mark; the first word that is none ends them."""
    at = comment.start + comment.text.index(MARK) + len(MARK)
    found = []
    for word in comment.source.text[at : comment.end].replace(",", " ").replace(":", " : ").split(" "):
        if word == ":" or (word and not (word[0].isalpha() and word[1:].isdigit())):
            break
        if word:
            start = comment.source.text.index(word, at)
            found.append(Span(comment.source, start, start + len(word)))
            at = start + len(word)
    return tuple(found)


def silenced(found: Iterable[Diagnostic], allowed: Allowances) -> tuple[list[Diagnostic], set[Span]]:
    """Return the findings without the warnings that their lines allow, and the codes that allowed one."""
    left, used = [], set[Span]()
    for finding in found:
        codes = [] if finding.severity == "error" else _matching(finding, allowed)
        if codes:
            used.update(codes)
        else:
            left.append(finding)
    return left, used


def _matching(finding: Diagnostic, allowed: Allowances) -> list[Span]:
    span = finding.primary.span
    last = span.source.position(max(span.start, span.end - 1))[0]
    lines = (allowed.get((span.source, line)) for line in range(span.line, last + 1))
    return [
        code for allowance in lines if allowance is not None for code in allowance.codes if code.text == finding.code
    ]


def wrong(
    allowed: Allowances, used: set[Span], definition: Definition, shaped: ShapedGraph, *, whole: bool
) -> list[Diagnostic]:
    """Return a warning for each comment that allows nothing.

    Whether a code is needed is said of the architecture's own text only, and only where a layer stands on the line and
    all parameters have their defaults (`whole`): a block may need it in another place.
    """
    reached = {(node.span.source, node.span.line) for node in shaped.graph.nodes} if whole else set()
    own = definition.item.span if isinstance(definition.item, ast.Arch) else None
    found = []
    for (source, line), allowance in allowed.items():
        place = allowance.comment
        if not allowance.codes:
            help = "`# archc: allow W0203`, with the code that the message shows"
            found.append(
                Diagnostic(WRONG, "this comment names no code to allow", Label(place, "no code"), (), (), help)
            )
        for code in allowance.codes:
            if not (code.text in CODES and code.text.startswith("W")):
                why = "errors cannot be allowed" if code.text in CODES else "there is no such code"
                found.append(Diagnostic(WRONG, f"`{code.text}` is no warning", Label(code, why)))
            elif code not in used and (source, line) in reached and own is not None and _holds(own, place):
                message = f"`{code.text}` does not appear on this line"
                found.append(Diagnostic(WRONG, message, Label(code, "not needed"), (), (), "leave it out"))
    return found


def _holds(arch: Span, comment: Span) -> bool:
    """Whether a comment stands on the lines of an architecture."""
    last = arch.source.position(max(arch.start, arch.end - 1))[0]
    return comment.source is arch.source and arch.line <= comment.line <= last
