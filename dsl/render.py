"""Diagnostics to text for people, in the frame that rustc made known, and to plain data for programs."""

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple, TypedDict

from archc.dsl.diagnostics import Diagnostic, Label, Use
from archc.dsl.source import Source, Span

TAB = "    "
NARROWEST = 40  # columns of source text shown at least, however narrow the terminal
WIDEST = 200  # and at most
RESET, BOLD, BLUE = "\x1b[0m", "\x1b[1m", "\x1b[1;34m"
COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m"}
# Characters that a terminal obeys, or that reorder the text around them, beside the control characters.
UNSAFE = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0x2028, 0x2029)))


class Place(TypedDict):
    """Where something is; lines and columns from 1, the end column is the first one after the text."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


class RelatedRecord(Place):
    message: str


class DiagnosticRecord(TypedDict):
    """One diagnostic as JSON, its primary place included."""

    code: str
    severity: str
    message: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    help: str
    related: list[RelatedRecord]


class _Mark(NamedTuple):
    """One underlined stretch of one line; columns from 0, `end` after the last."""

    line: int
    start: int
    end: int
    text: str
    primary: bool


def render_json(diagnostics: Iterable[Diagnostic]) -> list[DiagnosticRecord]:
    """Return diagnostics as plain data; the blocks of the trace are in `related`, each as the place of its use.

    >>> source = Source("a.arch", "arch A { relo }")
    >>> found = Diagnostic("E0101", "there is no op `relo`", Label(Span(source, 9, 13), "unknown"))
    >>> render_json([found])[0]["line"], render_json([found])[0]["end_column"]
    (1, 14)
    """
    return [
        {
            "code": diagnostic.code,
            "severity": diagnostic.severity,
            "message": diagnostic.message,
            **_place(diagnostic.primary.span),
            "help": diagnostic.help,
            "related": [
                *(_related(label.span, label.text) for label in diagnostic.related),
                *(_related(use.span, _used(use)) for use in diagnostic.trace),
            ],
        }
        for diagnostic in diagnostics
    ]


def render_text(diagnostics: Iterable[Diagnostic], *, color: bool = False, width: int | None = None) -> str:
    """Return diagnostics as framed text without a line end after it; `width` is the terminal's, in columns.

    >>> source = Source("a.arch", "arch A { relo }")
    >>> print(render_text([Diagnostic("E0101", "there is no op `relo`", Label(Span(source, 9, 13), "unknown"))]))
    error[E0101]: there is no op `relo`
     --> a.arch:1:10
      |
    1 | arch A { relo }
      |          ^^^^ unknown
    """
    found = list(diagnostics)
    parts = ["\n".join(_framed(diagnostic, color=color, width=width)) for diagnostic in found]
    if len(found) > 1:
        counts = [(sum(one.severity == severity for one in found), severity) for severity in ("error", "warning")]
        parts.append(", ".join(f"{count} {word}{'s' * (count > 1)}" for count, word in counts if count))
    return "\n\n".join(parts)


def escape(text: str) -> str:
    """Return text that no terminal obeys: tabs as spaces, control characters as `\\x1b`.

    >>> escape("a\\x1b[31m")
    'a\\\\x1b[31m'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character == "\t":
        return TAB
    if character in UNSAFE or unicodedata.category(character) in ("Cc", "Cs"):
        code = ord(character)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return character


