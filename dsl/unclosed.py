"""Brackets without a partner."""

import re
from typing import TYPE_CHECKING

from archc.dsl.builder import Broken
from archc.dsl.diagnostics import Label
from archc.dsl.dotted import closes_without, closing, computed
from archc.dsl.lexer import CLOSER, Token
from archc.dsl.mistakes import NEVER_INSIDE, OPERAND_START, report, virtual
from archc.dsl.source import Source, Span
from archc.dsl.wording import short

if TYPE_CHECKING:
    from archc.dsl.parser import Parser

OPENER = {closer: opener for opener, closer in CLOSER.items()}
ITEM_WORDS = frozenset(("from", "block", "inline", "arch", "extern"))
AT_MARGIN = re.compile(r"\n(?=[^\s#])")


def unmatched(parser: "Parser", token: Token) -> Token | None:
    """`f(a))`, `f(a]`, `f([a)`, `{ f(a }`."""
    from archc.dsl.recovery import skip

    opener = OPENER.get(token.kind)
    brackets = parser.lexer.brackets
    if opener is None or (brackets and brackets[-1].kind == opener):
        return None
    braces = [number for number, bracket in enumerate(brackets) if bracket.kind == "{"]
    inside = brackets[braces[-1] + 1 :] if braces else brackets
    if opener == "{":
        if not braces:
            return _closes_nothing(parser, token)
        _never_closed(parser, brackets[-1], f"the `}}` of line {_line(parser, token)} comes first")
        return skip(parser, token)
    if not inside:
        return _closes_nothing(parser, token)
    innermost = inside[-1]
    right = CLOSER[innermost.kind]
    if closes_without(parser.source.text, token.end, [bracket.kind for bracket in inside]):
        return _closes_nothing(parser, token)
    if any(bracket.kind == opener for bracket in inside):
        _never_closed(parser, innermost, f"the `{token.kind}` comes first")
        if parser.accepts(right, token.kind):
            parser.feed(virtual(parser, right))
            return token
        return skip(parser, token)
    if parser.lexer.peek().kind in (right, ","):
        return _closes_nothing(parser, token)
    message = f"`{token.kind}` does not close `{innermost.kind}`"
    opened = _label(parser, innermost, "opened here")
    report(parser, "E0004", message, token, label=f"expected `{right}`", help=f"write `{right}`", related=(opened,))
    return token._replace(kind=right, text=right) if parser.accepts(right) else skip(parser, token)


def left_open(parser: "Parser", token: Token) -> Token | None:
    """A bracket that is still open at the end of the file, or where the next block or arch begins."""
    from archc.dsl.recovery import skip

    brackets = parser.lexer.brackets
    next_item = token.kind in ITEM_WORDS and parser.source.position(token.start)[1] == 1
    if not brackets or not (next_item or token.kind == "$END"):
        return None
    where = "the file ends" if token.kind == "$END" else f"`{token.text}` begins on line {_line(parser, token)}"
    if brackets[-1].kind != "{":
        _never_closed(parser, brackets[-1], f"{where} and it is still open")
        return skip(parser, token)
    if not parser.accepts("}"):
        return None
    brace = _suspect(parser.source, brackets[-1].start, token.start) or brackets[-1]
    _never_closed(parser, brace, f"{where} and it is still open")
    while brackets and parser.accepts("}"):
        parser.feed(virtual(parser, "}"))
    if next_item and parser.accepts("NEWLINE"):
        parser.feed(virtual(parser, "NEWLINE"))
    return token


def left_open_in_statement(parser: "Parser", token: Token) -> Token | None:
    """`conv(3 -> relu`, and `conv(3` with a new statement on the next line."""
    from archc.dsl.recovery import skip

    brackets, text = parser.lexer.brackets, parser.source.text
    if not brackets or brackets[-1].kind == "{":
        return None
    opener = brackets[-1]
    closer = CLOSER[opener.kind]
    if (repaired := computed(parser, token)) or (repaired := _stages_inside(parser, token)):
        return repaired
    if token.kind in ("->", "{") and parser.accepts(closer, token.kind):
        _never_closed(parser, opener, f"the `{token.kind}` of line {_line(parser, token)} comes first")
        parser.feed(virtual(parser, closer))
        return token
    if text.find("\n", parser.last.end, token.start) < 0:
        return None
    opener_line_end = text.find("\n", opener.end)
    # `conv(` alone, and its arguments on the lines below: what is missing is a comma.
    several_lines = not text[opener.end : opener_line_end].strip()
    if token.kind not in NEVER_INSIDE and (several_lines or token.kind not in OPERAND_START):
        return None
    _never_closed(parser, opener, f"line {_line(parser, token)} begins a new statement and it is still open")
    line_end = text.find("\n", parser.last.end)
    parser.lexer.restart(line_end, parser.last.kind)
    return skip(parser, Token("NEWLINE", "\n", line_end, line_end + 1), inside=False)


def _stages_inside(parser: "Parser", token: Token) -> Token | None:
    """`conv(-> 3)`, `concat({ a; b })`."""
    if parser.last.kind != "(" or token.kind not in ("->", "{") or parser.accepts("LABEL"):
        return None
    if token.kind == "->":
        message = "`->` leads from stage to stage; these are arguments"
        report(parser, "E0005", message, token, label="between parentheses", help="delete it")
        return parser.lexer.next()
    text, opener = parser.source.text, parser.last
    inside = text[token.start : closing(text, token.start)]
    parser.lexer.restart(max(closing(text, opener.start) - 1, token.start + 1), "NAME")
    op = re.search(r"\w*$", text[: opener.start])
    help = f"write the braces without parentheses: `{op[0] if op else ''} {short(inside)}`"
    report(parser, "E0005", "branches stand in braces alone", token, label="in parentheses", help=help)
    return parser.lexer.next()


