"""Diagnostics as data: what is wrong, where, why, and what to type. `archc.dsl.render` turns them into text."""

from collections.abc import Iterable
from typing import NamedTuple

from archc.dsl.source import Span

LONGEST_TEXT = 500  # characters of a message, a label, a help
MOST_RELATED = 20
MOST_REPORTS = 100


class Label(NamedTuple):
    """A place and what is to be said of it ("this branch is 128x28x28")."""

    span: Span
    text: str


class Use(NamedTuple):
    """One step of the way from the arch to a mistake: a block, where it was used, and the loop values there.

    Without a name it is the loop around the mistake itself.
    """

    block: str
    span: Span
    loops: tuple[tuple[str, str], ...] = ()


class Diagnostic(NamedTuple):
    """One finding.

    `code` is a key of `archc.dsl.codes.CODES`: `E....` for errors, `W....` for warnings. `message` is one line
    without a full stop. `trace` goes from the innermost step to the outermost.
    """

    code: str
    message: str
    primary: Label
    related: tuple[Label, ...] = ()
    trace: tuple[Use, ...] = ()
    help: str = ""

    @property
    def severity(self) -> str:
        return "error" if self.code.startswith("E") else "warning"


class ArchError(Exception):
    """The text of an architecture is wrong. `diagnostics` says how; `str()` is the full framed text.

    There are at most 100 of them, the last of which may say how many more were found.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = bounded(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        from archc.dsl.render import render_text  # only when a person is going to read it

        return render_text(self.diagnostics)


def bounded(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return what a person may read of diagnostics: long texts cut, and after many of them only how many more.

    >>> from archc.dsl.source import Source
    >>> place = Label(Span(Source("a.arch", "relo"), 0, 4), "not known here")
    >>> found = bounded([Diagnostic("E0101", "unknown name `relo`", place)] * 5000)
    >>> len(found), found[-1].message
    (100, '4,901 more mistakes were found')
    """
    found = list(diagnostics)
    shown = found[: MOST_REPORTS - (len(found) > MOST_REPORTS)]
    bound = [_shortened(diagnostic) for diagnostic in shown]
    if len(found) > MOST_REPORTS:
        rest = found[len(shown) :]
        code = next((each.code for each in rest if each.severity == "error"), rest[0].code)
        message = f"{len(rest):,} more mistakes were found"
        place = Label(rest[0].primary.span, "the next of them")
        bound.append(Diagnostic(code, message, place, help="mend the others first"))
    return tuple(bound)


def _shortened(diagnostic: Diagnostic) -> Diagnostic:
    code, message, primary, related, trace, help = diagnostic
    texts = (message, help, primary.text, *(label.text for label in related))
    if max(map(len, texts)) <= LONGEST_TEXT and len(related) <= MOST_RELATED:
        return diagnostic
    place = Label(primary.span, _cut(primary.text))
    others = tuple(Label(label.span, _cut(label.text)) for label in related[:MOST_RELATED])
    return Diagnostic(code, _cut(message), place, others, trace, _cut(help))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."
