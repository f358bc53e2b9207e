"""What stands in the text and what could stand there, in words a person uses."""

import re
from typing import TYPE_CHECKING

from archc.dsl.lexer import Token

if TYPE_CHECKING:
    from archc.dsl.parser import Parser

# Signs and words worth naming, in the order in which they are named. Operators are not: too many could follow.
NAMED = (",", ")", "]", "}", "{", ":", "=", "->", "as", "import", "in", "else", "block")

# How a statement or a definition is written, by its first word.
FORMS = {
    "input": "an input has a name and sizes in brackets: `input image: [3, 224, 224]`",
    "output": "outputs are names of values: `output a, b`, or `output a when training`",
    "expect": "a claim compares: `expect params == 1000`, `expect output == [10]`",
    "require": 'a condition, and what to say where it fails: `require n > 0, "n is {n}"`',
    "module": "a module is one op or block: `module name = conv(8, 3)`",
    "init": "an initialisation is written `init conv: kaiming_normal`",
    "extern": 'write `extern name(parameters): [C, H, W] -> [C, H, W] = "package.module:Class"`',
    "from": 'imports are written `from "file.arch" import a, b`; they keep their names',
    "as": "`as` ends a statement with a new name: `... as x`, or `... as (a, b)` for several values",
    "let": "a name gets a value once: `let name = value`",
    "for": "a loop is written `for x in list { ... }`",
    "repeat": "rounds are counted: `repeat 3 { ... }`",
    "block": "a block is written `block name(parameters) { ... }`",
    "arch": "an arch is written `arch Name(parameters) { ... }`",
}
LABEL_LIKE = re.compile(r"([A-Za-z_]\w*(?:[.-]\w+)+)[ \t]*:")
COMBINED = re.compile(r"(?P<left>[A-Za-z_]\w*)[ \t]*(?P<sign>[-+*/@])[ \t]*(?P<right>[A-Za-z_]\w*)")
COMBINING = {"+": "add", "-": "sub", "*": "mul", "/": "div", "@": "matmul"}
PREFIXES = frozenset(("nn", "F", "torch", "self"))

OPERATORS = frozenset(("+", "-", "*", "/", "%", "**", "==", "!=", "<", "<=", ">", ">=", "and", "or"))


def found(token: Token) -> str:
    """Describe a token.

    >>> found(Token("NAME", "relu", 0, 4)), found(Token("$END", "", 4, 4))
    ('the name `relu`', 'the end of the text')
    """
    kind, text = token.kind, short(token.text)
    if kind == "NEWLINE":
        return "`;`" if text == ";" else "the end of the line"
    if kind == "$END":
        return "the end of the text"
    if kind == "NAME":
        return f"the name `{text}`"
    if kind == "NUMBER":
        return f"the number `{text}`"
    if kind == "STRING":
        return "a string"
    if kind == "LABEL":
        return f"the label `{text}`"
    return f"the word `{text}`" if text.isalpha() else f"`{text}`"


def short(text: str) -> str:
    """Return text short enough for a message."""
    text = text.split("\n")[0]
    return text if len(text) <= 40 else text[:37] + "..."


