"""Wrong text: one mistake makes one diagnostic, at its place, and the rest of the text is read."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.dsl.lexer import MOST_MISTAKES
from archc.dsl.parser import parse
from archc.dsl.render import render_json, render_text
from archc.dsl.source import Source
from tests.dsl.trees import nodes

ARCHS = Path(__file__).parents[2] / "archs"
NETWORKS = {
    name: (ARCHS / name).read_text("utf-8") for name in ("resnet.arch", "densenet.arch", "unet.arch", "vgg.arch")
}


def mistakes(text: str) -> list[tuple[str, str, str]]:
    _, diagnostics = parse(Source("test.arch", text))
    return [(found.code, found.primary.span.text, found.message) for found in diagnostics]


# What stands in a block, with the marked place in « »; the code; the message.
IN_A_BLOCK = [
    # brackets
    ("conv«(»3\nrelu", "E0004", "this `(` is never closed: line 3 begins a new statement and it is still open"),
    ("conv«(»3\n-> relu", "E0004", "this `(` is never closed: the `->` of line 3 comes first"),
    ("conv«(»3 -> relu", "E0004", "this `(` is never closed: the `->` of line 2 comes first"),
    ("if f«(»x { relu }", "E0004", "this `(` is never closed: the `{` of line 2 comes first"),
    ("let x = «[»1, 2\nrelu", "E0004", "this `[` is never closed: line 3 begins a new statement and it is still open"),
    ("conv(3)«)»", "E0004", "this `)` closes nothing: no `(` is open"),
    ("relu«]»", "E0004", "this `]` closes nothing: no `[` is open"),
    ("conv(3«]»", "E0004", "`]` does not close `(`"),
    ("conv(3«]», 4)", "E0004", "this `]` closes nothing: no `[` is open"),
    ("conv(«[»3)", "E0004", "this `[` is never closed: the `)` comes first"),
    ("add { conv«(»3 }", "E0004", "this `(` is never closed: the `}` of line 2 comes first"),
    ("for x in xs«»\n    relu\n}", "E0004", "expected `{` at the end of this line: the `}` that ends it stands below"),
    ("repeat 2 «relu» }", "E0005", "expected `{` before the name `relu`"),
    ("layer«{»i + 1: conv(3)", "E0004", "this `{` is not closed before the `:` of the label"),
    ("layer i«}»: conv(3)", "E0004", "this `}` closes nothing: the label has no `{`"),
    ("if c\n«{» relu }", "E0005", "`{` stands on the line of what it belongs to"),
    ("f([a«)» for x in xs])", "E0004", "this `)` closes nothing: no `(` is open"),
    ("let x = [(a)«)» / b for x in xs]", "E0004", "this `)` closes nothing: no `(` is open"),
    ("f(a.b0«]» // 2, (c, d))", "E0004", "this `]` closes nothing: no `[` is open"),
    ("l{i + 1}«}»: relu", "E0004", "this `}` closes nothing: the label has one `{`"),
    (
        "if a {\n    add «{» b; c\n} else {\n    d\n}",
        "E0004",
        "this `{` is never closed: the `else` of line 4 comes first",
    ),
    ("conv(«->» 3)", "E0005", "`->` leads from stage to stage; these are arguments"),
    ("concat(«{» a; b })", "E0005", "branches stand in braces alone"),
    ("if a - «{» l{i}: relu }", "E0005", "expected a value, found `{`"),
    # commas, equals signs, colons
    ("conv(3 «3»)", "E0005", "expected `,` before the number `3`"),
    ("conv(\n3\n«k»=3\n)", "E0005", "expected `,` before the name `k`"),
    ("let x = [1 «2», 3]", "E0005", "expected `,` before the number `2`"),
    ("output a «b»", "E0005", "expected `,` before the name `b`"),
    ('require a «"b"»', "E0005", "expected `,` before a string"),
    ("let x «3»", "E0005", "expected `=` before the number `3`"),
    ("let x «x» = 3", "E0005", "expected `=`, found the name `x`"),
    ("let x «==» 3", "E0005", "`==` compares; a value is given with `=`"),
    ("if x «=» 3 { relu }", "E0005", "`=` gives a value; `==` compares"),
    ("x «=» 3", "E0005", "`x =` binds nothing without `let`"),
    ("conv(a.b «=» 3)", "E0005", "only a plain name can stand before the `=` of an argument"),
    ("conv(3, stride«:» 2)", "E0005", "the argument `stride` gets its value with `=`"),
    ("input x «[»3]", "E0005", "expected `:` before `[`"),
    ("init conv «zeros»", "E0005", "expected `:` before the name `zeros`"),
    ("module a «b»", "E0005", "expected `=` before the name `b`"),
    ("for x «xs» { relu }", "E0005", "expected `in` before the name `xs`"),
    ("repeat 2 «i» { relu }", "E0005", "expected `as` before the name `i`"),
    ("if a { relu } «elif» b { relu }", "E0009", "there is no `elif` in this language"),
    ("for «i, x» in xs { relu }", "E0005", "several names after `for` stand in parentheses"),
    ("chunk(2) as «a, b»", "E0005", "several names after `as` stand in parentheses"),
    ("let x «min»(3, 4)", "E0005", "expected `=` before the name `min`"),
    ("module a «a» = conv(3)", "E0005", "expected `=`, found the name `a`"),
    ("module a «conv»(3)", "E0005", "expected `=` before the name `conv`"),
    ("expect output «output» == [3]", "E0005", "the word `output` stands here twice"),
    ("let x = [a «a» for a in xs]", "E0005", "the name `a` stands here twice"),
    ("let x = (1 «a» else 2)", "E0005", "expected `if` before the name `a`"),
    ("f(xs«:»])", "E0005", "expected `,`, `)` or `=`, found `:`"),
    ("let x = «1e-»", "E0002", "`1e-` is neither a number nor a name"),
    # statements and stages
    ("relu «relu» relu", "E0005", "expected `->`, a new line or `;` before the name `relu`"),
    ("a: «let» y = 3", "E0005", "expected a stage, found the word `let`"),
    ("relu «relu»", "E0005", "expected `->`, a new line or `;` before the name `relu`"),
    ("conv(3)«.»relu()", "E0005", "expected `->`, `as` or a new line, found `.`"),
    ("x «+» 1", "E0005", "expected `->`, `as` or a new line, found `+`"),
    ("«->» relu", "E0005", "expected a statement or `}`, found `->`"),
    ("relu -> «3»", "E0005", "expected a stage, found the number `3`"),
    ("relu; «\"text\"»", "E0005", "expected a statement or `}`, found a string"),
    ("relu; «else» { relu }", "E0005", "expected a statement or `}`, found the word `else`"),
    ("a: b«:» relu", "E0005", "expected `->`, `as` or a new line, found `:`"),
    ("a:«»", "E0005", "expected a stage, found the end of the line"),
    ("«{i + 1}:» relu", "E0005", "a label begins with a letter or is a string"),
    ("let x = «for»", "E0005", "expected a value, found the word `for`"),
    ("let x =«»\nlet y = 3", "E0005", "expected a value, found the end of the line"),
    ("relu ->«»\nlet y = 3", "E0005", "expected a stage, found the end of the line"),
    ("let x =«;»", "E0005", "expected a value, found `;`"),
    ("let «repeat» = 3", "E0110", "`repeat` is a word of the language and cannot be a name"),
    ("conv(3) as «identity»", "E0110", "`identity` is a stage of the language and cannot be a name"),
    ("let (a, «identity») = xs", "E0110", "`identity` is a stage of the language and cannot be a name"),
    ("for «identity» in xs { relu }", "E0110", "`identity` is a stage of the language and cannot be a name"),
    ("repeat 2 as «identity» { relu }", "E0110", "`identity` is a stage of the language and cannot be a name"),
    ("let x = [i for «identity» in xs]", "E0110", "`identity` is a stage of the language and cannot be a name"),
    ("module «identity» = relu", "E0110", "`identity` is a stage of the language and cannot be a name"),
    ("for «in» in xs { relu }", "E0110", "`in` is a stage of the language and cannot be a name"),
    ("for «in» xs { relu }", "E0005", "expected a name before `in`"),
    ("let x = [i for «in» xs]", "E0005", "expected a name before `in`"),
    ("let «let» x = 3", "E0005", "expected a name, found the word `let`"),
    ("    «block» b { relu }", "E0005", "expected a statement or `}`, found the word `block`"),
    # characters
    ("relu «$» gelu", "E0002", "`$` is not part of the language"),
    ("relu «???»", "E0002", "`?` is not part of the language"),
    ("if a «&&» b { relu }", "E0002", "`&&` is not part of the language"),
    ("if «!»a { relu }", "E0002", "`!` is not part of the language"),
    ("if a «!» 3 { relu }", "E0002", "`!` is not part of the language"),
    ("conv(3 «\u2013» 1)", "E0002", "`\u2013` is an en dash (U+2013)"),
    ("relu «\u2013>» relu", "E0002", "`\u2013` is an en dash (U+2013)"),
    ("conv«\uff08»3)", "E0002", "`\uff08` is a fullwidth left parenthesis (U+FF08)"),
    ("«\u0441»onv(3)", "E0002", "`\u0441onv` holds `\u0441`, a cyrillic small letter es (U+0441)"),
    ("c«\u043e»nv(3)", "E0002", "`c\u043env` holds `\u043e`, a cyrillic small letter o (U+043E)"),
    ("«\uff52»elu", "E0002", "`\uff52elu` holds `\uff52`, a fullwidth latin small letter r (U+FF52)"),
    ("gr«\u00f6»sse", "E0002", "`gr\u00f6sse` holds `\u00f6`, a latin small letter o with diaeresis (U+00F6)"),
    ("conv(«\u0663»)", "E0002", "`\u0663` is neither a number nor a name"),
    ("conv(«3x», 3)", "E0002", "`3x` is neither a number nor a name"),
    ("conv(«1__0»)", "E0002", "`1__0` is neither a number nor a name"),
    ("relu«\u00a0»-> relu", "E0002", "an invisible character: no-break space (U+00A0)"),
    ("relu «\x0c»-> relu", "E0002", "the text holds a form feed (U+000C)"),
    ("relu # «\u202e»", "E0002", "the text holds U+202E, which changes the order in which text is shown"),
    ("relu«\r»-> relu", "E0002", "the text holds a carriage return without a line feed (U+000D)"),
    # strings and numbers
    ('conv(3, padding=«"same)»', "E0003", "this string has no closing quote on its line"),
    ("conv(3, padding=«'same'»)", "E0002", "strings stand in double quotes, not `'`"),
    ("conv(3, padding=«\u201csame\u201d»)", "E0002", "strings stand in double quotes, not `\u201c`"),
    ('let x = "a«\\q»"', "E0008", "`\\q` means nothing in a string"),
    ('let x = "«\\ud800»"', "E0008", "`\\ud800` means nothing in a string"),
    ('require a, "n is «{}»"', "E0008", "there is no expression between these braces"),
    ('require a, "n is «{»n"', "E0008", "this `{` has no partner"),
    ('require a, "n is {n +«»}"', "E0005", "expected a value, found the end of the text"),
    ("l{i «i»}: relu", "E0005", "the name `i` stands here twice"),
    ("l{i «j»}: relu", "E0005", "expected the end of the expression, found the name `j`"),
    ("expect a «a» == 3", "E0005", "the name `a` stands here twice"),
    # other languages
    ("relu «// a comment»", "E0009", "`//` begins no comment"),
    ("let x = 3 «// the» width", "E0009", "`//` divides; it begins no comment"),
    ("«/* a\ncomment */»", "E0009", "`/*` begins no comment"),
    ("if x > 0«:»\n    relu", "E0009", "a body stands in braces, not after `:`"),
    ("else«:»\n    relu", "E0009", "a body stands in braces, not after `:`"),
    ("conv(3, bias=«False»)", "E0009", "there is no `False` in this language"),
    ("let x = «None»", "E0009", "there is no `None` in this language"),
    ("«return» x", "E0009", "there is no `return` in this language"),
]  # fmt: skip


@pytest.mark.parametrize(("marked", "code", "message"), IN_A_BLOCK, ids=[marked for marked, _, _ in IN_A_BLOCK])
def test_one_mistake_in_a_block(marked: str, code: str, message: str) -> None:
    """The blocks around the mistake and the statements before and after it are read."""
    marked = "    " + marked.replace("\n", "\n    ")
    inside = marked.replace("«", "").replace("»", "")
    text = f"block before {{ relu }}\nblock test {{\n{inside}\n    last\n}}\nblock after {{ gelu }}\n"
    place = re.search("«(.*?)»", marked, re.DOTALL)
    assert place is not None
    file, diagnostics = parse(Source("test.arch", text.replace("block before { relu }\n", "", 1)))
    [found] = diagnostics
    assert (found.code, found.message) == (code, message)
    assert found.primary.span.text.startswith(place[1]) if "divides" in message else found.primary.span.text == place[1]
    assert found.primary.span.start == len("block test {\n") + marked.index("«")
    assert found.primary.text
    names = {node.text for node in nodes(file.items) if type(node).__name__ == "Name"}
    assert {"last", "after", "gelu"} <= names


IN_A_FILE = [
    (
        "block a «{»\n    relu\n\nblock b { relu }",
        "E0004",
        "this `{` is never closed: `block` begins on line 4 and it is still open",
    ),
    (
        "block a {\n    add «{»\n        relu\n    relu\n}",
        "E0004",
        "this `{` is never closed: the file ends and it is still open",
    ),
    (
        "block a {\n    relu\n    «}»\n    relu\n}\nblock b { relu }",
        "E0004",
        "this `}` ends the block or arch, but the lines after it are indented as if they were in it",
    ),
    ("block a { relu }\n«}»", "E0004", "this `}` closes nothing: no `{` is open"),
    (
        "let x = «(»1,\n\nblock b { relu }",
        "E0004",
        "this `(` is never closed: `block` begins on line 3 and it is still open",
    ),
    ("block a\n«{»\n    relu\n}", "E0005", "`{` stands on the line of what it belongs to"),
    ("«def» f(x):\n    return x\n\nblock b { relu }", "E0009", "there is no `def` in this language"),
    ("«class» Net(Module):\n    def f(x):\n        return x\n\n", "E0009", "there is no `class` in this language"),
    ("«import» torch", "E0005", "expected `block`, `arch`, `let`, `extern` or `from`, found the word `import`"),
    ('from "a.arch" «b»', "E0005", "expected `import` before the name `b`"),
    ("from «a» import b", "E0005", "expected a string in double quotes, found the name `a`"),
    ("«relu»", "E0005", "expected `block`, `arch`, `let`, `extern` or `from`, found the name `relu`"),
    ("block «repeat»(n) { relu }", "E0110", "`repeat` is a word of the language and cannot be a name"),
    ("block a(«in») { relu }", "E0110", "`in` is a stage of the language and cannot be a name"),
    ("arch A «B» { relu }", "E0005", "expected `=`, found the name `B`"),
    ("arch A = B { «relu» }", "E0005", "`arch A = B` gives another arch a name; its braces hold only claims"),
    ("arch A «extends» B", "E0005", "expected `=`, found the name `extends`"),
    ("arch A «extends» B {\n    relu\n}", "E0005", "expected `=`, found the name `extends`"),
    (
        "arch A = B(\n    1\n)«»\n    expect params == 3\n}",
        "E0004",
        "expected `{` at the end of this line: the claims of the arch follow",
    ),
    (
        "arch A = B «{» {\n    expect params == 3\n}",
        "E0004",
        "this `{` is never closed: the file ends and it is still open",
    ),
    (
        "block a {\n    add { b; c } «}» -> relu\n    gelu\n}\nblock d { relu }",
        "E0004",
        "this `}` ends the block or arch, and `->` follows",
    ),
    (
        "«\"»a docstring\n\nof lines: three.\n\"\"\"\nblock a { relu }",
        "E0003",
        "this text of several lines begins with one quote and ends with three",
    ),
    ("arch A(x) «B»(x)", "E0005", "expected `=` before the name `B`"),
    ('let x = 1\n«"""»text', "E0003", 'this string is never closed: there is no `"""` after it'),
    ("let x = 1\n«\x00»", "E0002", "the text holds a NUL character (U+0000)"),
    ("let x = 1«\u2028»", "E0002", "the text holds a Unicode line separator (U+2028)"),
    ("let x = «»", "E0005", "expected a value, found the end of the text"),
]  # fmt: skip