def indented(parser: "Parser", token: Token) -> Token | None:
    """An indented line at the level of the file: it belongs to what was ended by a `}` too many, or not understood."""
    if parser.lexer.brackets or token.kind == "$END":
        return None
    if parser.last.kind == "}" and token.kind in ("->", "as", "else") and parser.accepts("NEWLINE", "arch"):
        rest = _label(parser, token, "this is in no block or arch")
        message = f"this `}}` ends the block or arch, and `{token.text}` follows"
        report(parser, "E0004", message, parser.last, label="ends it", help="delete one `}`", related=(rest,))
        parser.feed(virtual(parser, "NEWLINE"))
        return _to_margin(parser, token)
    if not (parser.accepts("block") and parser.accepts("arch")):
        return None
    line, column = parser.source.position(token.start)
    closes = token.kind in OPENER
    # Of what ends with `) {` and began in a line that was not understood, nothing is read.
    rest_of_broken = column == 1 and token.kind in (")", "]")
    if not rest_of_broken and (column == 1 or closes or parser.source.line(line)[: column - 1].strip()):
        return None
    items: list[object] = next((entry.value for entry in parser.stack if entry.symbol == "_items"), [])
    broken = any(isinstance(item, Broken) for item in items[-2:])  # the last is the NEWLINE
    if token.kind in ("expect", "require") and parser.last.kind in (")", "NAME"):
        claims = "expected `{` at the end of this line: the claims of the arch follow"
        end = Token("NEWLINE", "\n", parser.last.end, parser.last.end)
        report(parser, "E0004", claims, end, label="expected `{`", help="write `{`")
    elif parser.last.kind == "}" and not rest_of_broken:
        rest = _label(parser, token, "this is in no block or arch")
        message = "this `}` ends the block or arch, but the lines after it are indented as if they were in it"
        help = "delete this `}`, or write the `{` that it was meant for"
        report(parser, "E0004", message, parser.last, label="ends it", help=help, related=(rest,))
    elif not broken:
        return None
    return _to_margin(parser, token)


def else_after_open(parser: "Parser", token: Token) -> Token | None:
    """`if c { add { a; b` and `} else {` on the next line: the `}` of the inner braces was forgotten."""
    if token.kind != "else" or parser.last.kind != "}" or not parser.lexer.brackets or not parser.accepts("}", "else"):
        return None
    _never_closed(parser, _opened(parser, parser.last), f"the `else` of line {_line(parser, token)} comes first")
    parser.feed(virtual(parser, "}"))
    return token


BRACKET_MISTAKES = (indented, else_after_open, unmatched, left_open, left_open_in_statement)


def _closes_nothing(parser: "Parser", token: Token) -> Token:
    message = f"this `{token.kind}` closes nothing: no `{OPENER[token.kind]}` is open"
    report(parser, "E0004", message, token, label="without a partner", help="delete it")
    return parser.lexer.next()


def _never_closed(parser: "Parser", bracket: Token, why: str) -> None:
    closer = CLOSER[bracket.kind]
    message = f"this `{bracket.kind}` is never closed: {why}"
    help = f"write `{closer}` after the last thing that belongs inside"
    report(parser, "E0004", message, bracket, label="opened here", help=help)


def _opened(parser: "Parser", closer: Token) -> Token:
    """The brace that a `}` has closed."""
    text, depth = parser.source.text, 0
    for place in range(closer.start, -1, -1):
        depth += (text[place] == "}") - (text[place] == "{")
        if not depth:
            return Token("{", "{", place, place + 1)
    return closer


def _to_margin(parser: "Parser", token: Token) -> Token:
    """Go on with the next line that is not indented and begins a definition."""
    text = parser.source.text
    position = token.end
    while margin := AT_MARGIN.search(text, position - 1):
        position = margin.end() + 1
        if text[margin.end()] not in ")]":
            break
    position = margin.end() if margin else len(text)
    if text.startswith("}", position):
        position += 1
    parser.lexer.restart(position, "NEWLINE")
    return parser.lexer.next()


def _line(parser: "Parser", token: Token) -> int:
    return parser.source.position(token.start)[0]


def _label(parser: "Parser", token: Token, text: str) -> Label:
    return Label(Span(parser.source, token.start, token.end), text)


def _suspect(source: Source, start: int, end: int) -> Token | None:
    """Return the brace that a missing `}` most likely belongs to: the first whose `}` is indented less than it is.

    Only braces after `start`; text in strings and comments counts too, which a guess may do.
    """
    opened: list[tuple[int, int]] = []
    for found in re.finditer(r"[{}]", source.text[start:end]):
        place = start + found.start()
        line = source.line(source.position(place)[0])
        indent = len(line) - len(line.lstrip())
        if found[0] == "{":
            opened.append((place, indent))
        elif opened:
            brace, brace_indent = opened.pop()
            if line.lstrip().startswith("}") and indent < brace_indent:
                return Token("{", "{", brace, brace + 1)
    return None
