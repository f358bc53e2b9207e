"""Diagnostics as data: what is wrong, where, why, and what to type. `archc.dsl.render` turns them into text."""

from collections.abc import Iterable
from typing import NamedTuple

from archc.dsl.source import Span


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
    """The text of an architecture is wrong. `diagnostics` says how; `str()` is the full framed text."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        from archc.dsl.render import render_text  # only when a person is going to read it

        return render_text(self.diagnostics)
