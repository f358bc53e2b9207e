"""Tokens to tree: walks the tables that grammar.lark becomes, and builds each node as soon as its parts are there.

No step recurses, so no text can exhaust the stack of Python. What cannot be read goes to recovery.py, which reports
it and says where to go on.
"""

import re
from typing import Any, NamedTuple

from archc.dsl import ast, tables
from archc.dsl.builder import Builder
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.garbage import uncollected
from archc.dsl.lexer import CLOSER, MOST_MISTAKES, Lexer, Patterns, Stop, Token
from archc.dsl.source import Source, Span

LARGEST_TEXT = 4 * 2**20  # characters
DEEPEST_BRACKETS = 64
DEEPEST_EXPRESSION = 200

# Invisible characters that end lines or reorder text on some screens and not on others: nobody sees what is there.
# A run of one of them is one mistake.
FORBIDDEN = re.compile(
    "([\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\u202a-\u202e\u2066-\u2069])\\1*+|(?:\r(?!\n))++"
)


class Parsed(NamedTuple):
    """A file and what is wrong with its text. With mistakes, the tree holds what could be read."""

    file: ast.File
    diagnostics: tuple[Diagnostic, ...]


class Entry(NamedTuple):
    """What the parser has read so far, from left to right: a token or a node on its stack.

    `height` is the number of nodes inside each other since the last braces.
    """

    state: int
    symbol: str
    value: Any
    start: int
    end: int
    height: int


def parse(source: Source) -> Parsed:
    """Return the syntax tree of a text, and its mistakes.

    >>> file, diagnostics = parse(Source("a.arch", "block double(c) { conv(c, 3) -> relu }"))
    >>> file.items[0].name.text, len(file.items[0].body.statements[0].stages)
    ('double', 2)
    >>> diagnostics
    ()
    """
    if len(source.text) > LARGEST_TEXT:
        message = f"this text has {len(source.text):,} characters, at most {LARGEST_TEXT:,} may be"
        place = Label(Span(source, LARGEST_TEXT, LARGEST_TEXT), "the limit")
        found = Diagnostic(
            "E0007", message, place, help="write what repeats once, or move parts into files of their own"
        )
        return Parsed(ast.File("", (), (), source), (found,))
    first = 1 if source.text.startswith("\ufeff") else 0
    parser = Parser(source, first, len(source.text))
    parser.report_invisible()
    with uncollected():
        result = parser.run("file")
    doc, items = result if result is not None else ("", ())
    file = ast.File(doc, items, tuple(parser.lexer.comments), source)
    # A line that is read twice, since a bracket before it was open, may be reported twice, and a character that is no
    # part of the language is unexpected as well: the first report counts.
    first_at: dict[int, Diagnostic] = {}
    for diagnostic in parser.diagnostics:
        first_at.setdefault(diagnostic.primary.span.start, diagnostic)
    return Parsed(file, tuple(first_at[start] for start in sorted(first_at)))


def parse_expression(source: Source) -> tuple[ast.Expression | None, tuple[Diagnostic, ...]]:
    """Return the tree of a text that is one expression, as in `-p depths=[2,2]`; None if it has mistakes.

    >>> parse_expression(Source("-p depths", "[2, 2] * 3"))[0].operator
    '*'
    """
    parser = Parser(source, 0, len(source.text))
    parser.report_invisible()
    expression = parser.run("expression")
    return (None if parser.diagnostics else expression), tuple(parser.diagnostics)


