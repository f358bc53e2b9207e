"""What strings and labels say: escapes, and the expressions in their braces."""

import re
from typing import TYPE_CHECKING

from archc.dsl import ast
from archc.dsl.lexer import Token

if TYPE_CHECKING:
    from archc.dsl.builder import Builder

ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|[\s\S]?)")
ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", '"': '"'}
PART = re.compile(r'\{\{|\}\}|\{(?P<expression>(?:[^{}"]++|"[^"\n]*+")*+)\}|[{}]|[^{}]++')


def plain(builder: "Builder", token: Token) -> str:
    """Return the value of a STRING."""
    quotes = _quotes(token)
    return _unescaped(builder, token.text[quotes : len(token.text) - quotes], token.start + quotes)


def template(builder: "Builder", token: Token) -> ast.Template:
    """Return the parts of a STRING, LABEL or TEMPLATE: its text, and the expressions in braces.

    `{{` and `}}` stand for one brace. The parts of text are never empty.
    """
    quotes = _quotes(token)
    first = token.start + quotes
    parts: list[str | ast.Expression] = []
    for found in PART.finditer(token.text, quotes, len(token.text) - quotes):
        start = found.start() - quotes + first
        end = found.end() - quotes + first
        text = found[0]
        if found["expression"] is not None:
            if found["expression"].isspace() or not found["expression"]:
                builder.report(
                    "E0008",
                    "there is no expression between these braces",
                    label="empty",
                    start=start,
                    end=end,
                    help="write one, as in `{i + 1}`; `{{` and `}}` write braces",
                )
            elif (expression := builder.parse_inside(start + 1, end - 1)) is not None:
                parts.append(expression)
            continue
        if text in ("{", "}"):
            builder.report(
                "E0008",
                f"this `{text}` has no partner",
                label="a brace alone",
                start=start,
                end=end,
                help=f"write `{text * 2}` for a brace in the text",
            )
        elif text in ("{{", "}}"):
            text = text[0]
        elif quotes:
            text = _unescaped(builder, text, start)
        if parts and isinstance(parts[-1], str):
            parts[-1] += text
        else:
            parts.append(text)
    return ast.Template(tuple(parts), builder.span(token.start, token.end))


def _quotes(token: Token) -> int:
    if not token.text.startswith('"'):
        return 0
    return 3 if token.text.startswith('"""') else 1


def _unescaped(builder: "Builder", text: str, start: int) -> str:
    if "\\" not in text:
        return text

    def character(found: re.Match[str]) -> str:
        escape = found[1]
        if escape in ESCAPES:
            return ESCAPES[escape]
        if len(escape) == 5 and not 0xD800 <= int(escape[1:], 16) < 0xE000:
            return chr(int(escape[1:], 16))
        builder.report(
            "E0008",
            f"`{found[0]}` means nothing in a string",
            label="unknown escape",
            start=start + found.start(),
            end=start + found.end(),
            help='known are `\\n`, `\\t`, `\\"`, `\\\\` and `\\u` with four hexadecimal digits; a backslash is `\\\\`',
        )
        return found[0]

    return ESCAPE.sub(character, text)
