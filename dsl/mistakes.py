"""The usual mistakes in the text of a statement, each with what to type instead."""

import re
from typing import TYPE_CHECKING

from archc.dsl import wording
from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.lexer import CLOSER, Token
from archc.dsl.source import Span

if TYPE_CHECKING:
    from archc.dsl.parser import Parser

# Where one of these comes, a bracket before it was left open.
NEVER_INSIDE = frozenset(
    (
        *("from", "import", "block", "inline", "arch", "extern", "let", "require", "module", "init", "input", "expect"),
        *("repeat", "->", "LABEL"),
    )
)
OPERAND_START = frozenset(("NAME", "NUMBER", "STRING", "(", "[", "true", "false", "none", "when", "training", "output"))
BEFORE_STAGE = frozenset(("{", "NEWLINE", "->"))
OPEN_LABEL = re.compile(
    r"(?P<word>[A-Za-z_]\w*)(?P<open>\{)(?P<inside>[^{}:\n]*)"
    r"(?:(?P<close>\})[ \t]*(?:(?P<extra>\})[ \t]*:|(?=[A-Za-z_{]))|:)"
)
NAMELESS_LABEL = re.compile(r"(?P<label>\{[^{}:\n]*\}[A-Za-z0-9_]*)[ \t]*:")
UNOPENED_LABEL = re.compile(r"[A-Za-z_]\w*[^{}:\n]*(?P<close>\})[ \t]*:")
PIECE = re.compile(r'"[^"\n]*"|#[^\n]*|(?P<word>[A-Za-z_]\w*)|[][(){},]')
NAMES = re.compile(r"[A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*")


def report(
    parser: "Parser",
    code: str,
    message: str,
    token: Token,
    *,
    label: str,
    help: str = "",
    related: tuple[Label, ...] = (),
) -> None:
    """Note a mistake at a token. The end of a line or of the file is shown right after what stands before it."""
    start, end = token.start, token.end
    if token.kind in ("NEWLINE", "$END") and token.text != ";":
        start = end = parser.last.end
    place = Label(Span(parser.source, start, end), label)
    parser.diagnostics.append(Diagnostic(code, message, place, related, help=help))


def virtual(parser: "Parser", kind: str) -> Token:
    """Return a token that the text does not have, right after the last one."""
    return Token(kind, kind, parser.last.end, parser.last.end)


def brace_on_next_line(parser: "Parser", token: Token) -> Token | None:
    """`block a` and `{` on the next line."""
    brace = parser.lexer.pending
    if token.kind != "NEWLINE" or brace is None or brace.kind != "{" or not parser.accepts("{"):
        return None
    message = "`{` stands on the line of what it belongs to"
    before = Label(Span(parser.source, parser.last.start, parser.last.end), "it belongs after this")
    report(parser, "E0005", message, brace, label="on a line of its own", help="move it up", related=(before,))
    return parser.lexer.next()


def missing_brace(parser: "Parser", token: Token) -> Token | None:
    """`for x in xs`, its statements below, and a `}`: the `{` was forgotten."""
    below = parser.lexer.pending
    ready = parser.accepts("{") and (not parser.accepts("NEWLINE") or parser.last.kind == "LABEL")
    if token.kind != "NEWLINE" or below is None or not ready:
        return None
    head = parser.source.line(parser.source.position(parser.last.start)[0])
    indent = len(head) - len(head.lstrip())
    # The next line that is not indented more must begin with the `}`.
    back = re.compile(rf"\n[ \t]{{0,{indent}}}(?![ \t\r\n#])").search(parser.source.text, below.start)
    deeper = parser.source.position(below.start)[1] - 1 > indent
    if not deeper or back is None or not parser.source.text.startswith("}", back.end()):
        return None
    message = "expected `{` at the end of this line: the `}` that ends it stands below"
    report(parser, "E0004", message, token, label="expected `{`", help="write `{`")
    parser.feed(virtual(parser, "{"))
    return parser.lexer.next()


