"""Where to go on after text that the grammar does not allow.

`recover` tries the kinds of mistakes in turn: each recognises its own, reports it, and repairs what the parser sees,
so that the rest of the statement is read as if it were right. Where none fits, it says what was expected and skips
to the end of the statement; the statements around it are not touched. So one mistake makes one diagnostic.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from archc.dsl import assignments, dotted, habits, mistakes, wording
from archc.dsl.lexer import CLOSER, MOST_MISTAKES, Stop, Token
from archc.dsl.mistakes import NEVER_INSIDE, report
from archc.dsl.unclosed import BRACKET_MISTAKES

if TYPE_CHECKING:
    from archc.dsl.parser import Parser

# Returns the token to go on with; None where it is not this kind of mistake.
Mistake: TypeAlias = Callable[["Parser", Token], Token | None]

# In the order in which they are tried.
MISTAKES: tuple[Mistake, ...] = (
    mistakes.ends_early,
    mistakes.brace_on_next_line,
    mistakes.missing_brace,
    mistakes.broken_label,
    dotted.dotted,
    dotted.computed,
    habits.foreign_comment,
    habits.foreign_arrow,
    habits.foreign_operator,
    habits.foreign_word,
    habits.typed_name,
    habits.of_for_in,
    habits.dictionary,
    habits.colon_for_brace,
    mistakes.colon_for_equals,
    mistakes.equals,
    assignments.assignment,
    mistakes.missing_comma,
    mistakes.doubled,
    mistakes.missing_word,
    mistakes.bare_tuple,
    mistakes.keyword_as_name,
    mistakes.same_line,
)

# Lists of statements: a NEWLINE may follow them.
LISTS = frozenset(("_statements", "_items", "docstring"))


def recover(parser: "Parser", token: Token) -> Token:
    """Report an unexpected token, unless that was done, and return the token to go on with."""
    if len(parser.diagnostics) >= MOST_MISTAKES:
        parser.lexer.stop(token.start)
    if token.kind == "ERROR":
        if token.text == '"""':  # an open docstring: the rest of the file is its text, as far as anyone knows
            raise Stop
        return skip(parser, token)
    parser.take_back()
    parser.settle()
    for bracket_mistake in BRACKET_MISTAKES:
        following = bracket_mistake(parser, token)
        if following is not None:
            return following
    if _in_broken(parser):
        return skip(parser, token)
    for mistake in MISTAKES:
        following = mistake(parser, token)
        if following is not None:
            return following
    expected = wording.expected(parser)
    message = f"expected {expected}, found {wording.found(token)}"
    report(parser, "E0005", message, token, label=f"expected {expected}", help=wording.help(parser, token))
    return skip(parser, token)


def skip(parser: "Parser", token: Token, *, inside: bool = True) -> Token:
    """Give up the statement that is being read; return the token after it: `NEWLINE`, `}`, `$END`, or a `{`.

    Statements in braces that belong to it are read as usual. `inside`: the token is in the brackets that are open.
    """
    lexer = parser.lexer
    outside = _give_up(parser)
    opened = lexer.brackets
    if not inside:
        del opened[outside:]
    # Should one of its brackets never be closed, the statement ends with the line before the surprise.
    surprising = len(opened) > outside and token.kind != "ERROR"
    line_end = lexer.text.find("\n", parser.last.end if surprising else token.end, lexer.end)
    line_end = lexer.end if line_end < 0 else line_end
    parser.feed(Token("ERROR", "", token.start, token.start))
    lexer.quiet = True
    while True:
        kind = token.kind
        if len(opened) > outside and (kind in ("{", "}", "$END") or kind in NEVER_INSIDE):
            # A bracket was left open: what stands on the lines after it is another statement.
            del opened[outside:]
            if token.start >= line_end:
                lexer.restart(min(line_end + 1, lexer.end), "NEWLINE")
                token = Token("NEWLINE", "\n", line_end, line_end)
                break
        if len(opened) > outside:
            if kind == CLOSER[opened[-1].kind]:
                opened.pop()
            elif kind in ("(", "["):
                opened.append(token)
        elif kind in ("(", "["):
            opened.append(token)
        elif kind in ("NEWLINE", "{", "}", "$END"):
            break
        token = lexer.next()
    lexer.quiet = False
    if lexer.pending is not None:  # the first token of the next statement: what is wrong with it was not reported
        lexer.restart(lexer.pending.start, "NEWLINE")
    return token


def _give_up(parser: "Parser") -> int:
    """Take from the stack what was read of the statement; return how many brackets are open around it.

    The `(` and `[` that it has opened stay with the lexer, which has not seen their ends.
    """
    stack, brackets = parser.stack, parser.lexer.brackets
    open_now = list(brackets)
    closed = 0
    while len(stack) > 1 and (closed or parser.actions[stack[-1].state].get("ERROR", -1) < 0):
        if stack[-1].symbol in LISTS and not closed and parser.accepts("NEWLINE"):
            parser.feed(Token("NEWLINE", "", stack[-1].end, stack[-1].end))
            break
        symbol = stack.pop().symbol
        if symbol in CLOSER.values():
            closed += 1
        elif symbol in CLOSER and closed:
            closed -= 1
        elif symbol in CLOSER:
            brackets.pop()
            parser.bases.pop()
    if not parser.accepts("ERROR"):
        raise Stop  # an expression alone has no statements
    outside = len(brackets)
    brackets[:] = open_now
    return outside


def _in_broken(parser: "Parser") -> bool:
    symbols = [entry.symbol for entry in parser.stack[-2:]]
    return symbols[-1] in ("broken", "ERROR") or symbols == ["broken", "body"]
