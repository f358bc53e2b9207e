"""Files, definitions, statements, stages, labels, and where statements end."""

from pathlib import Path

import pytest

from archc.dsl import ast
from archc.dsl.parser import parse
from archc.dsl.source import Source
from tests.dsl.trees import nodes, parsed, short, statements

ARCHS = Path(__file__).parents[2] / "archs"


@pytest.mark.parametrize("path", sorted(ARCHS.rglob("*.arch")), ids=lambda path: path.name)
def test_the_networks_of_the_repository_parse(path: Path) -> None:
    text = path.read_text("utf-8")
    file = parsed(text)
    assert file.items
    for node in nodes(file.items):
        assert 0 <= node.span.start < node.span.end <= len(text)
        assert node.span.text == node.span.text.strip()


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", "[]"),
        ("# only a comment", "[]"),
        ('from "resnet.arch" import a, b', "[(Import resnet.arch [(Name a) (Name b)])]"),
        ("let n = 3", "[(Let (Name n) (Literal 3))]"),
        ("let (a, (b,)) = x", "[(Let (TuplePattern [(Name a) (TuplePattern [(Name b)])]) (Name x))]"),
        (
            "let f(a, b: int = 1,) = a",
            "[(Function (Name f) [(Parameter (Name a) None None)"
            " (Parameter (Name b) (Name int) (Literal 1))] (Name a))]",
        ),
        ("let f() = 1", "[(Function (Name f) [] (Literal 1))]"),
        ("block a { }", "[(Block (Name a) [] (Body []) False )]"),
        (
            'block a(unit: block) { "doc" }',
            "[(Block (Name a) [(Parameter (Name unit) (Name block) None)] (Body []) False doc)]",
        ),
        (
            'inline block a {\n"""doc"""\nrelu\n}',
            f"[(Block (Name a) [] (Body [{'(Pipeline [(Stage None (Use (Name relu) None None))] None)'}]) True doc)]",
        ),
        ("arch A() { }", "[(Arch (Name A) [] (Body []) )]"),
        ("arch A = B", "[(Specialisation (Name A) [] (Name B) [] [] )]"),
        (
            'arch A(n = 3) = B(x, n=n) { "doc"\n expect params == 1; require n, "m" }',
            "[(Specialisation (Name A) [(Parameter (Name n) None (Literal 3))] (Name B) [(Argument None (Name x))"
            " (Argument (Name n) (Name n))] [(Expect (Comparison (Name params) [[== (Literal 1)]]))"
            " (Require (Name n) (Template [m]))] doc)]",
        ),
        (
            'extern f(k): [C, H], [] -> [k], [C] = "package.module:Class"',
            "[(Extern (Name f) [(Parameter (Name k) None None)] [[(Name C) (Name H)] []] [[(Name k)] [(Name C)]]"
            " package.module:Class)]",
        ),
        ('extern f: [C] -> [C] = "m:F"', "[(Extern (Name f) [] [[(Name C)]] [[(Name C)]] m:F)]"),
    ],
)
def test_items(text: str, tree: str) -> None:
    assert short(parsed(text).items) == tree


def test_the_docstring_of_a_file() -> None:
    assert parsed('"""Two\nlines."""').doc == "Two\nlines."
    assert parsed('# first\n\n"doc"\n\nlet a = 1').doc == "doc"
    assert parsed("let a = 1").doc == ""


def use(name: str, arguments: str = "None", branches: str = "None") -> str:
    return f"(Use (Name {name}) {arguments} {branches})"


def pipeline(*actions: str, label: str = "None", binding: str = "None") -> str:
    stages = [f"(Stage {label if number == 0 else 'None'} {action})" for number, action in enumerate(actions)]
    return f"(Pipeline [{' '.join(stages)}] {binding})"