def columns_of(text: str) -> int:
    """Return how many columns of a terminal text takes: letters of East Asia take two, accents that combine none.

    >>> columns_of("cat"), columns_of("猫"), columns_of("e\u0301")
    (3, 2, 1)
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)


def _place(span: Span) -> Place:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(max(span.start, span.end))
    return {
        "file": span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


def _related(span: Span, message: str) -> RelatedRecord:
    return {**_place(span), "message": message}


def _used(use: Use) -> str:
    loops = ", ".join(f"{name} = {value}" for name, value in use.loops)
    where = f"in block `{use.block}`, used at {use.span}" if use.block else f"in the loop at {use.span}"
    return where + (f", with {loops}" if loops else "")


def _framed(diagnostic: Diagnostic, *, color: bool, width: int | None) -> list[str]:
    severity = diagnostic.severity

    def paint(style: str, text: str) -> str:
        return f"{style}{text}{RESET}" if color and text else text

    accent = COLORS[severity]
    lines = [
        paint(accent, f"{severity}[{diagnostic.code}]") + paint(BOLD, f": {escape(diagnostic.message)}"),
    ]
    # The primary place first; then what stands in the same file, in the same frame; then the other files.
    primary = diagnostic.primary
    sources: dict[int, tuple[Source, list[_Mark]]] = {}
    for label in (primary, *diagnostic.related):
        source = label.span.source
        sources.setdefault(id(source), (source, []))[1].append(_mark(label, primary=label is primary))
    margin = len(str(max(mark.line for _, marks in sources.values() for mark in marks)))
    bar = paint(BLUE, " " * margin + " |")
    first = True
    for source, marks in sources.values():
        head = str(primary.span) if first else f"{source.name}:{marks[0].line}:{marks[0].start + 1}"
        lines.append(paint(BLUE, " " * margin + ("--> " if first else "::: ")) + escape(head))
        lines.append(bar)
        room = min(max(width - margin - 3, NARROWEST), WIDEST) if width else WIDEST
        previous = 0
        for number in sorted({mark.line for mark in marks}):
            if previous and number > previous + 1:
                lines.append(paint(BLUE, "..."))
            previous = number
            here = sorted(
                (mark for mark in marks if mark.line == number), key=lambda mark: (not mark.primary, mark.start)
            )
            window, text = _clipped(source.line(number), here[0], room)
            lines.append(f"{paint(BLUE, f'{number:>{margin}} |')} {text}".rstrip())
            for mark in here:
                under = _underlined(source.line(number), mark, window)
                lines.append(f"{bar} {paint(accent if mark.primary else BLUE, under)}")
        first = False
    notes = [_used(use) for use in diagnostic.trace]
    if diagnostic.help:
        notes.append(f"help: {diagnostic.help}")
    if notes:
        lines.append(bar)
        for note in notes:
            note_head, *others = note.split("\n")
            lines.append(paint(BLUE, " " * margin + " = ") + escape(note_head))
            lines += [" " * (margin + 3 + len("help: ")) + escape(other) for other in others]
    return lines


def _mark(label: Label, *, primary: bool) -> _Mark:
    span = label.span
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(max(span.start, span.end))
    end = end_column - 1 if end_line == line else len(span.source.line(line))  # a longer one: its first line
    return _Mark(line, column - 1, max(end, column), label.text, primary)


def _window(line: str, mark: _Mark, room: int) -> tuple[int, int]:
    """Return which characters of a line are shown: all, or those around a mark."""
    if len(line) <= room and columns_of(escape(line)) <= room:
        return 0, len(line)
    start = max(0, min(mark.start - room // 3, len(line) - room))
    end = start + 1
    taken = 0
    while end <= len(line) and taken <= room - 6:  # six for the dots at both ends
        taken += columns_of(escape(line[end - 1]))
        end += 1
    return start, end - 1


def _clipped(line: str, mark: _Mark, room: int) -> tuple[tuple[int, int], str]:
    start, end = window = _window(line, mark, room)
    return window, ("..." if start else "") + escape(line[start:end]) + ("..." if end < len(line) else "")


def _underlined(line: str, mark: _Mark, window: tuple[int, int]) -> str:
    start, end = window
    indent = 3 if start else 0
    if mark.start > end:  # another mark of a long line, out of sight
        before, length = columns_of(escape(line[start:end])) + indent, 3
    else:
        before = columns_of(escape(line[start : max(start, mark.start)])) + indent
        marked = line[max(start, mark.start) : min(mark.end, end)]
        length = max(1, columns_of(escape(marked)))
    return " " * before + ("^" if mark.primary else "-") * length + f" {escape(mark.text)}".rstrip()
