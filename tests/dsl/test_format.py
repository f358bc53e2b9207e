"""The printer of the language: what it writes, and that it changes nothing else."""

import ast as python
import random
from functools import cache
from pathlib import Path

import pytest

from archc.dsl import format as printer
from archc.dsl.diagnostics import ArchError
from archc.dsl.format import formatted, same_tree
from archc.dsl.lexer import CLOSER, Lexer, Patterns
from archc.dsl.parser import parse
from archc.dsl.source import Source
from archc.dsl.tables import load

ROOT = Path(__file__).parents[2]
ARCHS = sorted((ROOT / "archs").rglob("*.arch"))
FILES = [*ARCHS, *sorted((ROOT / "tests").rglob("*.arch"))]
LONG = "a_rather_longer_name_x"


def fmt(text: str) -> str:
    return formatted(Source("test.arch", text))


def body(text: str) -> str:
    """The statements of a block, formatted, without their indent."""
    lines = fmt(f"block b {{\n{text}\n}}").splitlines()
    assert (lines[0], lines[-1]) == ("block b {", "}")
    return "\n".join(line.removeprefix("    ") for line in lines[1:-1])


@cache
def snippets() -> tuple[str, ...]:
    """Texts without mistakes: files of the repository, and the strings of the parser's tests that are such texts."""
    found = [path.read_bytes().decode("utf-8", "replace") for path in FILES]
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in python.walk(python.parse(path.read_text("utf-8"))):
            if isinstance(node, python.Constant) and isinstance(node.value, str) and len(node.value) < 2000:
                found += [node.value, f"block b {{\n{node.value}\n}}", f"let x = {node.value}"]
    visible = [text for text in dict.fromkeys(found) if text.replace("\n", "").isprintable()]
    return tuple(text for text in visible if not parse(Source("test.arch", text)).diagnostics)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("\n\n  # alone\n\n\n", "# alone\n"),
        ("let  n=3;let m = 4", "let n = 3\nlet m = 4\n"),
        ("let n = 11_689_512 * 1e-5 + .5", "let n = 11_689_512 * 1e-5 + .5\n"),
        ("let n = ((a+b))*-c**- 2 // d[ 1 : -1 ]", "let n = ((a + b)) * -c ** -2 // d[1:-1]\n"),
        ("let n = not(a) and b not  in[1] or-c<2", "let n = not (a) and b not in [1] or -c < 2\n"),
        ("let n = [ x for(i,x)in xs if x!=2 ]", "let n = [x for (i, x) in xs if x != 2]\n"),
        ("let n = f (a) [0] .b", "let n = f(a)[0].b\n"),
        ("let n = 1 .b", "let n = 1 .b\n"),
        ("let (a,(b ,))=( 1, (2,) )", "let (a, (b,)) = (1, (2,))\n"),
        ("let f(a,b:int=1)=a", "let f(a, b: int = 1) = a\n"),
        ('from  "x.arch"  import a,b', 'from "x.arch" import a, b\n'),
        ("inline  block a( ) { }", "inline block a() { }\n"),
        ("block a {\n}", "block a { }\n"),
        ("arch A(n=3)=B(n=n,  m = 2 if n else 1){expect params==1}",
         "arch A(n = 3) = B(n=n, m = 2 if n else 1) { expect params == 1 }\n"),
        ('extern f(k):[C ,H],[]->[k]="p:C"', 'extern f(k): [C, H], [] -> [k] = "p:C"\n'),
        ('"""Doc\n  as  it is."""\nlet n = 3', '"""Doc\n  as  it is."""\n\nlet n = 3\n'),
        ("block a {\nx\n}\nblock c {\ny\n}\n# d\nlet e = 1",
         "block a {\n    x\n}\n\nblock c {\n    y\n}\n\n# d\nlet e = 1\n"),
        ("\n\nlet a = 1\n\n\n\nlet b = 2\nlet c = 3\n\n", "let a = 1\n\nlet b = 2\nlet c = 3\n"),
        ("\r\nlet a = 1 # x\r\n\r\n\r\nlet b = 2\r\n", "let a = 1  # x\n\nlet b = 2\n"),
        ("\ufefflet a=1", "let a = 1\n"),
    ],
)  # fmt: skip
def test_files(before: str, after: str) -> None:
    assert fmt(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("conv( 3,stride = 2 )->relu", "conv(3, stride=2) -> relu"),
        ("conv(6, 5)    -> relu\nlinear(120)   -> relu", "conv(6, 5) -> relu\nlinear(120) -> relu"),
        ("conv(3)\n  -> relu\n\n  -> gelu as x", "conv(3) -> relu -> gelu as x"),
        ("a :b;layer{i+1} :c\n\"0\": d", 'a: b\nlayer{i+1}: c\n"0": d'),
        ("if norm{batch_norm}", "if norm { batch_norm }"),
        ("if norm{batch_norm\n}", "if norm {\n    batch_norm\n}"),
        ("add{a;b}", "add { a; b }"),
        ("add{a\nb}", "add {\n    a\n    b\n}"),
        ("add { a # c\n b }", "add {\n    a  # c\n    b\n}"),
        ("if a { b } else{\nc }", "if a {\n    b\n} else {\n    c\n}"),
        ("if a { b }\n\nelse  if c { d } else { }", "if a { b } else if c { d } else { }"),
        ("repeat n as i{\nconv(i)\n} -> relu", "repeat n as i {\n    conv(i)\n} -> relu"),
        ("in->in . channels", None),
        ("let n = in . channels if a in(1, 2) else in [0]", "let n = in.channels if a in (1, 2) else in[0]"),
        ("input x:[3 ,H]int,y", "input x: [3, H] int, y"),
        ("output a ,b when  training", "output a, b when training"),
        ('require a>1 ,"{a}  is small"', 'require a > 1, "{a}  is small"'),
        ("module  t{i}=encoder(64)", "module t{i} = encoder(64)"),
        ("init conv . bias:zeros", "init conv.bias: zeros"),
        ("prelu(init = 0.1)", "prelu(init=0.1)"),
        ("\n\na\n\n\n\nb\n\n", "a\n\nb"),
        # too long: before each arrow; one argument a line; numbers fill the lines
        (f"{LONG}(1, 2, 3) -> {LONG}(4, 5, 6) -> {LONG}(7, 8, 9) -> {LONG}",
         f"{LONG}(1, 2, 3)\n    -> {LONG}(4, 5, 6)\n    -> {LONG}(7, 8, 9)\n    -> {LONG}"),
        (f"f({LONG}, {LONG}, {LONG}, {LONG}, {LONG}=1) as x",
         f"f(\n    {LONG},\n    {LONG},\n    {LONG},\n    {LONG},\n    {LONG}=1,\n) as x"),
        (f"let x = [{', '.join(map(str, range(40)))}]",
         "let x = [\n    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, "
         "24, 25, 26, 27, 28, 29,\n"
         "    30, 31, 32, 33, 34, 35, 36, 37, 38, 39,\n]"),
        (f"let x = [{LONG} + 1 for {LONG} in enumerate(xs) if {LONG} > 0 for y in {LONG}]",
         f"let x = [\n    {LONG} + 1\n    for {LONG} in enumerate(xs)\n    if {LONG} > 0\n    for y in {LONG}\n]"),
        (f"let x = {LONG} + {LONG} + {LONG} + {LONG} + {LONG}",
         f"let x = {LONG} + {LONG} + {LONG} + {LONG} +\n    {LONG}"),
        (f"if {LONG} {{ {LONG} -> {LONG} }} else {{ {LONG} -> {LONG} }}",
         f"if {LONG} {{\n    {LONG} -> {LONG}\n}} else {{\n    {LONG} -> {LONG}\n}}"),
        # a comma at the end asks for one a line, but a tuple of one needs it
        ("let x = [f(1), (2,),]", "let x = [\n    f(1),\n    (2,),\n]"),
        # comments: above, at the end of the line, before what closes, between the parts of a statement
        ("# a\n\n\n# b\n\nx   #c\n# d", "# a\n\n# b\n\nx  #c\n# d"),
        ("add { # a\n# b\nx;# c\n\n# d\n}", "add {  # a\n    # b\n    x  # c\n\n    # d\n}"),
        ("f(# a\n1 # b\n, 2, # c\n# d\n)", "f(  # a\n    1,  # b\n    2,  # c\n    # d\n)"),
        ("f(1, # a\n# b\n2\n# c\n)", "f(\n    1,  # a\n    # b\n    2,\n    # c\n)"),
        ("a # one\n# two\n-> b # three\n-> c", "a  # one\n    # two\n    -> b  # three\n    -> c"),
        ("let x = # why\n3 + # so\n# and\n4", "let x =  # why\n    3 +  # so\n    # and\n    4"),
        ("if a {\nb\n} # one\n# two\nelse {\nc\n}", "if a {\n    b\n}  # one\n# two\nelse {\n    c\n}"),
        ("a\n# c\nas x", "a\n    # c\n    as x"),
    ],
)  # fmt: skip
def test_statements(before: str, after: str | None) -> None:
    if after is None:
        with pytest.raises(ArchError):
            body(before)
        return
    assert body(before) == after
    assert body(after) == after


