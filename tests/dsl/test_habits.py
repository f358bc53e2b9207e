"""What people type who come from other languages: one report each, at its place, with what to write instead."""

import pytest

from archc.dsl.parser import parse
from archc.dsl.source import Source

# What stands in an arch, the place of the report, its code, and what its help says.
HABITS = [
    ("relu «=>» gelu", "E0009", "write `->`"),
    ("relu «-->» gelu", "E0009", "write `->`"),
    ("relu «- >» gelu", "E0009", "write `->`"),
    ("relu «>>» gelu", "E0009", "write `->`"),
    ("relu «\u2192» gelu", "E0002", "write `->`"),
    ("relu«,» gelu", "E0005", "stages follow each other with `->`"),
    ("conv «3», 3", "E0005", "arguments stand in parentheses: `conv(3)`"),
    ("conv(3)«(»y)", "E0005", "the value flows in from the stage before"),
    ("conv(3,«,» 3)", "E0005", "delete it"),
    ("conv(3«;» 3)", "E0005", "write `,`"),
    ("conv«[»3]", "E0005", "arguments stand in parentheses"),
    ("«nn.ReLU»()", "E0009", "write the op alone"),
    ("«torch.nn.functional.relu»(x)", "E0009", "write the op alone"),
    ("«self.conv1»(x)", "E0009", "`conv1: conv(8, 3)`"),
    ("«x.view»(3)", "E0009", "write `x -> view`"),
    ("«x.channels»", "E0009", "`conv(in.channels, 3)`"),
    ("«xs.append»(x)", "E0009", "`archc zoo unet`"),
    ("conv(3) as «skip{i}»", "E0005", "only labels compute"),
    ("up(3, «skip{i}»)", "E0005", "only labels compute"),
    ("«self.conv = conv(3)»", "E0009", "`conv: conv(3)`"),
    ("«conv = nn.Conv2d(3, (1, 1))» # ...", "E0009", "`conv: nn.Conv2d(3, (1, 1))`"),
    ("y «=» conv(3)", "E0005", "`conv(3) as y` names the value, and the flow goes on from it"),
    ("y «=» bn(y)", "E0005", "leave out `y =`"),
    ("y «=» conv(3)\n    z = conv(4)", "E0005", "`concat { conv(3); conv(4) }`"),
    ("y «=» conv(3)\n    z = bn(y)", "E0005", "leave out `y =`"),
    ("«y, z» = chunk(2)", "E0005", "`chunk(2) as (y, z)`"),
    ("in «=» relu -> gelu", "E0005", "`in` stays the input of the block"),
    ("add { b «=» conv(3) }", "E0005", "`conv(3) as b` names the value"),
    ("y «\uff1d» 3", "E0002", "write `=`"),
    ("y «=» 2 * 3", "E0005", "write `let y = 2 * 3`"),
    ("y «=» []", "E0005", "lists do not grow"),
    ("y «=» x", "E0005", "`... as y`"),
    ("y «=» in", "E0005", "neither needs a name"),
    ("y «=» y + x", "E0005", "`add { y; x }`"),
    ("y «+=» x", "E0005", "`add { y; x }`"),
    ("y «+» x", "E0005", "`add { y; x }`"),
    ("y «=» x @ z", "E0005", "`matmul { x; z }`"),
    ("identity «=» x", "E0005", "`add { identity; ... }`"),
    ("relu -> fc «=» linear(3)", "E0005", "a label names a layer, `fc: ...`"),
    ("input: «[»3, 4]", "E0005", "`input image: [3, 224, 224]`"),
    ("conv: «(»3, 4)", "E0005", "`conv: conv(8, 3)`"),
    ("for i in xs«:» { relu }", "E0009", "delete the `:`"),
    ("concat(«{» a; b }, dim=1)", "E0005", "`concat { a; b }`"),
    ("let y «:=» 3", "E0005", "write `y = ...`"),
    ("let y«: int» = 3", "E0009", "write `y = ...`"),
    ("«int» y = 3", "E0009", "write `let y = ...`"),
    ("let f = (x) «=>» x", "E0009", "a function of numbers is `let name(parameters) = expression`"),
    ("let y = a «is» none", "E0009", "write `==`"),
    ("let y = a «===» b", "E0009", "write `==`"),
    ("let y = a «<>» b", "E0009", "write `!=`"),
    ("let y = a «^» b", "E0002", "a power is written `**`"),
    ("let y = «{»1: 2}", "E0005", "a list is `[...]`"),
    ("let y = 1«,»000", "E0005", "a name gets a value once"),
    ("let y = «0x10»", "E0002", "numbers are written like"),
    ("let y = «1e»", "E0002", "numbers are written like"),
    ("let «3» = y", "E0005", "a name gets a value once: `let name = value`"),
    ("for i «of» xs { relu }", "E0009", "write `in`"),
    ("for i in range(3)«:»\n        relu", "E0009", "write `{` here"),
    ("repeat «{» relu }", "E0005", "rounds are counted: `repeat 3 { ... }`"),
    ("«while» c { relu }", "E0009", "loops are `for x in list { ... }`"),
    ("«switch» c { relu }", "E0009", "write `if a == 1 { ... }"),
    ("input y «[»3]", "E0005", "write `y: [`"),
    ("input y: «(»3, 32, 32)", "E0005", "sizes in brackets"),
    ("input y: «3x32x32»", "E0002", "`[3, 32, 32]`"),
    ("input y «=» [3, 32, 32]", "E0005", "sizes in brackets"),
    ("input y: «float32»[3]", "E0005", "sizes in brackets"),
    ("output «(»a, b)", "E0005", "`output a, b`"),
    ("output a when «train»", "E0005", "`output a when training`"),
    ("expect params«:» 3", "E0005", "`expect params == 1000`"),
    ("conv(3) as «3»", "E0005", "`... as x`"),
    ("«1»: relu", "E0005", '`"1":`'),
    ("a«.»b: relu", "E0005", '`"a_b":`'),
    ("a«-»b: relu", "E0005", '`"a-b":`'),
    ("a: «3»", "E0005", "`let name = value`"),
    ('«"a"» relu', "E0005", '`"a":`'),
    ("layer(i)«:» relu", "E0005", "`name{expression}:`"),
    ("module t = conv(3) «->» relu", "E0005", "begin a new line"),
    ("module t«:» conv(3)", "E0005", "write `t = ...`"),
    ("init conv «=» zeros", "E0005", "`init conv: kaiming_normal`"),
    ("«'''text'''»", "E0002", 'write `"""text"""`'),
]  # fmt: skip

