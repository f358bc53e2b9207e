"""Characters that are not part of the language: what they are, and what was probably meant."""

import re
import unicodedata
from typing import TYPE_CHECKING

from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.lexer import BLANKS, OPERAND_END, Token
from archc.dsl.source import Span
from archc.dsl.wording import short

if TYPE_CHECKING:
    from archc.dsl.lexer import Lexer

SPACES = re.compile(BLANKS)
LINE = re.compile(r"[^\n]*")
WORD = re.compile(r"\w+")
NUMBER_LIKE = re.compile(r"[\w.]+(?:(?<=\d[eE])[+-]\d*)?")
QUOTED = re.compile(r"'''[^']*+'''|'[^'\n]*'|[“”„«][^“”«»\"\n]*[“”»]|`[^`\n]*`")
SIZES = re.compile(r"[1-9]\d*(?:x[1-9]\d*)+")
QUOTES = frozenset("'`“”„«»’\u2018")

# Letters that look like ASCII ones; fullwidth and accented letters are found by normalisation.
LETTERS = dict(
    zip(
        "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423"
        "\u0425\u0430\u0435\u043e\u0455\u0456\u0458\u0440\u0441\u0443\u0445\u04bb\u0501\u04cf"
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
        "\u03bf\u03bd\u03c1\u03c5"
        "\u0261\u0131",
        "ABESIJKMHOPCTYXaeosijpcyxhdlABEZHIKMNOPTYXovpugi",
        strict=True,
    )
)
SIGNS = {
    "–": "-", "—": "-", "−": "-", "\u2010": "-", "\u2011": "-", "×": "*", "\u2217": "*", "·": "*", "÷": "/",
    "≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "⇒": "->", "&&": "and", "&": "and", "||": "or", "|": "or",
    "!": "not", "¬": "not",
}  # fmt: skip
DOUBLED = frozenset(("&&", "||"))
INVISIBLE = {
    "\x00": "a NUL character",
    "\r": "a carriage return without a line feed",
    "\x0b": "a vertical tab",
    "\x0c": "a form feed",
    "\x1b": "an escape character",
    "\x85": "a NEL line separator",
    "\u2028": "a Unicode line separator",
    "\u2029": "a Unicode paragraph separator",
}


def invisible(span: Span) -> Diagnostic:
    """Return the diagnostic of a character that cannot be seen, wherever it stands."""
    character = span.text[0]
    code = f"U+{ord(character):04X}"
    if character in INVISIBLE:
        what = f"{INVISIBLE[character]} ({code})"
    elif unicodedata.category(character) == "Cf":
        what = f"{code}, which changes the order in which text is shown"
    else:
        what = f"the control character {code}"
    help = "delete it; lines end with a line feed, or a carriage return and a line feed"
    return Diagnostic("E0002", f"the text holds {what}", Label(span, "here"), help=help)


def read(lexer: "Lexer") -> Token | None:
    """Report the text that begins at the lexer's position and is no token; return the token that it stands for.

    None where it stands for nothing, as a strange space does. The lexer's position is set behind it.
    """
    text = lexer.text
    blanks = SPACES.match(text, lexer.position, lexer.end)
    assert blanks is not None
    start = blanks.end()
    character = text[start]
    if character == '"':
        return _unterminated(lexer, start)
    if character in QUOTES:
        return _quoted(lexer, start)
    if character.isdecimal():
        return _number(lexer, start)
    if character == "_" or character.isalpha():
        return _word(lexer, start)
    if unicodedata.category(character) in ("Cf", "Zs", "Mn", "Cc"):
        _space(lexer, start)
        return None
    return _sign(lexer, start)


def _space(lexer: "Lexer", start: int) -> None:
    character = lexer.text[start]
    end = start + 1
    while end < lexer.end and lexer.text[end] == character:
        end += 1
    lexer.position = end
    name = unicodedata.name(character, "a character without a name").lower()
    if character > "\x9f" and character not in "\u2028\u2029":  # others are reported for the whole text
        lexer.report(
            "E0002",
            f"an invisible character: {name} (U+{ord(character):04X})",
            label="here",
            start=start,
            end=end,
            help="replace it by a space",
        )


def _unterminated(lexer: "Lexer", start: int) -> Token:
    text = lexer.text
    if text.startswith('"""', start):
        lexer.position = lexer.end
        lexer.report(
            "E0003",
            'this string is never closed: there is no `"""` after it',
            label="opened here",
            start=start,
            end=start + 3,
            help='end it with `"""`',
        )
        return Token("ERROR", '"""', start, lexer.end)
    closing = text.find('"', start + 1, lexer.end)
    if text.startswith('"""', closing) and text.count('"""', closing, lexer.end) % 2:
        lexer.position = closing + 3
        message = "this text of several lines begins with one quote and ends with three"
        lexer.report("E0003", message, label="opened here", start=start, end=start + 1, help='write `"""`')
        return Token("STRING", '""" """', start, closing + 3)
    found = LINE.match(text, start, lexer.end)
    end = len(found[0].rstrip()) + start if found else lexer.end
    lexer.position = end
    lexer.report(
        "E0003",
        "this string has no closing quote on its line",
        label="opened here",
        start=start,
        end=end,
        help='end it with `"`; a text of several lines stands between `"""` and `"""`',
    )
    return Token("ERROR", "", start, end)