def broken_label(parser: "Parser", token: Token) -> Token | None:
    """`layer{i: conv`, `layeri}: conv`, `layer{i} conv`."""
    stack, text = parser.stack, parser.source.text
    first = next((number for number in range(len(stack) - 1, 0, -1) if stack[number].symbol in BEFORE_STAGE), 0)
    if not first or first + 1 == len(stack):
        return None

    def labelled(number: int) -> bool:  # whether a label may stand where this part begins
        return "LABEL" in parser.actions[stack[number - 1].state]

    if stack[first].symbol == "{" and labelled(first) and (found := NAMELESS_LABEL.match(text, stack[first].start)):
        place = Token("{", found[0], *found.span())
        help = f'write it as a string: `"{found["label"]}":`'
        report(parser, "E0005", "a label begins with a letter or is a string", place, label="no label", help=help)
        del stack[first:]
        parser.lexer.brackets.pop()
        parser.bases.pop()
        return _labelled(parser, found)
    if stack[first].symbol == "{":  # the brace of the label: the word before it was read as a stage
        found = OPEN_LABEL.match(text, stack[first - 1].start)
        if found and found.start("open") == stack[first].start and found.end() > token.start and labelled(first - 1):
            closed = found["close"] is not None
            place = Token("}", "}", *found.span("close")) if closed else Token("{", "{", *found.span("open"))
            message = "expected `:` after the label" if closed else "this `{` is not closed before the `:` of the label"
            if found["extra"]:
                place, message = Token("}", "}", *found.span("extra")), "this `}` closes nothing: the label has one `{`"
            help = f"write `{found['word']}{{{found['inside'].strip()}}}:`"
            code = "E0005" if closed and not found["extra"] else "E0004"
            report(parser, code, message, place, label="in a computed label", help=help)
            del stack[first - 1 :]
            parser.lexer.brackets.pop()
            parser.bases.pop()
            return _labelled(parser, found)
    found = UNOPENED_LABEL.match(text, stack[first + 1].start)
    if found and found.end() > token.start and labelled(first + 1):
        place = Token("}", "}", *found.span("close"))
        help = "a computed label is written `name{expression}:`"
        report(parser, "E0004", "this `}` closes nothing: the label has no `{`", place, label="in a label", help=help)
        del stack[first + 1 :]
        return _labelled(parser, found)
    return None


def _labelled(parser: "Parser", found: re.Match[str]) -> Token:
    parser.feed(Token("LABEL", "label:", found.start(), found.end()))
    parser.lexer.restart(found.end(), "LABEL")
    return parser.lexer.next()


def colon_for_equals(parser: "Parser", token: Token) -> Token | None:
    """`conv(3, stride: 2)`."""
    if token.kind != ":" or parser.last.kind != "NAME" or not parser.accepts("="):
        return None
    if parser.lexer.peek().kind == "]":  # `xs[3:]` without its `[`
        return None
    name = parser.last.text
    argument = bool(parser.lexer.brackets) and parser.lexer.brackets[-1].kind == "("
    what, help = (
        (f"the argument `{name}`", f"write `{name}=...`") if argument else (f"`{name}`", f"write `{name} = ...`")
    )
    end = token.end + parser.source.text.startswith("=", token.end)  # `:=`
    sign = token._replace(end=end)
    report(parser, "E0005", f"{what} gets its value with `=`", sign, label="expected `=`", help=help)
    parser.lexer.restart(end, "=")
    return token._replace(kind="=", text="=", end=end)


def equals(parser: "Parser", token: Token) -> Token | None:
    """`let x == 3`, and `if x = 3 {`."""
    from archc.dsl.recovery import skip

    if token.kind == "==" and parser.accepts("="):
        message = "`==` compares; a value is given with `=`"
        report(parser, "E0005", message, token, label="expected `=`", help="write `=`")
        return token._replace(kind="=", text="=")
    if token.kind != "=":
        return None
    brackets = parser.lexer.brackets
    inside = bool(brackets) and brackets[-1].kind != "{"
    if inside and parser.accepts(","):
        message = "only a plain name can stand before the `=` of an argument"
        report(parser, "E0005", message, token, label="not an argument", help="to compare, write `==`")
        return skip(parser, token)
    if parser.accepts("=="):
        message = "`=` gives a value; `==` compares"
        report(parser, "E0005", message, token, label="expected `==`", help="write `==`")
        if parser.lexer.peek().kind in ("=", "=="):
            token = parser.lexer.next()
        return token._replace(kind="==", text="==")
    return None


