"""The printer of the language: one canonical text for what a file says, with its comments.

Four spaces, one statement a line, lines of at most 120 columns where there is a place to break them:

- A pipeline that is too long is broken before each `->`. Brackets that are too long hold one a line, with a comma at
  the end; but arguments stand together on the next line where they fit, and plain numbers and words in a list fill the
  lines.
- What the author decides: braces on one line stay there when they fit; a comma behind the last of a list keeps it
  one a line; a pipeline with braces of several lines stays broken before its `->`; up to one blank line is kept.
  Brackets, numbers, strings and comments are as written.
- Columns are not aligned, neither `->` nor comments: a change of one line would touch its neighbours, and whether the
  lines belong together can be seen in the spaces only, which are the one thing that a formatter may not believe.
- Line ends become `\\n`; there is one at the end.

The new text is parsed before it is returned: another tree, or another comment, is a mistake of archc and stops it.
"""

from typing import Any

from archc.dsl import ast
from archc.dsl.diagnostics import ArchError
from archc.dsl.format_pieces import Comment, Group, Piece, Run, Word, read
from archc.dsl.node import Node
from archc.dsl.parser import parse
from archc.dsl.source import Source, Span

WIDTH = 120
STEP = 4
NEVER = 10 * WIDTH  # wider than any line


def formatted(source: Source) -> str:
    """Return the canonical text of a source.

    Raises `ArchError` where the text has mistakes.

    >>> print(formatted(Source("a.arch", "block double( c ){conv(c,3)->relu # twice\\n}")), end="")
    block double(c) {
        conv(c, 3) -> relu  # twice
    }
    """
    file = _parsed(source)
    if "\r" in source.text:
        source = Source(source.name, source.text.replace("\r\n", "\n"))
        file = _parsed(source)  # a docstring may hold line ends
    printer = _Printer()
    printer.file(read(source))
    text = "".join(f"{line}\n" for line in printer.lines)
    if text != source.text:
        _verify(file, Source(source.name, text))
    return text


def _parsed(source: Source) -> ast.File:
    file, diagnostics = parse(source)
    if diagnostics:
        raise ArchError(diagnostics)
    return file


def _verify(file: ast.File, source: Source) -> None:
    """Make sure that a text says what another said."""
    new, diagnostics = parse(source)
    if diagnostics:
        raise AssertionError(f"the formatted text cannot be parsed: {diagnostics[0].message}\n{source.text}")
    if not same_tree(file, new):
        raise AssertionError(f"the formatted text has another meaning\n{source.text}")
    if [span.text for span in file.comments] != [span.text for span in new.comments]:
        raise AssertionError(f"the formatted text has other comments\n{source.text}")


def same_tree(one: object, other: object) -> bool:
    """Whether two trees are equal but for the places in the text.

    >>> same_tree(*(parse(Source("a.arch", text)).file for text in ("let a = (1)", "let a=1")))
    True
    """
    pending: list[tuple[Any, Any]] = [(one, other)]
    while pending:
        first, second = pending.pop()
        if type(first) is not type(second):
            return False
        if isinstance(first, ast.File):
            pending += [(first.doc, second.doc), (first.items, second.items)]
        elif isinstance(first, Node):
            pending += zip(first.fields(), second.fields(), strict=True)
        elif isinstance(first, tuple) and not isinstance(first, Span):
            if len(first) != len(second):
                return False
            pending += zip(first, second, strict=True)
        elif not isinstance(first, Span) and first != second:
            return False
    return True