def test_a_text_with_mistakes_is_refused_with_their_diagnostics() -> None:
    with pytest.raises(ArchError) as caught:
        fmt("block b { conv( }")
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E0004"]


def test_what_is_written_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    for write, complaint in (
        (lambda self, group: self.lines.append("let a = 4  # c"), "another meaning"),
        (lambda self, group: self.lines.append("let a = 3"), "other comments"),
        (lambda self, group: self.lines.append("let a"), "cannot be parsed"),
    ):
        monkeypatch.setattr(printer._Printer, "file", write)
        with pytest.raises(AssertionError, match=complaint):
            fmt("let  a = 3 # c")


@pytest.mark.parametrize(("one", "other"), [("let a = 1", "let a = true"), ("let a = [1]", "let a = [1, 2]")])
def test_trees_that_differ(one: str, other: str) -> None:
    assert not same_tree(*(parse(Source("test.arch", text)).file for text in (one, other)))


@pytest.mark.parametrize("path", ARCHS, ids=lambda path: path.name)
def test_the_networks_of_the_repository_are_formatted(path: Path) -> None:
    text = path.read_bytes().decode()
    assert fmt(text) == text


def holds(text: str) -> None:
    """The properties: same tree, same comments, and nothing left to do."""
    before, _ = parse(Source("test.arch", text))
    new = fmt(text)
    after, diagnostics = parse(Source("test.arch", new))
    assert not diagnostics
    assert same_tree(before, after)
    assert [span.text for span in before.comments] == [span.text for span in after.comments]
    assert fmt(new) == new
    assert not any(line != line.rstrip() for line in new.splitlines() if '"""' not in text)