RELU = pipeline(use("relu"))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("relu", RELU),
        ("relu()", pipeline(use("relu", "[]"))),
        ("in", pipeline(use("in"))),
        ("identity", pipeline(use("identity"))),
        ("conv(8, k=3)", pipeline(use("conv", "[(Argument None (Literal 8)) (Argument (Name k) (Literal 3))]"))),
        ("in -> relu -> gelu as x", pipeline(use("in"), use("relu"), use("gelu"), binding="(Name x)")),
        (
            "chunk as (a, (b, c))",
            pipeline(use("chunk"), binding="(TuplePattern [(Name a) (TuplePattern [(Name b) (Name c)])])"),
        ),
        ("{ }", pipeline("(Group (Body []))")),
        ("add { relu; in }", pipeline(use("add", "None", f"(Body [{RELU} {pipeline(use('in'))}])"))),
        ("op(1) { }", pipeline(use("op", "[(Argument None (Literal 1))]", "(Body [])"))),
        ("for (i, x) in xs { relu }", pipeline(f"(For (TuplePattern [(Name i) (Name x)]) (Name xs) (Body [{RELU}]))")),
        ("repeat 2 * n { relu }", pipeline(f"(Repeat (Binary * (Literal 2) (Name n)) None (Body [{RELU}]))")),
        ("repeat n as i { }", pipeline("(Repeat (Name n) (Name i) (Body []))")),
        ("if a { relu }", pipeline(f"(If (Name a) (Body [{RELU}]) None)")),
        ("if a { } else { relu } -> relu", pipeline(f"(If (Name a) (Body []) (Body [{RELU}]))", use("relu"))),
        (
            "if a { } else if b { } else if c { } else { relu }",
            pipeline(
                "(If (Name a) (Body []) (Body ["
                + pipeline(
                    "(If (Name b) (Body []) (Body [" + pipeline(f"(If (Name c) (Body []) (Body [{RELU}]))") + "]))"
                )
                + "]))"
            ),
        ),
        ("let n = 3", "(Let (Name n) (Literal 3))"),
        ("let f(x) = x", "(Function (Name f) [(Parameter (Name x) None None)] (Name x))"),
        ("require a", "(Require (Name a) None)"),
        (
            'require a, "n is {n + 1}, {{not}} {m}\\n"',
            "(Require (Name a) (Template [n is  (Binary + (Name n) (Literal 1)) , {not}  (Name m) \n]))",
        ),
        (
            "module tower = encoder(64)",
            "(Module (Template [tower]) (Use (Name encoder) [(Argument None (Literal 64))] None))",
        ),
        ("module tower{i}_x = encoder", "(Module (Template [tower (Name i) _x]) (Use (Name encoder) None None))"),
        ('module "0" = encoder', "(Module (Template [0]) (Use (Name encoder) None None))"),
        ("init conv: zeros", "(Init (Name conv) None (Use (Name zeros) None None))"),
        (
            "init conv.bias: uniform(-1, 1)",
            "(Init (Name conv) (Name bias) (Use (Name uniform)"
            " [(Argument None (Unary - (Literal 1))) (Argument None (Literal 1))] None))",
        ),
        ("input x", "(Input (Name x) None None)"),
        ("input x, skip", "(Input (Name x) None None) (Input (Name skip) None None)"),
        (
            "input image: [C, H + 1, 224]",
            "(Input (Name image) [(Name C) (Binary + (Name H) (Literal 1)) (Literal 224)] None)",
        ),
        ("input tokens: [T] int64", "(Input (Name tokens) [(Name T)] (Name int64))"),
        ("output a, b", "(Output [(Name a) (Name b)] False)"),
        ("output a when training", "(Output [(Name a)] True)"),
        ("output when", "(Output [(Name when)] False)"),
        ("expect output == [n]", "(Expect (Comparison (Name output) [[== (ListOf [(Name n)])]]))"),
    ],
)
def test_statements(text: str, tree: str) -> None:
    assert short(statements(text)) == f"[{tree}]"


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("conv1", "conv1"),
        ("layer{i + 1}", "layer (Binary + (Name i) (Literal 1))"),
        ("a{i}_{j}b", "a (Name i) _ (Name j) b"),
        ('layer{names["a{b}"]}', "layer (Index (Name names) (Literal a{b}))"),
        ('"0"', "0"),
        ('"block{i}-{j}"', "block (Name i) - (Name j)"),
        ('"a{{b}}"', "a{b}"),
        ('""', ""),
        *(
            (word, word)
            for word in ("if", "for", "in", "let", "input", "output", "init", "else", "as", "relu", "block")
        ),
    ],
)
@pytest.mark.parametrize("space", ["", " "])
def test_labels(label: str, parts: str, space: str) -> None:
    [first, second] = statements(f"relu\n{label}{space}: conv -> {label}: relu")[1].stages  # type: ignore[union-attr]
    for stage in (first, second):
        assert stage.label is not None
        assert short(stage.label) == f"(Template [{parts}])"
        assert stage.label.span.text == label


