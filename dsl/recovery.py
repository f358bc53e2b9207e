"""What to say of text that the grammar does not allow, and where to go on.

`recover` tries the `MISTAKES` in turn: each recognises one kind of mistake, reports it, and repairs what the parser
sees, so that the rest of the statement is read as if it were right. Where none fits, it says what was expected and
skips to the end of the statement; the statements around it are not touched. So one mistake makes one diagnostic.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from archc.dsl import wording
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.lexer import CLOSER, OPERAND_END, Lexer, Token
from archc.dsl.source import Span

if TYPE_CHECKING:
    from archc.dsl.parser import Parser

OPENER = {closer: opener for opener, closer in CLOSER.items()}
ITEM_WORDS = frozenset("from block inline arch extern".split())
# Words that never stand in brackets: where one comes, a bracket before it was left open.
NEVER_INSIDE = ITEM_WORDS | frozenset("let require module init input expect repeat import".split()) | {"LABEL", "->"}
OPERAND_START = frozenset("NAME NUMBER STRING ( [ true false none when training".split())


def recover(parser: "Parser", token: Token) -> Token:
    """Report an unexpected token, unless that was done, and return the token to go on with."""
    from archc.dsl.parser import MOST_MISTAKES, Stop

    if len(parser.diagnostics) > MOST_MISTAKES:
        del parser.diagnostics[MOST_MISTAKES:]
        message = f"there are more than {MOST_MISTAKES} mistakes: the text is not read further than here"
        _report(parser, "E0005", message, token, label="reading stopped here", help="mend some of them first")
        raise Stop
    if token.kind == "ERROR":
        if token.text == '"""':  # an open docstring: the rest of the file is its text, as far as anyone knows
            raise Stop
        return _skip(parser, token)
    for mistake in BRACKETS:
        following = mistake(parser, token)
        if following is not None:
            return following
    if parser.stack[-1].symbol in ("broken", "ERROR") or _after_broken(parser):
        return _skip(parser, token)
    for mistake in MISTAKES:
        following = mistake(parser, token)
        if following is not None:
            return following
    _report(parser, "E0005", wording.message(parser, token), token, label=wording.label(parser), help=wording.help(parser, token))
    return _skip(parser, token)