@pytest.mark.parametrize(("marked", "code", "message"), IN_A_FILE, ids=[marked for marked, _, _ in IN_A_FILE])
def test_one_mistake_in_a_file(marked: str, code: str, message: str) -> None:
    place = re.search("«(.*?)»", marked)
    assert place is not None
    text = marked.replace("«", "").replace("»", "")
    assert mistakes(text) == [(code, place[1], message)]
    assert parse(Source("test.arch", text)).diagnostics[0].primary.span.start in (
        marked.index("«"),
        marked.index("«") - 1,
    )


def test_several_mistakes_are_found_in_one_run() -> None:
    text = (
        "let a 1\n"
        "block b(in) {\n"
        "    conv(3 3)\n"
        "    for i, x in xs {\n"
        "        relu)\n"
        "    }\n"
        "    let x == 3\n"
        "    conv(3, padding='same')\n"
        "}\n"
        "arch C {\n"
        "    input image [3]\n"
        "    relu $\n"
        "}\n"
    )
    found = [diagnostic.primary.span.line for diagnostic in parse(Source("test.arch", text)).diagnostics]
    assert found == [1, 2, 3, 4, 5, 7, 8, 11, 12]


@pytest.mark.parametrize("name", ["resnet.arch", "unet.arch"])
def test_a_token_too_many_or_too_few_does_not_cascade(name: str) -> None:
    """Each token of a real network is left out, then doubled: three diagnostics at most, one nearly always."""
    text = re.sub("#.*", "", NETWORKS[name])
    counts = []
    for found in re.finditer(r'"[^"\n]*"|->|\*\*|//|[A-Za-z_]\w*|\d+|[^\s\w"]', text):
        start, end = found.span()
        for changed in (text[:start] + text[end:], f"{text[:end]} {text[start:]}"):
            counts.append(len(parse(Source(name, changed)).diagnostics))
    assert max(counts) <= 3
    assert sum(count > 1 for count in counts) <= len(counts) / 50


