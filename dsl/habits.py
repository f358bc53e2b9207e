"""Habits of other languages: their words, comments, arrows, and blocks after a colon."""

import re
from typing import TYPE_CHECKING

from archc.dsl import wording
from archc.dsl.lexer import Token
from archc.dsl.mistakes import begins_statement, report, virtual

if TYPE_CHECKING:
    from archc.dsl.parser import Parser

# First words of statements of other languages, and what to write instead.
FOREIGN = {
    "def": "a block is `block name(parameters) { ... }`; a function of numbers is `let name(parameters) = expression`",
    "fn": "a block is `block name(parameters) { ... }`; a function of numbers is `let name(parameters) = expression`",
    "function": "a block is `block name(parameters) { ... }`; a function of numbers is `let name(x) = expression`",
    "class": "a network is `arch Name(parameters) { ... }`, a part of it `block name(parameters) { ... }`",
    "model": "a network is `arch Name(parameters) { ... }`",
    "return": "a block leaves the value of its last statement; `output a, b` names others",
    "elif": "write `else if`, on the line of the `}` before it or on a line of its own",
    "while": "loops are `for x in list { ... }` and `repeat n { ... }`",
    "const": "write `let name = value`",
    "var": "write `let name = value`",
    "assert": 'write `require condition, "message"`',
    "del": "nothing needs to be deleted",
    "lambda": "a function of numbers is `let name(parameters) = expression`",
    "include": 'write `from "file.arch" import name`',
    "use": 'write `from "file.arch" import name`',
    "network": "a network is `arch Name(parameters) { ... }`",
    "unless": "write `if not (condition) { ... }`",
    "switch": "write `if a == 1 { ... } else if a == 2 { ... }`",
    "case": "write `if a == 1 { ... } else if a == 2 { ... }`",
    "print": "`archc build --summary` shows all sizes",
    "global": "names of the file are visible everywhere",
    "with": "a stage with several inputs is `op { branch; branch }`",
}
# What joins two stages elsewhere.
ARROW = re.compile(r"-+[ \t]?-*>+|=+>|>>+|~>|<-")
# Operators of other languages, what stands in their place, and what that is for.
OPERATORS = {"===": "==", "!==": "!=", "<>": "!=", "is": "=="}
TYPES = frozenset(("int", "float", "str", "bool", "auto", "Tensor", "list", "string", "double"))


def foreign_comment(parser: "Parser", token: Token) -> Token | None:
    """`// comment` and `/* comment */`."""
    text = parser.source.text
    several_lines = text.startswith("/*", token.start)
    brackets = parser.lexer.brackets
    if (token.kind != "//" and not several_lines) or (brackets and brackets[-1].kind != "{"):
        return None
    end = text.find("*/" if several_lines else "\n", token.start, parser.lexer.end)
    end = parser.lexer.end if end < 0 else end + 2 * several_lines
    start = "/*" if several_lines else "//"
    comment = token._replace(end=end)
    report(parser, "E0009", f"`{start}` begins no comment", comment, label="not a comment", help="write `#`")
    parser.lexer.restart(end, parser.last.kind)
    return parser.lexer.next()


def foreign_word(parser: "Parser", token: Token) -> Token | None:
    """`def`, `class`, `elif`, and other first words of statements in other languages."""
    if token.text == "elif" and parser.accepts("else", "if"):
        _report_foreign(parser, token)
        parser.feed(virtual(parser, "else"))
        return token._replace(kind="if")
    word = token if parser.accepts("block") else parser.last
    if word.kind != "NAME" or word.text not in FOREIGN or not begins_statement(parser, word):
        return None
    from archc.dsl.recovery import skip

    _report_foreign(parser, word)
    return skip(parser, token)


def colon_for_brace(parser: "Parser", token: Token) -> Token | None:
    """`if c:` and `else:` with an indented body, as in Python."""
    from archc.dsl.recovery import skip

    else_label = token.kind == "NEWLINE" and parser.last.kind == "LABEL" and parser.last.text.startswith("else")
    if not else_label and not (token.kind == ":" and parser.accepts("{") and not parser.accepts("NEWLINE")):
        return None
    colon = Token(":", ":", parser.last.end - 1, parser.last.end) if else_label else token
    if not else_label and parser.lexer.peek().kind == "{":
        report(parser, "E0009", "no `:` stands before a body in braces", colon, label="a habit", help="delete the `:`")
        return parser.lexer.next()
    help = "write `{` here and `}` after the last statement that belongs to it"
    report(parser, "E0009", "a body stands in braces, not after `:`", colon, label="expected `{`", help=help)
    return skip(parser, token)