class Parser:
    """One walk over `source.text[start:end]`."""

    __slots__ = (
        "actions",
        "bases",
        "builder",
        "callbacks",
        "diagnostics",
        "done",
        "last",
        "lexer",
        "source",
        "stack",
        "tables",
    )

    def __init__(self, source: Source, start: int, end: int, *, outer: "Parser | None" = None) -> None:
        known = _known()
        self.source = source
        self.tables = known.tables
        self.actions = known.tables.actions
        self.lexer = Lexer(source, known.patterns, start=start, end=end)
        self.diagnostics = self.lexer.diagnostics
        if outer is None:
            self.builder = Builder(source, self.diagnostics, self._parse_inside)
            actions = [production.action for production in known.tables.productions]
            self.callbacks = [getattr(self.builder, action) if action else None for action in actions]
        else:
            self.builder, self.callbacks = outer.builder, outer.callbacks
        self.stack: list[Entry] = []
        self.last = Token("", "", start, start)  # the last token shifted that is no NEWLINE
        # The reductions since the last token, to be taken back should the next one be unexpected: what was replaced,
        # and the list that grew in place with its length before.
        self.done: list[tuple[list[Entry], list[Any], int]] = []
        self.bases: list[int] = []  # for each open bracket, the height of the stack there

    def run(self, start: str) -> Any:
        """Read everything; return the node of the start rule, or None where reading stopped for good."""
        stack, actions, lexer = self.stack, self.actions, self.lexer
        stack.append(Entry(self.tables.starts[start], "", None, lexer.position, lexer.position, 0))
        final = self.tables.ends[start]
        try:
            token = lexer.next()
            while True:
                state = stack[-1].state
                action = actions[state].get(token.kind)
                if action is None:
                    if state == final and token.kind == "$END":
                        return stack[-1].value
                    token = self._recovered(token)
                elif action < 0:
                    self.reduce(~action, token.kind)
                else:
                    self.shift(action, token)
                    token = lexer.next()
        except Stop:
            return None

    def shift(self, state: int, token: Token) -> None:
        kind = token.kind
        stack = self.stack
        self.done.clear()
        if kind != "NEWLINE":
            self.last = token
        stack.append(Entry(state, kind, token, token.start, token.end, 0))
        if kind in CLOSER:
            self.lexer.brackets.append(token)
            self.bases.append(len(stack))
            if len(self.bases) > DEEPEST_BRACKETS:
                self._too_deep(f"more than {DEEPEST_BRACKETS} brackets are open here", token)
        elif kind in (")", "]", "}"):
            self.lexer.brackets.pop()
            self.bases.pop()
        elif len(stack) - (self.bases[-1] if self.bases else 0) > DEEPEST_EXPRESSION:
            self._too_deep(f"more than {DEEPEST_EXPRESSION} parts of this expression wait for their end here", token)

    def reduce(self, number: int, kind: str = "") -> None:
        """Replace the parts of a production by its node; `kind` is the token that comes, where that is known."""
        production = self.tables.productions[number]
        if production.size == 1 and production.single:
            self._rename(production.origin, kind)
            return
        stack = self.stack
        size = production.size
        parts = stack[-size:] if size else []
        if size:
            del stack[-size:]
            start, end = parts[0].start, parts[-1].end
        else:
            start = end = stack[-1].end
        children: list[Any] = []
        length = 0
        for index in production.take:
            if index >= tables.SPLICE:
                spliced = parts[index - tables.SPLICE].value
                if children:
                    children += spliced
                else:
                    children = spliced  # the list of a left-recursive rule grows in place
                    length = len(spliced)
            elif index >= 0:
                children.append(parts[index].value)
            else:
                children.append(None)
        height = max([part.height for part in parts], default=0)
        callback = self.callbacks[number]
        if production.single and len(children) == 1:
            value = children[0]
        elif callback is None:
            value = children
        else:
            value = callback(children, start, end)
            height = 0 if parts[-1].symbol == "}" else height + 1
            if height > DEEPEST_EXPRESSION:
                self._too_deep(f"this expression has more than {DEEPEST_EXPRESSION} levels", self.last)
        self.done.append((parts, children, length))
        origin = production.origin
        stack.append(Entry(self.tables.gotos[stack[-1].state][origin], origin, value, start, end, height))

    def _rename(self, origin: str, kind: str) -> None:
        """Let the top of the stack stand for a rule that it is alone, and for what that is alone, and so on.

        A name in an argument goes through a dozen rules, from `atom` to `argument`; only the last is kept.
        """
        part = self.stack.pop()
        productions = self.tables.productions
        gotos = self.tables.gotos[self.stack[-1].state]
        while True:
            state = gotos[origin]
            action = self.actions[state].get(kind, 0)
            if action >= 0:
                break
            production = productions[~action]
            if production.size != 1 or not production.single:
                break
            origin = production.origin
        self.stack.append(Entry(state, origin, part.value, part.start, part.end, part.height))
        self.done.append(([part], [], 0))

    def feed(self, token: Token) -> None:
        """Take one token, which `accepts` allows."""
        while (action := self.actions[self.stack[-1].state][token.kind]) < 0:
            self.reduce(~action)
        self.shift(action, token)

    def take_back(self) -> None:
        """Undo the reductions since the last token.

        The tables allow a reduction before any token that could follow it somewhere, so an unexpected token is found
        only after some: without them, the parser knows more of what could have come instead.
        """
        for parts, children, length in reversed(self.done):
            self.stack.pop()
            self.stack += parts
            del children[length:]
        self.done.clear()

    def settle(self) -> None:
        """Finish what is complete whatever follows: a state that does the same with each token needs none."""
        while len(targets := set(self.actions[self.stack[-1].state].values())) == 1 and (action := targets.pop()) < 0:
            self.reduce(~action)

    def accepts(self, *kinds: str) -> bool:
        """Say whether the parser could go on with tokens of these kinds, one after the other."""
        states = [entry.state for entry in self.stack]
        for kind in kinds:
            while (action := self.actions[states[-1]].get(kind)) is None or action < 0:
                if action is None:
                    return kind == "$END" and states[-1] in self.tables.ends.values()
                production = self.tables.productions[~action]
                del states[len(states) - production.size :]
                states.append(self.tables.gotos[states[-1]][production.origin])
            states.append(action)
        return True

    def report_invisible(self) -> None:
        for found in FORBIDDEN.finditer(self.source.text):
            if len(self.diagnostics) >= MOST_MISTAKES:
                break
            from archc.dsl.strays import invisible

            self.diagnostics.append(invisible(Span(self.source, found.start(), found.end())))

    def _parse_inside(self, start: int, end: int) -> ast.Expression | None:
        inner = Parser(self.source, start, end, outer=self)
        expression: ast.Expression | None = inner.run("expression")
        self.diagnostics += inner.diagnostics
        return None if inner.diagnostics else expression

    def _too_deep(self, message: str, token: Token) -> None:
        span = Span(self.source, token.start, token.end)
        help = "give parts of it names of their own, with `let` or as blocks"
        self.diagnostics.append(Diagnostic("E0006", message, Label(span, "too deep"), help=help))
        raise Stop

    def _recovered(self, token: Token) -> Token:
        from archc.dsl.recovery import recover  # texts without mistakes never need it

        return recover(self, token)


class _Known(NamedTuple):
    tables: tables.Tables
    patterns: Patterns


_kept: list[_Known] = []


def _known() -> _Known:
    """Return the tables and patterns, made at the first text."""
    if not _kept:
        loaded = tables.load()
        _kept.append(_Known(loaded, Patterns(loaded)))
    return _kept[0]