def test_what_is_no_label() -> None:
    """A colon after a word means a label only where a stage begins."""
    file = parsed("block a(n: int, unit: block) { input x: [1]; init conv: zeros; let y = xs[a:b] }")
    assert not [node for node in nodes(file.items) if isinstance(node, ast.Template)]


STAGES = "(Pipeline [(Stage None (Use (Name a) None None)) (Stage None (Use (Name b) None None))] None)"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a\nb", 2),
        ("a;b", 2),
        ("a;;;b;", 2),
        (";\n;a", 1),
        ("a # comment\nb", 2),
        ("\n\n  # comment\n\na\n\n\nb\n# end\n", 2),
        ("a ->\nb", 1),
        ("a -> # comment\n\n# more\n b", 1),
        ("a\n-> b", 1),
        ("a\n\n# comment\n\n    -> b", 1),
        ("a\nas x", 1),
        ("a\n# comment\n as x\nb", 2),
        ("a\nas: b", 2),
        ("a\nelse: b", 2),
        ("a\nas{i}: b", 2),
        ("if c { a }\nelse { b }", 1),
        ("if c { a }\n\n# comment\nelse if d { b }\nelse { a }\nb", 2),
        ("let x =\n1", 1),
        ("let x = 1 +\n2 *\n\n3", 1),
        ("let x = a and\nnot\nb", 1),
        ("let x = a in\nb", 1),
        ("let x = a not in\nb", 1),
        ("let x = a <\nb", 1),
        ("let x = -\n1", 1),
        ("let x = 1 if c\nelse 2", 1),
        ("output a,\nb", 1),
        ("let x = (1\n+ 2\n)", 1),
        ("let x = [\n1\n,\n2\n]\nb", 2),
        ("conv(\n3\n,k=3\n)", 1),
        ("in\nb", 2),
        ("a -> in\nb", 2),
        ("add { in\nb }", 1),
        ("let x = in\nb", 2),
        ("a;b -> a\n;b", 3),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_where_statements_end(text: str, count: int, line_end: str) -> None:
    assert len(statements(text.replace("\n", line_end))) == count


@pytest.mark.parametrize(
    "text", ["a; -> b", "a ->; b", "let x = ;", "let x\n= 1", "if c\n{ a }", "add -> \n;", "(a\n)"]
)
def test_where_they_do_not(text: str) -> None:
    assert parse(Source("test.arch", f"block x {{\n{text}\n}}")).diagnostics


def test_spans_are_exact() -> None:
    text = 'inline block a(n: int = 1) {\n    "l{i}": conv(n)  # c\n        -> relu as x\n}\nlet y = (n + 1) * 2'
    found = {(type(node).__name__, node.span.text) for node in nodes(parsed(text).items)}
    assert {
        ("Block", text[: text.index("\nlet")]),
        ("Parameter", "n: int = 1"),
        ("Pipeline", '"l{i}": conv(n)  # c\n        -> relu as x'),
        ("Stage", '"l{i}": conv(n)'),
        ("Template", '"l{i}"'),
        ("Name", "i"),
        ("Use", "conv(n)"),
        ("Use", "relu"),
        ("Binary", "(n + 1) * 2"),
        ("Binary", "n + 1"),
    } <= found


def test_inputs_of_one_statement_have_spans_of_their_own() -> None:
    assert [node.span.text for node in statements("input x,  skip")] == ["input x", "skip"]


def test_comments_are_kept_in_order() -> None:
    text = '# one\nlet a = "# not"  # two \nblock b { relu # three\n -> gelu }\n#'
    file = parsed(text)
    assert [span.text for span in file.comments] == ["# one", "# two", "# three", "#"]


def test_a_byte_order_mark_is_accepted_at_the_start() -> None:
    assert short(parsed("\ufefflet a = 1").items) == "[(Let (Name a) (Literal 1))]"
    assert parse(Source("test.arch", "let a = \ufeff1")).diagnostics
