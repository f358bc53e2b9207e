"""Text to tokens, one at a time: words, signs and line ends, told apart by what stands before them."""

import re
from typing import NamedTuple, NoReturn

from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.source import Source, Span
from archc.dsl.tables import Tables

LONGEST_NAME = 200
LONGEST_LABEL = 1_000
LONGEST_NUMBER = 40
LONGEST_STRING = 10_000
MOST_MISTAKES = 50
# A text may hold so many words, signs and comments, and so many more for each stage: the time that reading takes is
# bounded by the size of the network, whatever else the text holds.
MOST_TOKENS = 50_000
TOKENS_PER_STAGE = 25

# A statement never ends after these.
CONTINUING = frozenset(
    ("->", ",", "=", "+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "and", "or", "not")
)
CONTINUED_BY = frozenset(("->", "else", "as"))  # a line that begins so belongs to the statement before it
BEFORE_STAGE = frozenset(("", "NEWLINE", "{", "->"))  # only after these a word and a colon are a label
# After these, `in` is the operator.
OPERAND_END = frozenset(("NAME", "NUMBER", "STRING", ")", "]", "}", "true", "false", "none", "output"))
PYTHON_VALUES = {"True": "true", "False": "false", "None": "none"}
CLOSER = {"(": ")", "[": "]", "{": "}"}
# Form feeds, NULs and the like count as spaces: the parser reports them beforehand, wherever they are.
BLANKS = r"[ \t\r\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*+"


class Token(NamedTuple):
    """A piece of text, with its place in it.

    `kind` is the word or sign itself, or `NAME`, `NUMBER`, `STRING`, `LABEL`, `TEMPLATE`, `NEWLINE`, `ERROR` (text
    that cannot be read, already reported), `$END`.
    """

    kind: str
    text: str
    start: int
    end: int


class Patterns:
    """The terminals of the grammar as compiled patterns."""

    __slots__ = ("label", "signs", "template", "token", "words")

    def __init__(self, tables: Tables) -> None:
        given = tables.patterns
        signs = "|".join(re.escape(sign) for sign in sorted(tables.signs, key=len, reverse=True))
        self.words = frozenset(tables.words)
        self.signs = frozenset(tables.signs)
        newlines = given["NEWLINE"] + r"(?:[ \t\r]*+\n)*+"
        self.token = re.compile(
            rf"{BLANKS}(?:"
            rf"(?P<NAME>{given['NAME']})|(?P<NEWLINE>{newlines})|(?P<NUMBER>{given['NUMBER']})"
            rf"|(?P<SIGN>{signs})|(?P<STRING>{given['STRING']})|(?P<COMMENT>{given['COMMENT']})|(?P<SEMICOLON>;++)"
            r"|(?P<END>\Z))"
        )
        self.label = re.compile(given["LABEL"])
        self.template = re.compile(given["TEMPLATE"])


class Stop(Exception):
    """Reading on is pointless."""


class Lexer:
    """The tokens of `source.text[start:end]`, one at each `next()`.

    `brackets` are those open at this point. The parser keeps them, since it knows which ones it has accepted.
    """

    __slots__ = (
        "brackets",
        "comments",
        "diagnostics",
        "end",
        "patterns",
        "pending",
        "position",
        "previous",
        "quiet",
        "room",
        "source",
        "text",
    )

    def __init__(self, source: Source, patterns: Patterns, *, start: int = 0, end: int | None = None) -> None:
        self.source = source
        self.text = source.text
        self.patterns = patterns
        self.position = start
        self.end = len(source.text) if end is None else end
        self.brackets: list[Token] = []
        self.comments: list[Span] = []
        self.diagnostics: list[Diagnostic] = []
        self.quiet = False  # true while the parser skips what it could not read
        self.room = MOST_TOKENS  # how many more tokens are read
        self.previous = Token("", "", start, start)
        self.pending: Token | None = None  # a token that waits behind the NEWLINE before it

    def next(self) -> Token:
        """Return the next token; after the last one, `$END` for ever."""
        token = self.pending
        if token is not None:
            self.pending = None
            return self._emit(token)
        inside = bool(self.brackets) and self.brackets[-1].kind != "{"
        before = self.previous.kind
        match, text, end = self.patterns.token.match, self.text, self.end
        broken = -1  # where a line ended since the last token
        ended = False  # whether a `;` stood there
        while True:
            self.room -= 1
            if self.room < 0:
                self._too_many(self.position)
            found = match(text, self.position, end)
            kind = found.lastgroup if found else None
            if found is None or kind is None:
                stray = self._stray()
                if stray is None:
                    continue
                token = stray
                break
            start, self.position = found.span(kind)
            if kind == "NEWLINE":
                if broken < 0:
                    broken = start
            elif kind == "COMMENT":
                self.comments.append(Span(self.source, start, len(found[kind].rstrip()) + start))
            elif kind == "SEMICOLON" and not inside:
                if broken < 0:
                    broken = start
                ended = True
            else:
                token = Token(kind, found[kind], start, self.position)
                break

        separate = broken >= 0 and not inside and (ended or not self._continues())
        token = self._classified(token, at_stage=not inside and (separate or before in BEFORE_STAGE))
        if (
            separate
            and before not in ("", "NEWLINE", "{")
            and token.kind not in ("}", "$END")
            and (ended or token.kind not in CONTINUED_BY)
        ):
            self.pending = token
            return self._emit(Token("NEWLINE", text[broken], broken, broken + 1))
        return self._emit(token)

    def peek(self) -> Token:
        """Return the token after the next, without going on to it."""
        position, previous, pending, comments = self.position, self.previous, self.pending, len(self.comments)
        quiet, self.quiet = self.quiet, True
        token = self.next()
        self.position, self.previous, self.pending, self.quiet = position, previous, pending, quiet
        del self.comments[comments:]
        return token

    def restart(self, position: int, previous: str) -> None:
        """Go on from another position, as if a token of the kind `previous` stood before it."""
        self.position = position
        self.previous = Token(previous, "", position, position)
        self.pending = None
        while self.comments and self.comments[-1].start >= position:
            self.comments.pop()

    def report(self, code: str, message: str, *, label: str, start: int, end: int, help: str = "") -> None:
        """Note a mistake, unless the parser is skipping."""
        if not self.quiet:
            place = Label(Span(self.source, start, end), label)
            self.diagnostics.append(Diagnostic(code, message, place, help=help))

    def _emit(self, token: Token) -> Token:
        if token.kind == "in" and (self.previous.kind in OPERAND_END or self.previous.kind == "not in"):
            self.previous = token._replace(kind="operator in")
        elif token.kind == "not" and self.previous.kind in OPERAND_END:
            self.previous = token._replace(kind="not in")
        else:
            self.previous = token
        return token

    def _continues(self) -> bool:
        return self.previous.kind in CONTINUING or self.previous.kind in ("operator in", "not in")

    def _names_argument(self, end: int) -> bool:
        """Whether a word that ends here names an argument, as in `prelu(init=0.1)`: then it is no keyword."""
        begins = self.previous.kind in ("(", ",") and bool(self.brackets) and self.brackets[-1].kind == "("
        return begins and re.match(r"\s*=(?!=)", self.text[end : end + 80]) is not None

    def _classified(self, token: Token, *, at_stage: bool) -> Token:
        """Tell words from names, and labels from both; hold the limits."""
        kind, text, start, end = token
        if kind == "SIGN":
            return Token(text, text, start, end)
        if kind == "NAME":
            if self.text[end : end + 1] > "\x7f" and self.text[end].isalnum():
                self.position = start
                return self._stray() or token
            if at_stage and (label := self.patterns.label.match(self.text, start, self.end)):
                return self._label(Token("LABEL", label[0], start, label.end()))
            if self.previous.kind == "module":
                template = self.patterns.template.match(self.text, start, self.end)
                if template and template.end() > end:
                    return self._label(Token("TEMPLATE", template[0], start, template.end()))
            if text in self.patterns.words and self.previous.kind != "." and not self._names_argument(end):
                return Token(text, text, start, end)
            if text in PYTHON_VALUES and self.previous.kind != ".":
                value = PYTHON_VALUES[text]
                message = f"there is no `{text}` in this language"
                self.report("E0009", message, label="an unknown value", start=start, end=end, help=f"write `{value}`")
                return Token(value, value, start, end)
            if end - start > LONGEST_NAME:
                return self._too_long(token, f"this name has {end - start:,} characters, at most {LONGEST_NAME} may be")
            if at_stage or self.previous.kind == "LABEL":
                self.room += TOKENS_PER_STAGE
        elif kind == "NUMBER":
            following = self.text[end : end + 1]
            if following.isalnum() or following == "_":
                self.position = start
                return self._stray() or token
            if sum(map(str.isdigit, text)) > LONGEST_NUMBER:
                short = Token(kind, "1", start, end)
                return self._too_long(short, f"this number has more than {LONGEST_NUMBER} digits")
        elif kind == "STRING":
            if at_stage and not text.startswith('"""'):
                colon = end
                while self.text[colon : colon + 1] in (" ", "\t"):
                    colon += 1
                if self.text.startswith(":", colon, self.end):
                    return self._label(Token("LABEL", self.text[start : colon + 1], start, colon + 1))
            if end - start > LONGEST_STRING:
                short = Token(kind, '""', start, end)
                limit = f"at most {LONGEST_STRING:,} may be"
                return self._too_long(short, f"this string has {end - start:,} characters, {limit}")
        elif kind == "END":
            return Token("$END", "", start, end)
        elif kind == "SEMICOLON":
            return Token(";", text, start, end)
        return token

    def _label(self, token: Token) -> Token:
        self.position = token.end
        length = token.end - token.start
        if length > LONGEST_LABEL:
            message = f"this label has {length:,} characters, at most {LONGEST_LABEL:,} may be"
            return self._too_long(token._replace(text="long:" if token.kind == "LABEL" else "long"), message)
        return token

    def _too_many(self, position: int) -> NoReturn:
        message = "this text is too long: it is read up to here"
        label = f"{MOST_TOKENS:,} words and signs, and {TOKENS_PER_STAGE} for each stage, stand before this"
        help = "write what repeats once, with `repeat`, `for` or a block"
        place = Label(Span(self.source, position, position), label)
        self.diagnostics.append(Diagnostic("E0007", message, place, help=help))
        raise Stop

    def _too_long(self, token: Token, message: str) -> Token:
        self.report("E0007", message, label="too long", start=token.start, end=token.end)
        return token

    def _stray(self) -> Token | None:
        from archc.dsl.strays import read  # texts without mistakes never need it

        if len(self.diagnostics) >= MOST_MISTAKES:
            self.stop(self.position)
        return read(self)

    def stop(self, position: int) -> NoReturn:
        """End the walk: so many mistakes are not read by anyone."""
        message = f"this text has more than {MOST_MISTAKES} mistakes; it is not read further"
        place = Label(Span(self.source, position, position), "reading stopped here")
        self.diagnostics.append(Diagnostic("E0005", message, place, help="mend the others first"))
        raise Stop
