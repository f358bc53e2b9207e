"""What else is wrong in a program with mistakes in its syntax or its imports: only what does not follow from these."""

import re
from bisect import bisect_left

from archc.compiler.ops import OPS
from archc.compiler.pipeline import RequestError, check
from archc.compiler.program import Definition, Program, Unit
from archc.dsl import ast
from archc.dsl.diagnostics import ArchError, Diagnostic
from archc.dsl.source import Source, Span

# What is said of a name or of the arguments at one place, whatever value flows there and whatever stands around it.
LOCAL = frozenset(("E0101", "E0102", "E0103", "E0104", "E0201", "E0202", "E0203", "E0502"))
SIGNATURE = frozenset(("E0201", "E0202", "E0203"))  # those that depend on how the block is declared
ELSEWHERE = frozenset(("E0102", "E0104"))  # those that show where else the name is bound
STAGE = re.compile(r"->|[;{}]")
BINDING = re.compile(r"\b(?:as|let|for|module|input|def|class)\b[^\n={:]*")
WORD = re.compile(r'"[^"\n]*"|#[^\n]*|([A-Za-z_]\w*)')


def further(program: Program, found: tuple[Diagnostic, ...]) -> list[Diagnostic]:
    """Return the mistakes of the architectures of the main file that do not follow from those found while reading it.

    Of an architecture that uses nothing broken they are all; of another one those of names and arguments, on the
    lines and about the names that could be read.
    """
    broken = _Broken(program, found)
    others: dict[tuple[str, Span], Diagnostic] = {}
    for definition in program.main.arches().values():
        if any(parameter.default is None for parameter in definition.item.parameters):  # type: ignore[union-attr]
            continue
        whole = broken.spares(definition)
        try:
            check(definition, {})
        except RequestError:
            continue
        except ArchError as error:
            for diagnostic in error.diagnostics:
                if diagnostic.severity == "error" and not broken.explains(diagnostic, whole=whole):
                    others.setdefault((diagnostic.code, diagnostic.primary.span), diagnostic)
    return list(others.values())


class _Broken:
    """What could not be read: the places of the mistakes, and the names that may stand for anything."""

    __slots__ = ("bound", "defined", "lines", "names", "places", "shifted")

    def __init__(self, program: Program, found: tuple[Diagnostic, ...]) -> None:
        self.places: dict[Source, list[int]] = {}
        self.lines: set[tuple[Source, int]] = set()
        for diagnostic in found:
            for span in (diagnostic.primary.span, *(label.span for label in diagnostic.related)):
                self.places.setdefault(span.source, []).append(span.start)
                last = span.source.position(max(span.start, span.end - 1))[0]
                self.lines.update((span.source, line) for line in range(span.line, last + 1))
        # Names that may be bound by a statement that could not be read.
        self.bound = {word for source, line in self.lines for word in _words(source.line(line))}
        for places in self.places.values():
            places.sort()
        # Texts in which a statement may stand in other braces than it seems.
        self.shifted = {diagnostic.primary.span.source for diagnostic in found if _shifts(diagnostic)}
        self.names = {unit: self._unsure(unit) for unit in program.units.values()}
        # Names of definitions with a mistake in them.
        self.defined = {
            name for unit in self.names for name, named in unit.names.items() if self.holds(named.item.span)
        } - OPS.keys()
        for diagnostic in found:
            if diagnostic.code == "E0102":  # bound twice: which of the two is meant?
                for names in self.names.values():
                    names.add(diagnostic.primary.span.text)

    def holds(self, span: Span) -> bool:
        """Whether a mistake was found in a stretch of text."""
        places = self.places.get(span.source, [])
        first = bisect_left(places, span.start)
        return first < len(places) and places[first] <= span.end

    def spares(self, definition: Definition) -> bool:
        """Whether a definition and all that it uses could be read."""
        waiting, seen = [definition], {definition.item}
        while waiting:
            used = waiting.pop()
            if self.holds(used.item.span):
                return False
            for word in _words(used.item.span.text):
                if word in self.names[used.unit]:
                    return False
                named = used.unit.names.get(word)
                if named is not None and named.item not in seen:
                    seen.add(named.item)
                    waiting.append(named)
        return True

    def explains(self, diagnostic: Diagnostic, *, whole: bool) -> bool:
        """Whether a mistake may follow from what could not be read; `whole`: the architecture uses none of that."""
        if whole:
            return False
        span = diagnostic.primary.span
        if diagnostic.code not in LOCAL or (span.source, span.line) in self.lines:
            return True
        unsure = self.bound.union(*self.names.values())
        if diagnostic.code in ELSEWHERE:
            healthy = all((label.span.source, label.span.line) not in self.lines for label in diagnostic.related)
            twice = diagnostic.code == "E0102"  # whatever else binds the name
            return not healthy or span.source in self.shifted or (not twice and span.text in unsure)
        unsure |= self._bound_beside(span)
        if diagnostic.code in SIGNATURE:
            stage = STAGE.split(span.source.line(span.line)[: span.column - 1])[-1] + span.text
            return not (unsure | self.defined).isdisjoint(_words(stage))
        return span.text in unsure

    def _bound_beside(self, span: Span) -> set[str]:
        """The words that may be bound in the definition that a place stands in, and in unread text around it."""
        start, end = 0, len(span.source.text)
        for unit in self.names:
            for item in unit.file.items if unit.file.source is span.source else ():
                if self.holds(item.span):
                    continue
                if item.span.end <= span.start:
                    start = max(start, item.span.end)
                elif item.span.start >= span.end:
                    end = min(end, item.span.start)
                else:
                    start, end = item.span.start, item.span.end
        text = span.source.text[start:end]
        return {word for found in BINDING.finditer(text) for word in _words(found[0])}

    def _unsure(self, unit: Unit) -> set[str]:
        """The words of a file that may name something that could not be read."""
        source = unit.file.source
        names: set[str] = set()
        last = 0
        for item in (*unit.file.items, None):
            end = item.span.start if item is not None else len(source.text)
            if self.holds(Span(source, last, end)):
                names.update(_words(source.text[last:end]))
            if item is not None:
                last = item.span.end
                if isinstance(item, ast.Import):
                    names.update(name.text for name in item.names if name.text not in unit.names)
                elif isinstance(item, ast.Let | ast.Extern | ast.Function) and self.holds(item.span):
                    names.update(_words(source.text[item.span.start : last]))
        return names - unit.names.keys() - OPS.keys()


def _shifts(diagnostic: Diagnostic) -> bool:
    """Whether braces are missing: a bracket without its partner, or a body after `:` or a word of another language."""
    text = diagnostic.primary.span.text
    values = ("True", "False", "None")
    return diagnostic.code == "E0004" or (diagnostic.code == "E0009" and "." not in text and text not in values)


def _words(text: str) -> set[str]:
    return {found[1] for found in WORD.finditer(text) if found[1]}
