"""Names with dots and with braces where the language has neither: `nn.Conv2d(3, 64, 3)`, `x.view(-1)`, `skip{i}`."""

import re
from typing import TYPE_CHECKING

from archc.dsl.lexer import CLOSER, Token
from archc.dsl.mistakes import report
from archc.dsl.wording import PREFIXES, short

if TYPE_CHECKING:
    from archc.dsl.parser import Parser

DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
LAYER = re.compile(r"[ \t]*=[ \t]*(?P<layer>[A-Za-z_][\w.]*)(?P<open>\()?")
COMPUTED = re.compile(r"[A-Za-z_]\w*\{[^{}\n]*\}")
PIECE = re.compile(r'"[^"\n]*"|#[^\n]*|[][(){}]')
SIZES = frozenset(("shape", "channels", "height", "width", "features", "size"))
GROWS = frozenset(("append", "extend", "insert", "pop"))


def dotted(parser: "Parser", token: Token) -> Token | None:
    """A function, class or method of PyTorch's as a stage, and `self.conv1 = nn.Conv2d(3, 64, 3)`."""
    from archc.dsl.recovery import skip

    last, text = parser.last, parser.source.text
    found = DOTTED.match(text, last.start)
    if token.kind != "." or last.kind != "NAME" or not parser.accepts("->") or found is None:
        return None
    before, _, name = found[0].rpartition(".")
    called = text.startswith("(", found.end())
    place = Token("NAME", found[0], *found.span())
    if assigned := LAYER.match(text, found.end()):
        declared(parser, place, name, assigned)
        return skip(parser, token)
    if name in GROWS:
        message = f"lists do not change: there is no `{name}` in this language"
        help = (
            "a value is named where it is made, `... as skip1`, or joined at once, `concat { identity; ... }`; "
            "for a depth that varies a block uses itself, as `archc zoo unet` shows"
        )
    elif before == "self":
        message = f"there is no `self` in this language: `{short(found[0])}` is no stage"
        help = f"write the op itself where it is used, with a label if its name matters: `{name}: conv(8, 3)`"
    elif before.split(".")[0] in PREFIXES:
        message = f"ops are written without `{before}.`"
        help = "write the op alone, as in `conv(8, 3) -> relu`"
    elif called:
        message = f"a value has no methods: `{name}` is a stage after it"
        help = f"write `{short(before)} -> {name}`"
    elif name in SIZES:
        message = f"`{short(found[0])}` is a size, not a stage"
        help = "sizes stand in arguments and `let`: `conv(in.channels, 3)`"
    else:
        return None
    report(parser, "E0009", message, place, label="not a stage", help=help)
    if not called:
        return skip(parser, token)
    parser.lexer.restart(found.end(), "NAME")  # its arguments are read as usual
    return parser.lexer.next()


def declared(parser: "Parser", place: Token, name: str, assigned: re.Match[str]) -> None:
    """Report `self.conv1 = nn.Conv2d(3, 64, 3)`: `place` is what stands before the `=`."""
    text = parser.source.text
    end = closing(text, assigned.start("open")) if assigned["open"] else assigned.end()
    layer = short(text[assigned.start("layer") : end])
    help = f"a layer is written where it is used, with a label if its name matters: `{name}: {layer}`"
    message = f"`{short(place.text)} =` declares nothing: a layer has its name from a label"
    report(parser, "E0009", message, place._replace(end=end), label="a habit of PyTorch", help=help)


def computed(parser: "Parser", token: Token) -> Token | None:
    """`... as skip{i}`, and `up(64, skip{i})`."""
    last = parser.last
    found = COMPUTED.match(parser.source.text, last.start)
    inside = bool(parser.lexer.brackets) and parser.lexer.brackets[-1].kind != "{"
    names = parser.source.text[max(0, last.start - 8) : last.start].split()[-1:] == ["as"]
    if token.kind != "{" or last.kind != "NAME" or last.end != token.start or found is None or not (inside or names):
        return None
    place = Token("NAME", found[0], *found.span())
    message = f"names do not compute: `{short(found[0])}` is no name"
    help = (
        f"only labels compute; values are named one by one, `as {last.text}1`, and a number is taken from a list, "
        "`xs[i]`; for a depth that varies a block uses itself, as `archc zoo unet` shows"
    )
    report(parser, "E0005", message, place, label="only labels compute", help=help)
    parser.lexer.restart(found.end(), "NAME")
    return parser.lexer.next()


def closing(text: str, start: int) -> int:
    """Return the place after the bracket that closes the one at `start`; the end of the line where there is none.

    >>> closing('f(a, "(", [b]) -> c', 1)
    14
    """
    opened: list[str] = []
    for found in PIECE.finditer(text, start):
        if found[0] in CLOSER:
            opened.append(CLOSER[found[0]])
        elif opened and found[0] == opened[-1]:
            opened.pop()
            if not opened:
                return found.end()
    line_end = text.find("\n", start)
    return line_end if line_end >= 0 else len(text)


def closes_without(text: str, start: int, opened: list[str]) -> bool:
    """Say whether what follows closes these brackets, innermost last, before the statement ends.

    >>> closes_without(" for i in xs])", 0, ["(", "["]), closes_without(") -> relu", 0, ["(", "["])
    (True, False)
    """
    expected = [CLOSER[bracket] for bracket in opened]
    for found in re.compile(PIECE.pattern + "|->").finditer(text, start):
        piece = found[0]
        if piece[0] in '"#':
            continue
        if piece in ("{", "}", "->"):
            return False
        if piece in CLOSER:
            expected.append(CLOSER[piece])
        elif piece == expected[-1]:
            expected.pop()
            if not expected:
                return True
        else:
            return False
    return False