def missing_comma(parser: "Parser", token: Token) -> Token | None:
    """`conv(3 3)`, `[1 2]`, `output a b`."""
    if token.kind not in OPERAND_START or not parser.accepts(",", token.kind):
        return None
    before = parser.last
    rest = _words_to_the_end(parser, token)
    if "for" in rest:  # `[x x for x in xs]`: no comma makes it right
        return None
    if "else" in rest and "if" not in rest and parser.accepts("if", token.kind):
        message = f"expected `if` before {wording.found(token)}"
        help = "a choice has both sides: `a if c else b`"
        report(parser, "E0005", message, token, label="`if` is missing before this", help=help)
        parser.feed(virtual(parser, "if"))
        return token
    help = f"write `{wording.short(before.text)}, {wording.short(token.text)}`"
    if before.kind == "NAME" and parser.accepts("="):
        help += f", or `{before.text}={wording.short(token.text)}` for an argument or parameter of that name"
    message = f"expected `,` before {wording.found(token)}"
    report(parser, "E0005", message, token, label="a comma is missing before this", help=help)
    parser.feed(virtual(parser, ","))
    return token


def _words_to_the_end(parser: "Parser", token: Token) -> list[str]:
    """The words from a token to the end of the brackets that it stands in, without those in other brackets."""
    depth, words = 0, []
    for found in PIECE.finditer(parser.source.text, token.start):
        piece = found[0]
        depth += (piece in CLOSER) - (piece in CLOSER.values())
        if depth < 0 or (not depth and piece == ","):
            break
        if not depth and found["word"]:
            words.append(piece)
    return words


def doubled(parser: "Parser", token: Token) -> Token | None:
    """`expect params params == 3`, `init conv conv: zeros`."""
    last = parser.last
    same = token.kind in ("NAME", "NUMBER", "output") and token.text == last.text
    if not same or parser.accepts("->") or parser.accepts("=") or parser.source.text[last.end : token.start].strip(" "):
        return None
    report(
        parser, "E0005", f"{wording.found(token)} stands here twice", token, label="again", help="delete one of them"
    )
    return parser.lexer.next()


def missing_word(parser: "Parser", token: Token) -> Token | None:
    """`let x 3`, `for x xs {`, `from "a.arch" b`, `input x [3]`, `repeat 3 i {`."""
    if token.kind == "[" and parser.accepts(":", "["):
        word = ":"
    else:
        line_end = parser.source.text.find("\n", token.end)
        rest = parser.source.text[token.end : line_end if line_end >= 0 else None]
        closed = rest.count("}") > rest.count("{")  # so that `repeat 2 relu }` lacks its brace
        words = [*("{" * closed), "=", "import", "in", "as", "else", ":"]
        if parser.accepts("+"):  # a value may go on otherwise, except before the body or the rest of its statement
            words = [word for word in words if word in ("{", "as", "else")]
        word = next((one for one in words if parser.accepts(one, token.kind)), "")
        # Where a statement may end or a name may stand, another mistake is more likely.
        taken = parser.accepts("NAME") or parser.accepts("NEWLINE")
        if not word or taken:
            return None
    following = parser.lexer.peek().kind
    if word == "=" and token.kind == following == "NAME":  # `arch A extends B`
        message = f"expected `=`, found {wording.found(token)}"
        report(parser, "E0005", message, token, label="expected `=`", help="write `=`")
        parser.feed(virtual(parser, "="))
        return parser.lexer.next()
    line = parser.source.line(parser.source.position(token.start)[0])
    form = parser.stack[-2].symbol  # `module a conv(3)`, `let a min(b, c)`
    value = form == "module" or (form == "let" and not re.search(r"\)[ \t]*=(?!=)", line))
    two_names = following == "(" and parser.last.kind == "NAME" and not value
    if word == "=" and (following in ("=", "{") or two_names):
        message = f"expected `=`, found {wording.found(token)}"
        report(parser, "E0005", message, token, label="expected `=`", help="one name stands here: delete the other")
        return parser.lexer.next()
    message = f"expected `{word}` before {wording.found(token)}"
    help = f"write `{wording.short(parser.last.text)} {word} {wording.short(token.text)}`".replace(" :", ":")
    report(parser, "E0005", message, token, label=f"`{word}` is missing before this", help=help)
    parser.feed(virtual(parser, word))
    return token


