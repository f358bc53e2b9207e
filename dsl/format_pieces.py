"""Text to pieces: what the formatter lays out. Words with their spacing, brackets with what is in them, comments.

The pieces come from the tokens and not from the tree, because the tree has forgotten what must stay as it was
written: brackets around a part of an expression, the digits of a number, the quotes of a string.
Brackets are nested at most 64 deep, which the parser has seen to; only they make the functions here recurse.
"""

from functools import cache
from typing import NamedTuple, TypeAlias

from archc.dsl.lexer import CLOSER, Lexer, Patterns
from archc.dsl.source import Source
from archc.dsl.tables import load

SOFT = frozenset(("+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "and", "or", ","))
OPERANDS = frozenset(("NAME", "NUMBER", "STRING", "true", "false", "none", "output", "when", "training"))
# An argument whose value has one of these reads better with spaces around its `=`.
LOOSE = frozenset(("if", "and", "or", "not", "in", "==", "!=", "<", "<=", ">", ">="))
ENDS = frozenset((")", "]", "}", "$END"))
DEFINING = frozenset(("block", "arch", "extern", "let"))


class Comment(NamedTuple):
    """A comment; `own`: nothing stands before it on its line; `blank`: a blank line does."""

    text: str
    own: bool
    blank: bool


class Lexeme(NamedTuple):
    """A token, and what stands before it: comments, a line end, a blank line, the end of a statement."""

    kind: str
    text: str
    comments: tuple[Comment, ...]
    newline: bool
    blank: bool
    starts: bool


class Word:
    """A token. `soft`: a long line may end after it; `clause`: it begins a `for` or `if` of a comprehension."""

    __slots__ = ("clause", "comments", "forced", "kind", "newline", "soft", "space", "text", "width")

    def __init__(self, lexeme: Lexeme, *, space: bool, soft: bool) -> None:
        self.kind = lexeme.kind
        self.text = lexeme.text
        self.comments = lexeme.comments
        self.newline = lexeme.newline
        self.space = space
        self.soft = soft
        self.clause = False
        self.forced = "\n" in lexeme.text
        self.width = len(lexeme.text.partition("\n")[0])


class Run:
    """Pieces in a row: a statement, or what stands between two commas. Its own comments, before it and at its end.

    `forced`: it cannot stand on one line; `blank`: a blank line stands before it.
    """

    __slots__ = ("after", "before", "blank", "forced", "pieces", "width")

    def __init__(self, pieces: "list[Piece]", before: tuple[Comment, ...], *, blank: bool) -> None:
        self.pieces = pieces
        self.before = before
        self.after: Comment | None = None
        self.blank = blank
        self.forced = any(piece.forced for piece in pieces) or any(piece.comments for piece in pieces[1:])
        self.width = sum(piece.space + piece.width for piece in pieces)

    def kinds(self) -> list[str]:
        return [piece.kind for piece in self.pieces]


class Group:
    """Brackets and what is in them.

    `kind` is `body` for braces, `list` where commas separate and may end (arguments, lists, tuples), else `wrap` (an
    index, a part of an expression, a comprehension). `opened` is the comment behind the opening bracket, `last` are
    those before the closing one. `chained` bodies, those of one `if` with its `else`, are broken together.
    """

    __slots__ = (
        "chained",
        "closing",
        "comma",
        "comments",
        "forced",
        "kind",
        "last",
        "newline",
        "opened",
        "opening",
        "runs",
        "soft",
        "space",
        "width",
    )

    def __init__(self, kind: str, opening: Lexeme, *, space: bool) -> None:
        self.kind = kind
        self.opening = opening.text
        self.closing = CLOSER[opening.text]
        self.comments = opening.comments
        self.newline = opening.newline
        self.space = space
        self.soft = False
        self.runs: list[Run] = []
        self.opened: Comment | None = None
        self.last: tuple[Comment, ...] = ()
        self.comma = False  # a tuple of one needs its comma also on one line
        self.chained = False
        self.forced = False
        self.width = 0

    def add(self, run: Run) -> None:
        run.before = self.settle(run.before)
        self.runs.append(run)

    def settle(self, comments: tuple[Comment, ...]) -> tuple[Comment, ...]:
        """Give a comment at the end of the line to what stands on that line; return the others."""
        if not comments or comments[0].own:
            return comments
        if self.runs:
            self.runs[-1].after = comments[0]
        else:
            self.opened = comments[0]
        return comments[1:]

    def close(self, comments: tuple[Comment, ...], *, broken: bool) -> None:
        self.last = self.settle(comments)
        noted = self.opened is not None or bool(self.last)
        for run in self.runs:
            noted = noted or run.forced or run.after is not None or bool(run.before)
        self.forced = noted or (broken and bool(self.runs))
        inner = sum(run.width for run in self.runs) + 2 * max(len(self.runs) - 1, 0)
        self.width = 2 + inner + (2 * bool(self.runs) or 1) * (self.kind == "body") + self.comma


Piece: TypeAlias = Word | Group


def read(source: Source) -> Group:
    """Return the statements of a text without mistakes, as if braces stood around it."""
    return _Reader(_lexemes(source)).body(Lexeme("{", "{", (), False, False, False), space=False)


@cache
def _patterns() -> Patterns:
    return Patterns(load())


def _lexemes(source: Source) -> list[Lexeme]:
    text = source.text
    lexer = Lexer(source, _patterns(), start=1 if text.startswith("\ufeff") else 0)
    found: list[Lexeme] = []
    last = seen = 0
    starts = True
    while True:
        token = lexer.next()
        if token.kind == "NEWLINE":
            starts = True
            continue
        comments = []
        for span in lexer.comments[seen:]:
            between = text[last : span.start]
            comments.append(Comment(span.text, "\n" in between or not found, between.count("\n") > 1))
            last = span.end
        newline = "\n" in text[last : token.start]
        blank = text.count("\n", last, token.start) > 1
        word = f"{token.text[:-1].rstrip()}:" if token.kind == "LABEL" else token.text
        found.append(Lexeme(token.kind, word, tuple(comments), newline or bool(comments), blank, starts))
        last, seen, starts = token.end, len(lexer.comments), False
        if token.kind in CLOSER:
            lexer.brackets.append(token)
        elif token.kind in (")", "]", "}"):
            lexer.brackets.pop()
        elif token.kind == "$END":
            return found


class _Reader:
    """One walk over the lexemes."""

    __slots__ = ("lexemes", "position")

    def __init__(self, lexemes: list[Lexeme]) -> None:
        self.lexemes = lexemes
        self.position = 0

    def body(self, opening: Lexeme, *, space: bool) -> Group:
        group = Group("body", opening, space=space)
        broken = False
        while (lexeme := self.lexemes[self.position]).kind not in ("}", "$END"):
            broken = broken or lexeme.newline
            run = self.run(lexeme, "statement")
            _chain(run)
            group.add(run)
        self.position += 1
        group.close(lexeme.comments, broken=broken or lexeme.newline)
        return group

    def brackets(self, opening: Lexeme, *, space: bool, called: bool, defined: bool) -> Group:
        group = Group("list", opening, space=space)
        place = "index" if called and opening.kind == "[" else "item"
        pending: tuple[Comment, ...] = ()  # comments on the way to a comma
        commas = 0
        while (lexeme := self.lexemes[self.position]).kind != group.closing:
            if lexeme.kind == ",":
                self.position += 1
                commas += 1
                pending += lexeme.comments
                continue
            run = self.run(lexeme, place)
            run.before = pending + run.before
            pending = ()
            group.add(run)
        self.position += 1
        kinds = group.runs[0].kinds() if group.runs else []
        if opening.kind == "(":
            group.kind = "list" if called or commas or not kinds else "wrap"
            group.comma = not called and len(group.runs) == 1 and commas == 1
            if called and not defined:
                for run in group.runs:
                    _space_argument(run)
        elif called or "for" in kinds:
            group.kind = "wrap"
            if not called:
                for piece in group.runs[0].pieces[kinds.index("for") :]:
                    if isinstance(piece, Word):
                        piece.clause = piece.kind in ("for", "if")
        # A comma behind the last one says that the author wants them one a line.
        broken = bool(group.runs) and commas == len(group.runs) and not group.comma
        group.close(pending + lexeme.comments, broken=broken)
        return group

    def run(self, first: Lexeme, place: str) -> Run:
        """Read a statement, an `item` between two commas, or what stands in an `index`."""
        pieces: list[Piece] = []
        previous = ""
        operand = False  # whether what stands before can be called, indexed, subtracted from
        while True:
            lexeme = self.lexemes[self.position]
            kind = lexeme.kind
            if kind in ENDS or (kind == "," and place != "statement") or (lexeme.starts and pieces):
                return Run(pieces, first.comments, blank=first.blank)
            self.position += 1
            if not pieces:
                lexeme = lexeme._replace(comments=(), newline=False)  # they are those of the run
            tight = previous in ("", "sign") or (place == "index" and ":" in (previous, kind))
            if kind == "{":
                pieces.append(self.body(lexeme, space=not tight))
                operand = False
            elif kind in ("(", "["):
                defined = 2 <= len(pieces) <= 3 and pieces[-2].kind in DEFINING
                pieces.append(self.brackets(lexeme, space=not tight and not operand, called=operand, defined=defined))
                operand = True
            else:
                sign = kind in ("+", "-") and not operand
                tight = tight or kind in (",", ":") or previous == "." or (kind == "." and previous != "NUMBER")
                pieces.append(Word(lexeme, space=not tight, soft=kind in SOFT and not sign))
                if sign:
                    kind = "sign"
                elif kind == "not" and operand:
                    kind = "not in"
                # As the operator, `in` follows an operand; else it is the input of the block.
                operand = kind in OPERANDS or (kind == "in" and not operand and previous != "not in")
            previous = kind


def _space_argument(run: Run) -> None:
    """Write `stride=2`, but `stride = 2 if last else 1`."""
    if len(run.pieces) > 2 and run.pieces[1].kind == "=":
        loose = any(piece.kind in LOOSE for piece in run.pieces[2:])
        run.width += 2 * loose - run.pieces[1].space - run.pieces[2].space
        run.pieces[1].space = run.pieces[2].space = loose


def _chain(run: Run) -> None:
    """Mark the bodies of each `if` that has an `else`: when one of them is broken, all are."""
    chain: list[Group] = []
    bodies = [
        (piece, after.kind == "else")
        for piece, after in zip(run.pieces, [*run.pieces[1:], run.pieces[0]], strict=True)
        if isinstance(piece, Group) and piece.kind == "body"
    ]
    for body, goes_on in bodies:
        chain.append(body)
        if not goes_on:
            broken = any(one.forced for one in chain)
            for one in chain:
                one.chained = len(chain) > 1
                one.forced = one.forced or (broken and bool(one.runs))
            chain = []
    run.forced = run.forced or any(body.forced for body, _ in bodies)
