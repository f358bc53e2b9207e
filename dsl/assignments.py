"""`x = conv(16, 3)`, as in Python: what such a line means here depends on what stands after the `=`."""

import re
from typing import TYPE_CHECKING

from archc.dsl.diagnostics import MOST_RELATED, Label
from archc.dsl.dotted import LAYER as ASSIGNED
from archc.dsl.dotted import declared
from archc.dsl.lexer import Token
from archc.dsl.mistakes import begins_statement, report
from archc.dsl.source import Span
from archc.dsl.wording import COMBINED, COMBINING, PREFIXES, short

if TYPE_CHECKING:
    from archc.dsl.parser import Parser

# One line: its indent, the name, what it becomes.
LINE = re.compile(
    r"(?P<indent>[ \t]*)(?P<name>[A-Za-z_]\w*)[ \t]*(?P<sign>=)(?!=)[ \t]*(?P<value>(?:\{[^{}\n]*\}|[^\n#;{}])*)"
)
LAYER = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*\(|[A-Za-z_]\w*[ \t]*->")
SEVERAL = re.compile(r"(?P<names>[A-Za-z_]\w*(?:[ \t]*,[ \t]*[A-Za-z_]\w*)+)[ \t]*=(?!=)[ \t]*(?P<value>[^\n#;{}]*)")
NAME = re.compile(r"[A-Za-z_]\w*")
FUNCTIONS = frozenset(("len", "range", "sum", "min", "max", "int", "round", "list", "zip", "reversed", "abs", "sqrt"))
INPUT = re.compile(r"[{;\n][ \t]*input[ \t]+([A-Za-z_]\w*)")


def assignment(parser: "Parser", token: Token) -> Token | None:
    """`x = ...` and `x += ...` without `let`; several such lines of layers one below the other are one mistake."""
    from archc.dsl.recovery import skip

    last, text = parser.last, parser.source.text
    added = token.kind in COMBINING and text.startswith("=", token.end)
    if token.kind == "," and parser.accepts("->") and (several := SEVERAL.match(text, last.start)):
        help = f"several values are named after `as`: `{short(several['value'].strip())} as ({several['names']})`"
        place = token._replace(start=several.start(), end=several.end("names"))
        report(parser, "E0005", f"`{several['names']} =` binds nothing", place, label="no names yet", help=help)
        return skip(parser, token)
    if not (token.kind == "=" or added) or last.kind not in ("NAME", "in") or not parser.accepts("->"):
        return None
    if not begins_statement(parser, last):
        if added:
            return None
        help = f"a label names a layer, `{last.text}: ...`; `as {last.text}` at the end of the statement its value"
        message = f"`{last.text} =` names no stage"
        report(parser, "E0005", message, token, label="expected `:`", help=help)
        return skip(parser, token)
    if any(label.span.start == token.start for found in parser.diagnostics[-1:] for label in found.related):
        return skip(parser, token)  # reported with the line before
    assigned = ASSIGNED.match(text, last.end)
    if assigned and "." in assigned["layer"] and assigned["layer"].split(".")[0] in PREFIXES:
        declared(parser, last, last.text, assigned)
        return skip(parser, token)
    if added:
        right = _value(text, token.end + 1)
        help = f"tensors are combined by ops with braces: `{COMBINING[token.kind]} {{ {last.text}; {right} }}`"
        sign = token._replace(end=token.end + 1)
        report(parser, "E0005", f"`{last.text} {token.kind}=` changes nothing", sign, label="no operator", help=help)
        return skip(parser, token)
    lines = _lines(parser, last)
    related = tuple(Label(Span(parser.source, start, start + 1), "and here") for start, _, _ in lines[1:])
    message = f"`{last.text} =` binds nothing without `let`"
    help = _help(parser, last.text, [(name, value) for _, name, value in lines])
    label = "a layer is no number" if _is_layer(lines[0][2]) else "expected `let`"
    report(parser, "E0005", message, token, label=label, help=help, related=related[: MOST_RELATED - 1])
    return skip(parser, token)


def _lines(parser: "Parser", name: Token) -> list[tuple[int, str, str]]:
    """This assignment and, where they are of layers, those right below it: the place of `=`, the name, the value."""
    text = parser.source.text
    found = LINE.match(text, name.start)
    if found is None:  # a comment of another language, or a sign that only looks like `=`
        return [(name.start, name.text, "")]
    indent = text[text.rfind("\n", 0, name.start) + 1 : name.start]
    lines = [(found.start("sign"), found["name"], found["value"].rstrip())]
    while _is_layer(found["value"]) and text.startswith("\n", found.end()) and not indent.strip():
        below = LINE.match(text, found.end() + 1)
        if below is None or below["indent"] != indent or not _is_layer(below["value"]):
            break
        found = below
        lines.append((found.start("sign"), found["name"], found["value"].rstrip()))
    return lines


def _is_layer(value: str) -> bool:
    called = LAYER.match(value)
    return called is not None and called[0].rstrip("(") not in FUNCTIONS


def _value(text: str, start: int) -> str:
    found = re.compile(r"[ \t]*([^\n#;}]*)").match(text, start)
    return short(found[1].strip()) if found and found[1].strip() else "..."


def _help(parser: "Parser", name: str, lines: list[tuple[str, str]]) -> str:
    value = lines[0][1].strip()
    combined = COMBINED.fullmatch(value)
    if name == "identity":
        return "`identity` is already there inside braces: `add { identity; ... }`; or name the value `as shortcut`"
    if name == "in":
        return "`in` stays the input of the block: name the value otherwise, `... as x`"
    if combined:
        branches = f"{combined['left']}; {combined['right']}"
        help = f"tensors are combined by ops with braces: `{COMBINING[combined['sign']]} {{ {branches} }}`"
        # `x = x + y` cannot be meant for numbers: a name keeps its value.
        alone = name in (combined["left"], combined["right"]) or combined["sign"] == "@"
        return help if alone else f"{help}; numbers: `let {name} = {short(value)}`"
    if value == "[]":
        return (
            "lists do not grow: `let xs = [...]` holds numbers, and values are named one by one, `as skip1`; "
            "for a depth that varies a block uses itself, as `archc zoo unet` shows"
        )
    if value in ("in", "identity") or (NAME.fullmatch(value) and value not in ("true", "false", "none")):
        if value in ("in", "identity"):
            return "`identity` is the value before the braces, `in` the input of the block: neither needs a name"
        return f"a value is named where it is made, `... as {name}`; a number or list: `let {name} = {value}`"
    if not _is_layer(value):
        return f"write `let {name} = {short(value)}`" if value and "=" not in value else f"write `let {name} = ...`"
    names = [each for each, _ in lines]
    mentioned = [set(NAME.findall(each)) for _, each in lines]
    chained = any(not mentioned[number].isdisjoint(names[:number]) for number in range(1, len(lines)))
    start = _input(parser)
    if name == start or name in mentioned[0] or chained or len(set(names)) < len(names):
        first = rf"\([ \t]*(?:{'|'.join(names)})[ \t]*(?:,[ \t]*|(?P<only>\)))"  # the value flows in by itself
        stage = re.sub(first, lambda found: "" if found["only"] else "(", value)
        return (
            f"leave out `{name} =`: a statement takes the value that the one before leaves, `{short(stage)}`; "
            "a value that is used again gets a name, `... as y`"
        )
    if len(lines) > 1:
        branches = "; ".join(short(each) for _, each in lines[:2]) + ("; ..." if len(lines) > 2 else "")
        return (
            f"branches from one value stand in braces, `concat {{ {branches} }}`; layers in a row need no names; "
            f"`... as {name}` names a value, and the flow goes on from it"
        )
    begins = f"`{start} -> ...`" if start else "`in -> ...`"
    return (
        f"`{short(value)} as {name}` names the value, and the flow goes on from it: another branch begins with "
        f"{begins} or the name of a value; a number or list: `let {name} = ...`"
    )


def _input(parser: "Parser") -> str:
    """The first input of the block or arch that is being read; nothing where its input has no name."""
    start = next((entry.start for entry in parser.stack if entry.symbol in ("arch", "block")), -1)
    found = INPUT.search(parser.source.text, start, parser.last.end) if start >= 0 else None
    return found[1] if found else ""
