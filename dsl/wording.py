"""What stands in the text and what could stand there, in words a person uses."""

from typing import TYPE_CHECKING

from archc.dsl.lexer import Token

if TYPE_CHECKING:
    from archc.dsl.parser import Parser

# Signs and words worth naming, in the order in which they are named. Operators are not: too many could follow.
NAMED = (",", ")", "]", "}", "{", ":", "=", "->", "as", "import", "in", "else", "block")

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
        return f"a label names the stage on its line: `{last.text} conv(8, 3)`; braces gather several" if ends else ""
    if kind == ":" and last.kind == "NAME" and parser.accepts("->"):
        return "a stage has one label, and it stands before the stage"
    if parser.accepts("LABEL"):
        return _help_stage(parser, token)
    if kind == "." and parser.accepts("->"):
        return "stages follow each other with `->`; sizes such as `in.channels` stand in arguments and `let`"
    if kind in OPERATORS and parser.accepts("->"):
        return (
            "arithmetic stands in arguments and `let`; tensors are combined by `add`, `mul` and other ops with braces"
        )
    if parser.accepts("NUMBER"):
        if kind in ("for", "if"):
            return "a list is made by `[x for x in xs if c]`, a choice by `a if c else b`"
        if kind == "{":
            return "braces hold statements; a list is `[...]`, a tuple `(...)`"
        return "write a number, a string, a list, or a name that has a value"
    if parser.accepts("{"):
        return "the body stands in braces: `{ ... }`"
    if parser.accepts("else") and not parser.accepts("NEWLINE"):
        return "a choice has both sides: `a if c else b`"
    if kind == "for" and parser.accepts(")"):
        return "put the list in brackets: `[x for x in xs]`"
    if parser.accepts("STRING") and not parser.accepts("NAME"):
        return 'write it as `"..."`'
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
        return "a docstring stands first in a file, block or arch; a comment begins with `#`"
    if kind == "NUMBER":
        return "a number is no stage: it is given to an op, as in `mul(0.5)`"
    if kind in ("from", "block", "inline", "arch", "extern", "import"):
        return "blocks, arches and imports stand at the level of the file"
    if kind in ("{", "(", "["):
        return "a stage is an op, a block, the name of a value, or statements in braces"
    if parser.last.kind == "->":
        return "write the stage that takes the value, or delete the `->`"
    return "a statement is a pipeline of stages, or begins with a word such as `let` or `input`"