def expected(parser: "Parser") -> str:
    """Say what the parser could go on with."""
    allowed = {kind for kind in parser.actions[parser.stack[-1].state] if parser.accepts(kind)}
    choices: list[str] = []
    named = list(NAMED)
    if "arch" in allowed and "block" in allowed:
        return "`block`, `arch`, `let`, `extern` or `from`"
    elif parser.last.kind == "LABEL":
        return "a stage"
    elif "LABEL" in allowed:
        choices.append("a statement" if "let" in allowed else "a stage")
        named = ["}"]
    elif "NUMBER" in allowed:
        choices.append("a value")
        named = [")", "]", ":"]
    elif "NAME" in allowed:
        choices.append("a name")
        if "(" in allowed:
            choices.append("`(`")
    elif "STRING" in allowed:
        choices.append("a string in double quotes")
    if not allowed or ("$END" in allowed and "+" in allowed and "NEWLINE" not in allowed):
        return "the end of the expression"
    operators = ("in",) if "+" in allowed else ()
    choices += [f"`{kind}`" for kind in named if kind in allowed and kind not in operators]
    if "NEWLINE" in allowed and named != ["}"]:
        choices = [choice for choice in choices if choice not in ("`{`", "`}`")]
        choices.append("a new line")
    if not choices:
        choices = [f"`{kind}`" for kind in sorted(allowed)][:4]
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def help(parser: "Parser", token: Token) -> str:
    """Say what to type."""
    kind, last = token.kind, parser.last
    ends = kind in ("NEWLINE", "}", "$END")
    if parser.accepts("arch"):
        if kind == "import":
            return 'write `from "file.arch" import name`'
        return "a file holds blocks, arches, `let`, `extern` and `from`; stages stand inside a block or arch"
    if last.kind == "LABEL":
        if kind in ("NUMBER", "STRING", "let"):
            return "a label names a stage; a value of your own is `let name = value`"
        if kind == "[" and last.text[:-1].rstrip() in FORMS:
            return FORMS[last.text[:-1].rstrip()]
        ends = ends or kind in ("[", "(", "->")
        return f"a label names the stage on its line: `{last.text} conv(8, 3)`; braces gather several" if ends else ""
    if kind == ":" and last.kind == "NAME" and parser.accepts("->"):
        return "a stage has one label, and it stands before the stage"
    if parser.accepts("LABEL"):
        return _help_stage(parser, token)
    if kind == ":" and last.kind in (")", "]", "}") and parser.accepts("->"):
        return 'a computed label is written `name{expression}:`, one that is no name `"0":`'
    if kind in (".", "-") and last.kind == "NAME" and parser.accepts("->") and (label := _label(parser)):
        return f'a label that is no name is a string, without dots: `"{label}":`'
    if kind == "." and parser.accepts("->"):
        return "stages follow each other with `->`; sizes such as `in.channels` stand in arguments and `let`"
    if kind in OPERATORS and parser.accepts("->"):
        if both := COMBINED.match(parser.source.text, parser.last.start):
            branches = f"{short(both['left'])}; {short(both['right'])}"
            return f"tensors are combined by ops with braces: `{COMBINING[both['sign']]} {{ {branches} }}`"
        return (
            "arithmetic stands in arguments and `let`; tensors are combined by `add`, `mul` and other ops with braces"
        )
    if parser.accepts("NUMBER"):
        if kind in ("for", "if"):
            return "a list is made by `[x for x in xs if c]`, a choice by `a if c else b`"
        if last.kind in FORMS:
            return FORMS[last.kind]
        if kind == ",":
            return "delete it"
        return "write a number, a string, a list, or a name that has a value"
    if parser.accepts("->"):
        return _help_after_stage(parser, token)
    if kind == ";" and parser.accepts(","):
        return "write `,`"
    if parser.accepts("{") and last.kind != "NAME" and not parser.accepts("NEWLINE"):
        return "the body stands in braces: `{ ... }`"
    if parser.accepts("else") and not parser.accepts("NEWLINE"):
        return "a choice has both sides: `a if c else b`"
    if kind == "for" and parser.accepts(")"):
        return "put the list in brackets: `[x for x in xs]`"
    if parser.accepts("STRING") and not parser.accepts("NAME"):
        form = _form(parser)
        return FORMS["from"] if form == "from" else 'write it as `"..."`'
    return FORMS.get(_form(parser), "begin a new line" if parser.accepts("NEWLINE") else "")


def _form(parser: "Parser") -> str:
    """The first word of what is being read, or the `as` at its end."""
    for entry in reversed(parser.stack):
        symbol: str = entry.symbol
        if symbol in FORMS:
            return symbol
        if entry.symbol in ("NEWLINE", "{", "_statements", "_items"):
            break
    return ""


def _label(parser: "Parser") -> str:
    """What stands at the beginning of the line before a colon, where it is meant as a label."""
    found = LABEL_LIKE.match(parser.source.text, parser.last.start)
    return found[1].replace(".", "_") if found else ""


def _help_after_stage(parser: "Parser", token: Token) -> str:
    kind = token.kind
    if kind == ",":
        return (
            "stages follow each other with `->`; branches in braces are separated by `;` or stand on lines of their own"
        )
    if kind in ("NUMBER", "STRING") and parser.last.kind == "NAME":
        return f"arguments stand in parentheses: `{short(parser.last.text)}({short(token.text)})`"
    if kind == "(":
        return "the value flows in from the stage before; its name stands before: `x -> conv(8, 3)`"
    if kind == "[":
        return "arguments stand in parentheses, branches in braces, and a computed label is `name{expression}:`"
    return ""


def _help_stage(parser: "Parser", token: Token) -> str:
    kind = token.kind
    if kind == "else":
        return "`else` follows the `}` of its `if`"
    if kind == "as":
        return "`as` follows what it names: `conv(8, 3) as x`"
    if kind == "->" and parser.last.kind != "->":
        return "a pipeline begins with a stage; `in -> ...` begins with the input of the block"
    if kind == "STRING":
        if parser.lexer.peek().kind == "NAME":
            return f"a label ends with a colon: `{short(token.text)}:`"
        return "a docstring stands first in a file, block or arch; a comment begins with `#`"
    if kind == "NUMBER":
        if parser.lexer.peek().kind == ":":
            return f'a label that is no name is a string: `"{short(token.text)}":`'
        return "a number is no stage: it is given to an op, as in `mul(0.5)`"
    if kind in ("from", "block", "inline", "arch", "extern", "import"):
        return "blocks, arches and imports stand at the level of the file"
    if kind in ("{", "(", "["):
        return "a stage is an op, a block, the name of a value, or statements in braces"
    if parser.last.kind == "->":
        return "write the stage that takes the value, or delete the `->`"
    return "a statement is a pipeline of stages, or begins with a word such as `let` or `input`"