def foreign_arrow(parser: "Parser", token: Token) -> Token | None:
    """`relu => gelu`, `relu --> gelu`, `relu >> gelu`; and `let f = (x) => x`."""
    from archc.dsl.recovery import skip

    found = ARROW.match(parser.source.text, token.start)
    if found is None or token.kind == "->":
        return None
    if found[0] == "=>" and not parser.accepts("->"):
        arrow = token._replace(end=found.end())
        help = "a function of numbers is `let name(parameters) = expression`"
        report(parser, "E0009", "there is no `=>` in this language", arrow, label="unknown", help=help)
        return skip(parser, token)
    if not parser.accepts("->"):
        return None
    arrow = Token("->", "->", *found.span())
    report(parser, "E0009", f"`{found[0]}` joins no stages", arrow, label="expected `->`", help="write `->`")
    parser.lexer.restart(arrow.end, "->")
    return arrow


def foreign_operator(parser: "Parser", token: Token) -> Token | None:
    """`a === b`, `a <> b`, `a is none`."""
    text, start = parser.source.text, token.start
    if token.kind in ("=", ">") and parser.last.end == start and parser.last.kind in ("==", "!=", "<"):
        start = parser.last.start  # the first two of three signs were read as one
    elif token.text != "is" or not parser.accepts("=="):
        return None
    written = text[start : token.end]
    meant = OPERATORS.get(written)
    if meant is None:
        return None
    operator = Token(meant, written, start, token.end)
    report(
        parser,
        "E0009",
        f"there is no `{written}` in this language",
        operator,
        label="an unknown operator",
        help=f"write `{meant}`",
    )
    if start == token.start:
        return operator._replace(text=meant)
    return parser.lexer.next()


def typed_name(parser: "Parser", token: Token) -> Token | None:
    """`int y = 3`, and `let y: int = 3`."""
    from archc.dsl.recovery import skip

    last = parser.last
    if token.kind == ":" and last.kind == "NAME" and parser.accepts("="):
        found = re.compile(r":[ \t]*[A-Za-z_][\w.]*(?=[ \t]*=)").match(parser.source.text, token.start)
        inside = bool(parser.lexer.brackets) and parser.lexer.brackets[-1].kind != "{"
        if found is None or inside or parser.accepts("+"):
            return None
        annotation = token._replace(end=found.end())
        help = f"write `{last.text} = ...`"
        report(parser, "E0009", "a `let` gives a value, no type", annotation, label="a type", help=help)
        parser.lexer.restart(found.end(), "NAME")
        return parser.lexer.next()
    if token.kind != "NAME" or last.text not in TYPES or not begins_statement(parser, last):
        return None
    help = f"write `let {token.text} = ...`"
    report(parser, "E0009", f"`{last.text}` declares nothing in this language", last, label="a type", help=help)
    return skip(parser, token)


def of_for_in(parser: "Parser", token: Token) -> Token | None:
    """`for x of xs`."""
    if token.text != "of" or not parser.accepts("in") or parser.accepts("NAME"):
        return None
    report(parser, "E0009", "a loop is `for x in list { ... }`", token, label="expected `in`", help="write `in`")
    return token._replace(kind="in", text="in")


def dictionary(parser: "Parser", token: Token) -> Token | None:
    """`let x = {1: 2}`, `let x = {1, 2}`."""
    from archc.dsl.recovery import skip

    if token.kind != "{" or not parser.accepts("NUMBER") or parser.accepts("LABEL"):
        return None
    if parser.last.kind not in ("=", "(", "[", ",") and parser.accepts("NAME", "{"):  # `if a - {`
        help = wording.FORMS.get(parser.last.kind, "write a number, a string, a list, or a name that has a value")
        report(parser, "E0005", "expected a value, found `{`", token, label="expected a value", help=help)
        parser.feed(virtual(parser, "NAME"))
        return token
    found = re.compile(r"\{[^{}]*\}").match(parser.source.text, token.start)
    end = found.end() if found else token.end
    help = "a list is `[...]`, a tuple `(...)`; braces hold statements"
    report(parser, "E0005", "expected a value, found `{`", token, label="expected a value", help=help)
    parser.lexer.restart(end, "NAME")
    return skip(parser, parser.lexer.next()) if found else skip(parser, token)


def _report_foreign(parser: "Parser", word: Token) -> None:
    message = f"there is no `{word.text}` in this language"
    report(parser, "E0009", message, word, label="not a word of the language", help=FOREIGN[word.text])