def test_every_text_keeps_its_meaning_and_its_comments() -> None:
    assert len(snippets()) > 400
    for text in snippets():
        holds(text)


def gaps(text: str) -> list[tuple[int, int, bool]]:
    """Where each token and the one before it stand, and whether round or square brackets are open there."""
    lexer = Lexer(Source("test.arch", text), Patterns(load()))
    found = []
    end = 0
    while (token := lexer.next()).kind != "$END":
        if token.kind == "NEWLINE":
            continue
        found.append((end, token.start, bool(lexer.brackets) and lexer.brackets[-1].kind != "{"))
        end = token.end
        if token.kind in CLOSER:
            lexer.brackets.append(token)
        elif token.kind in (")", "]", "}"):
            lexer.brackets.pop()
    return found


def mutated(text: str, choose: random.Random) -> str:
    """The same text with other spaces, other line ends inside brackets, and more blank lines where there is one."""
    parts: list[str] = []
    last = 0
    for end, start, inside in gaps(text):
        between = text[end:start]
        if "\n" in between:
            between = between.replace("\n\n", "\n \n\n\n").replace(
                "\n    ", choose.choice(("\n", "\n\t", "\n         "))
            )
        elif ";" not in between and (between or text[start] in ",()[]="):
            between = choose.choice([" ", "   ", "\t", *["\n", "\n\n  "] * inside])
        parts += [text[last:end], between]
        last = start
    return "".join(parts) + text[last:] + choose.choice(("", "\n", " \n\n"))


@pytest.mark.parametrize("path", ARCHS, ids=lambda path: path.name)
def test_spaces_make_no_difference(path: Path) -> None:
    text = path.read_text("utf-8")
    choose = random.Random(path.name)
    for _ in range(5):
        other = mutated(text, choose)
        assert other != text
        assert fmt(other) == text


def test_comments_and_line_ends_anywhere() -> None:
    """Whatever is put between two tokens, as long as the text still says the same."""
    choose = random.Random(7)
    added = 0
    for count, original in enumerate(choose.choices(snippets(), k=150)):
        text = original
        before, _ = parse(Source("test.arch", text))
        places = [start for _, start, _ in gaps(text)]
        for place in sorted(choose.sample(places, min(len(places), 6)), reverse=True):
            extra = choose.choice(("\n", "\n\n\n", "# %d\n", "\n# %d\n", "\n\n# %d\n\n# more\n", "; ", ", "))
            extra = extra.replace("%d", str(count))
            after, diagnostics = parse(Source("test.arch", other := text[:place] + extra + text[place:]))
            if not diagnostics and same_tree(before, after):
                text = other
                added += 1
        holds(text)
    assert added > 200


@pytest.mark.parametrize(
    "text",
    [
        f"block b {{ {' -> '.join(['conv(3, 4)'] * 2000)} }}",
        f"let x = [{'f(1), ' * 2000}]",
        f"let x = {'(' * 60}1{')' * 60}",
        f"block b {'{ a; ' * 60}{'}' * 60}",
        f"block b {{ if a {{ b }} {'else if a { b } ' * 150} }}",
    ],
    ids=["pipeline", "list", "brackets", "braces", "else if"],
)
def test_long_and_deep_texts(text: str) -> None:
    holds(text)