def bare_tuple(parser: "Parser", token: Token) -> Token | None:
    """`for i, x in xs`, `let a, b = ...`, `... as a, b`."""
    from archc.dsl.recovery import skip

    before = parser.source.text[max(0, parser.last.start - 5) : parser.last.start].split()
    word = before[-1] if before else ""
    if token.kind != "," or parser.last.kind != "NAME" or word not in ("for", "let", "as"):
        return None
    found = NAMES.match(parser.source.text, parser.last.start)
    names = found[0] if found else parser.last.text
    whole = Token("NAME", names, parser.last.start, parser.last.start + len(names))
    message = f"several names after `{word}` stand in parentheses"
    report(parser, "E0005", message, whole, label="expected one name, or `(`", help=f"write `({names})`")
    return skip(parser, token)


def keyword_as_name(parser: "Parser", token: Token) -> Token | None:
    """`let in = 3`, `block repeat(n) { }`."""
    binds = parser.accepts("NAME") and not parser.accepts("NUMBER") and not parser.accepts("LABEL")
    if not token.kind.isalpha() or not token.kind.islower() or not binds or parser.last.kind == "LABEL":
        return None
    if token.kind == "in" and parser.last.kind == "for" and parser.lexer.peek().kind != "in":
        message = "expected a name before `in`"
        report(parser, "E0005", message, token, label="a name is missing before this", help=wording.FORMS["for"])
        parser.feed(virtual(parser, "NAME"))
        return token
    following = parser.lexer.peek().kind
    if parser.accepts(following) and not parser.accepts("NAME", following):
        message = f"expected a name, found the word `{token.text}`"
        report(parser, "E0005", message, token, label="expected a name", help="delete it")
        return parser.lexer.next()
    what = "a stage" if token.kind == "in" else "a word"
    message = f"`{token.text}` is {what} of the language and cannot be a name"
    report(parser, "E0110", message, token, label="a keyword", help=f"choose another name, such as `{token.text}_`")
    return token._replace(kind="NAME")


def same_line(parser: "Parser", token: Token) -> Token | None:
    """Two statements on one line: `relu batch_norm`."""
    if token.kind in ("NEWLINE", "$END") or not parser.accepts("NEWLINE", token.kind):
        return None
    line_start = parser.source.text.rfind("\n", 0, token.start) + 1
    slashes = parser.source.text.find("//", line_start, token.start)
    if slashes >= 0 and parser.accepts("+"):
        from archc.dsl.recovery import skip

        comment = token._replace(start=slashes)
        message = "`//` divides; it begins no comment"
        report(parser, "E0009", message, comment, label="read as a division", help="write `#`")
        return skip(parser, token)
    if token.kind == "for" and parser.accepts("+"):  # a comprehension without its brackets
        return None
    stage = parser.accepts("->")
    expected = "`->`, a new line or `;`" if stage else "a new line or `;`"
    help = "write `->` to go on with the value, or begin a new line" if stage else "begin a new line"
    message = f"expected {expected} before {wording.found(token)}"
    said = parser.diagnostics[-1] if parser.diagnostics else None
    # The second word too many in one line has the same cause.
    if said is None or said.primary.text != f"expected {expected}" or said.primary.span.start < line_start:
        report(parser, "E0005", message, token, label=f"expected {expected}", help=help)
    parser.feed(virtual(parser, "NEWLINE"))
    parser.lexer.restart(token.start, "NEWLINE")
    return parser.lexer.next()


def ends_early(parser: "Parser", token: Token) -> Token | None:
    """`let x =` and the next statement on the next line, which was read as if it were the value."""
    from archc.dsl.recovery import skip

    line_end = parser.source.text.find("\n", parser.last.end, token.start)
    brackets = parser.lexer.brackets
    inside = bool(brackets) and brackets[-1].kind != "{"
    if line_end < 0 or inside or token.kind not in NEVER_INSIDE or token.kind == "->" or parser.accepts("let"):
        return None
    end = Token("NEWLINE", "\n", line_end, line_end + 1)
    expected = wording.expected(parser)
    message = f"expected {expected}, found {wording.found(end)}"
    report(parser, "E0005", message, end, label=f"expected {expected}", help=wording.help(parser, end))
    parser.lexer.restart(end.end, "NEWLINE")
    return skip(parser, end)


def begins_statement(parser: "Parser", token: Token) -> bool:
    """Say whether a token stands first in its line, or after a `;` or a brace."""
    text = parser.source.text
    before = text[max(text.rfind("\n", 0, token.start), text.rfind(";", 0, token.start)) + 1 : token.start]
    return not before.strip() or before.rstrip().endswith(("{", "}"))