IN_A_FILE = [
    ('from "x" import «*»', "E0005", 'from "file.arch" import a, b'),
    ('from "x" import a «as» b', "E0005", "they keep their names"),
    ('from "x" import «(»a, b)', "E0005", 'from "file.arch" import a, b'),
    ("from «x» import a", "E0005", 'from "file.arch" import a, b'),
    ('«include» "x"', "E0009", 'from "file.arch" import name'),
    ("block f «c» { relu }", "E0005", "`block name(parameters) { ... }`"),
    ("block «{» relu }", "E0005", "`block name(parameters) { ... }`"),
    ("block f():\n    relu\n".replace(":", "«:»"), "E0009", "write `{` here"),
    ("arch A { relu } «trailing»", "E0005", "begin a new line"),
    ("extern d(c): [C] «=>» [C] = \"a:B\"", "E0009", "write `->`"),
    ("extern d(c) «=» \"a:B\"", "E0005", "write `extern name(parameters): [C, H, W]"),
]  # fmt: skip


def one(text: str, marked: str, code: str, help: str) -> None:
    start = marked.index("«")
    place = marked[start + 1 : marked.index("»")]
    [found] = parse(Source("test.arch", text.replace("«", "").replace("»", ""))).diagnostics
    assert (found.code, found.primary.span.text) == (code, place)
    assert found.primary.span.start == text.index("«")
    assert help in found.help


@pytest.mark.parametrize(("marked", "code", "help"), HABITS, ids=[marked for marked, _, _ in HABITS])
def test_a_habit_in_a_statement(marked: str, code: str, help: str) -> None:
    if marked.startswith("«'''"):
        marked = "let y = " + marked
    one(f"arch A {{\n    before\n    {marked}\n    after\n}}\nblock b {{ gelu }}\n", marked, code, help)


@pytest.mark.parametrize(("marked", "code", "help"), IN_A_FILE, ids=[marked for marked, _, _ in IN_A_FILE])
def test_a_habit_in_a_file(marked: str, code: str, help: str) -> None:
    one(marked, marked, code, help)