def _quoted(lexer: "Lexer", start: int) -> Token:
    found = QUOTED.match(lexer.text, start, lexer.end)
    if found is None:
        return _sign(lexer, start)
    lexer.position = found.end()
    quotes = 3 if found[0].startswith("'''") else 1
    inside = found[0][quotes:-quotes]
    mark = '"' * quotes
    lexer.report(
        "E0002",
        f"strings stand in double quotes, not `{found[0][0]}`",
        label="not a string",
        start=start,
        end=found.end(),
        help=f"write `{mark}{short(inside)}{mark}`",
    )
    return Token("STRING", mark + inside.replace("\\", "/").replace('"', " ") + mark, start, found.end())


def _number(lexer: "Lexer", start: int) -> Token:
    found = NUMBER_LIKE.match(lexer.text, start, lexer.end)
    assert found is not None
    lexer.position = found.end()
    ascii_only = unicodedata.normalize("NFKC", found[0])
    plain = ascii_only.isascii() and ascii_only.replace("_", "").isdigit() and not found[0].isascii()
    if SIZES.fullmatch(ascii_only):
        sizes = ", ".join(ascii_only.split("x"))
        help = f"sizes stand in brackets: `[{short(sizes)}]`"
    else:
        help = f"write `{short(ascii_only)}`" if plain else "numbers are written like `3`, `1_000`, `0.5` or `1e-5`"
    if not SIZES.fullmatch(ascii_only) and ascii_only[0].isdigit() and any(letter.isalpha() for letter in ascii_only):
        help += "; names begin with a letter"
    lexer.report(
        "E0002",
        f"`{short(found[0])}` is neither a number nor a name",
        label="cannot be read",
        start=start,
        end=found.end(),
        help=help,
    )
    return Token("NUMBER", "1", start, found.end())


def _word(lexer: "Lexer", start: int) -> Token:
    found = WORD.match(lexer.text, start, lexer.end)
    assert found is not None
    lexer.position = found.end()
    word = found[0]
    meant = "".join(LETTERS.get(letter, letter) for letter in unicodedata.normalize("NFKC", word))
    if not meant.isascii():
        decomposed = unicodedata.normalize("NFKD", meant)
        meant = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    first = next((place for place, letter in enumerate(word) if letter > "\x7f"), 0)
    letter = word[first]
    name = unicodedata.name(letter, "a letter without a name").lower()
    if meant.isascii() and meant.isidentifier():
        help = f"write `{short(meant)}` with plain letters"
    else:
        meant = ""
        help = "names are made of the letters a to z and A to Z, digits and `_`"
    lexer.report(
        "E0002",
        f"`{short(word)}` holds `{letter}`, {_a(name)} (U+{ord(letter):04X})",
        label="not a plain letter",
        start=start + first,
        end=start + first + 1,
        help=help,
    )
    if not meant:
        return Token("ERROR", word, start, found.end())
    kind = meant if meant in lexer.patterns.words else "NAME"
    return Token(kind, meant, start, found.end())


def _sign(lexer: "Lexer", start: int) -> Token:
    text = lexer.text
    character = text[start]
    length = 2 if text[start : min(start + 2, lexer.end)] in DOUBLED else 1
    meant = SIGNS.get(text[start : start + length]) or unicodedata.normalize("NFKC", character)
    if meant == "-" and text.startswith(">", start + 1):
        meant, length = "->", 2
    if meant == "not" and lexer.previous.kind in OPERAND_END:
        meant = "!"
    known = meant in lexer.patterns.words or meant in lexer.patterns.signs
    end = start + length
    if not known:
        # A run of the same character is one mistake.
        while end < lexer.end and text[end] == character:
            end += 1
    lexer.position = end
    if character > "\x7f":
        name = unicodedata.name(character, "a character without a name").lower()
        message = f"`{character}` is {_a(name)} (U+{ord(character):04X})"
    else:
        message = f"`{text[start : start + length]}` is not part of the language"
    if known:
        help = f"write `{meant}`"
    elif character == "\\":
        help = "delete it: a line goes on after `->`, `,`, `=` or an operator, and inside `(` and `[`"
    elif character == "@":
        help = "delete it: there are no decorators"
    elif character == "!":
        help = "to compare, write `!=`"
    elif character == "?":
        help = "a choice is written `a if condition else b`"
    elif character == "^":
        help = "a power is written `**`"
    else:
        help = "delete it"
    lexer.report("E0002", message, label="stray", start=start, end=end, help=help)
    return Token(meant if known else "ERROR", meant, start, end)


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