class _Printer:
    """The lines so far, and the one that is being written: its indent, and its column."""

    __slots__ = ("column", "line", "lines", "margin")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.line: list[str] = []
        self.margin = 0
        self.column = 0

    # ---- lines -----------------------------------------------------------------------------------------------------

    def write(self, text: str, *, space: bool = False) -> None:
        if not self.line:
            self.line.append(" " * self.margin)
            space = False
        self.line.append(" " + text if space else text)
        lines = text.rsplit("\n", 1)
        self.column = len(lines[1]) if len(lines) > 1 else self.column + space + len(text)

    def end(self, margin: int) -> None:
        """End the line, if anything stands on it; the next one begins at the margin."""
        if self.line:
            self.lines.append("".join(self.line))
            self.line.clear()
        self.margin = self.column = margin

    def blank(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def trailing(self, comment: Comment | None) -> None:
        if comment is not None:
            self.write(f"  {comment.text}")

    # ---- what contains runs ----------------------------------------------------------------------------------------

    def file(self, group: Group) -> None:
        """Write the statements of a file: a definition of several lines has a blank line on both sides."""
        self.trailing(group.opened)
        self.end(0)
        apart = False
        for run in group.runs:
            start = len(self.lines)
            self.before(run, first=not self.lines)
            first = len(self.lines)
            self.run(run, 0)
            self.trailing(run.after)
            self.end(0)
            long = run.pieces[-1].kind == "body" and len(self.lines) - first > 1
            if start and (apart or long) and "" not in self.lines[start:first]:
                self.lines.insert(start, "")
            apart = long or run.kinds() == ["STRING"]
        self.comments(group.last, first=not self.lines)

    def statements(self, group: Group, margin: int) -> None:
        first = True
        self.end(margin)
        for run in group.runs:
            self.before(run, first=first)
            self.run(run, margin)
            self.trailing(run.after)
            self.end(margin)
            first = False
        self.comments(group.last, first=first)

    def before(self, run: Run, *, first: bool) -> None:
        """Write what stands above a statement."""
        self.comments(run.before, first=first)
        if run.blank and (run.before or not first):
            self.blank()

    def comments(self, comments: tuple[Comment, ...], *, first: bool) -> None:
        for comment in comments:
            if comment.blank and not first:
                self.blank()
            self.write(comment.text)
            self.end(self.margin)
            first = False

    def broken(self, group: Group, margin: int) -> None:
        """Write brackets and what is in them on several lines."""
        self.write(group.opening, space=group.space)
        self.trailing(group.opened)
        inner = margin + STEP
        if group.kind == "body":
            self.statements(group, inner)
        elif group.kind == "list" and _fills(group):
            self.end(inner)
            for run in group.runs:
                if self.line and self.column + run.width + 2 > WIDTH:
                    self.end(inner)
                self.write(f"{_flat(run)},", space=True)
        elif _together(group) and inner + group.width - 2 <= WIDTH:
            self.end(inner)
            self.write(", ".join(map(_flat, group.runs)))
        else:
            comma = group.kind == "list"
            for run in group.runs:
                self.end(inner)
                self.comments(run.before, first=True)
                self.run(run, inner, tail=comma)
                if comma:
                    self.write(",")
                self.trailing(run.after)
            self.end(inner)
            self.comments(group.last, first=True)
        self.end(margin)
        self.write(group.closing)

    # ---- runs ------------------------------------------------------------------------------------------------------

    def run(self, run: Run, margin: int, *, tail: int = 0) -> None:
        """Write pieces that begin a line; `tail` columns follow."""
        self.end(margin)
        if not run.forced and margin + run.width + tail <= WIDTH:
            self.write(_flat(run))
            return
        arrows = [position for position, piece in enumerate(run.pieces) if piece.kind == "->"]
        if not arrows or _in_line(run, arrows, margin):
            self.sequence(run.pieces, margin, tail)
            return
        for start, stop in zip([0, *arrows], [*arrows, len(run.pieces)], strict=True):
            if start:
                self.above(run.pieces[start], margin + STEP)
                self.end(margin + STEP)
            self.sequence(run.pieces[start:stop], margin + STEP if start else margin, 0)

    def sequence(self, pieces: list[Piece], margin: int, tail: int) -> None:
        """Write pieces that do not fit on one line, breaking what is in them as late as possible."""
        whole = sum(piece.space + piece.width for piece in pieces) + tail
        if not any(piece.forced or piece.comments for piece in pieces) and self.margin + whole <= WIDTH:
            for piece in pieces:
                self.write(_flat_piece(piece), space=piece.space)
            return
        needs, chunks = _widths(pieces, tail)
        for position, piece in enumerate(pieces):
            if position:
                self.above(piece, margin if piece.kind == "else" else margin + STEP)
            if isinstance(piece, Word) and piece.clause:
                self.end(margin)
            if position and pieces[position - 1].soft and self.line:
                chunk = chunks[position]
                if self.column + chunk > WIDTH and margin + STEP + chunk <= WIDTH:
                    self.end(margin + STEP)
            if isinstance(piece, Word):
                self.write(piece.text, space=piece.space)
            elif (
                not piece.forced
                and not piece.chained
                and self.column + piece.space + piece.width + needs[position + 1] <= WIDTH
            ):
                self.write(_flat_piece(piece), space=piece.space)
            else:
                self.broken(piece, margin if piece.kind == "body" else self.margin)

    def above(self, piece: Piece, margin: int) -> None:
        """Write the comments between a piece and the one before it, each of which ends its line."""
        for comment in piece.comments:
            if comment.own:
                self.end(margin)
                self.write(comment.text)
            else:
                self.trailing(comment)
            self.end(margin)


def _flat(run: Run) -> str:
    return "".join(" " * piece.space + _flat_piece(piece) for piece in run.pieces)


def _flat_piece(piece: Piece) -> str:
    if isinstance(piece, Word):
        return piece.text
    runs = [_flat(run) for run in piece.runs]
    if piece.kind == "body":
        return f"{{ {'; '.join(runs)} }}" if runs else "{ }"
    return f"{piece.opening}{', '.join(runs)}{',' * piece.comma}{piece.closing}"


def _fills(group: Group) -> bool:
    """Whether a list holds nothing but numbers and other words."""
    if group.opening != "[" or group.opened or group.last:
        return False
    return all(
        isinstance(run.pieces[-1], Word) and len(run.pieces) < 3 and not (run.forced or run.before or run.after)
        for run in group.runs
    )


def _together(group: Group) -> bool:
    """Whether arguments may stand on one line."""
    if group.opening != "(" or group.forced or group.opened or group.last:
        return False
    return not any(run.forced or run.before or run.after for run in group.runs)


def _in_line(run: Run, arrows: list[int], margin: int) -> bool:
    """Whether the stages of a pipeline may follow each other on a line that braces break."""
    if not run.forced or any(run.pieces[position].newline for position in arrows):
        return False
    column = margin
    for piece in run.pieces:
        if piece.forced and isinstance(piece, Group):
            if column + piece.space + 1 > WIDTH:
                return False
            column = margin + 1
        else:
            column += piece.space + piece.width
            if column > WIDTH:
                return False
    return True


def _widths(pieces: list[Piece], tail: int) -> tuple[list[int], list[int]]:
    """For each piece, the columns from it to the next place where a line may end, and to the next soft one.

    The first counts brackets as such a place; the second has them on one line.
    """
    needs, chunks = [tail], [tail]
    for piece in reversed(pieces):
        own = piece.space + piece.width
        if isinstance(piece, Word):
            ends = piece.soft
            needs.append(0 if piece.clause else own + (0 if ends else needs[-1]))
            chunks.append(0 if piece.clause else own + (0 if ends else chunks[-1]))
            continue
        needs.append(piece.space + 1 if piece.runs or piece.forced else own + needs[-1])
        if piece.kind == "body":
            chunks.append(piece.space + 1)
        else:
            chunks.append(NEVER if piece.forced else own + chunks[-1])
    return needs[::-1], chunks[::-1]