def test_reading_stops_after_many_mistakes() -> None:
    found = mistakes("block a {\n" + "relu)\n" * 1000 + "}")
    assert len(found) == MOST_MISTAKES + 1
    assert found[-1][2] == f"this text has more than {MOST_MISTAKES} mistakes; it is not read further"


PIECES = {piece for text in NETWORKS.values() for piece in re.findall(r"\w+|[^\w\s]|\n", text)}
ODD = [
    "\n",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "->",
    '"',
    '"""',
    "'",
    ":",
    "=",
    "//",
    "`",
    "elif",
    "def",
    "\u201c",
    "\u0441",
]
INVISIBLE = ["\x00", "\r", "\u2028", "\u00a0", "\ufeff"]
pieces = st.sampled_from([*sorted(PIECES), *ODD, *ODD, *INVISIBLE])


@given(
    st.sampled_from(sorted(NETWORKS.values())),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 20), pieces), min_size=1, max_size=8),
)
def test_any_text_ends_in_a_tree_or_in_diagnostics(text: str, edits: list[tuple[int, int, str]]) -> None:
    for place, length, piece in edits:
        text = text[:place] + piece + text[place + length :]
    source = Source("test.arch", text)
    file, diagnostics = parse(source)
    assert file.items or diagnostics or not re.sub(r'#.*|"""[\s\S]*"""', "", text).strip(" \t\r\n;")
    places = [found.primary.span for found in diagnostics]
    assert all(0 <= span.start <= span.end <= len(text) for span in places)
    assert [span.start for span in places] == sorted({span.start for span in places})
    assert len(render_json(diagnostics)) == len(diagnostics)
    assert render_text(diagnostics, width=80).isprintable() or "\n" in render_text(diagnostics, width=80)
    if not diagnostics:
        for node in nodes(file.items):
            assert node.span.text
