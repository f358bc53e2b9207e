"""Texts that were written to break archc: each ends in its class of exit status, soon, in little memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile import MEMORY, SECONDS, Worker, net


def twice(innermost: str) -> str:
    """Sixty blocks, each of which uses the next one twice."""
    blocks = [f"block b{i} {{ b{i + 1}; b{i + 1} }}\n" for i in range(60)]
    return net("b0", "".join(blocks) + f"block b60 {{ {innermost} }}\n")


def nested_blocks(body: str, count: int) -> str:
    """Blocks of which each uses the one before; the first is `relu`."""
    blocks = [f"block b{i + 1} {{ {body.format(i=i)} }}\n" for i in range(count)]
    return net(f"b{count}", "block b0 { relu }\n" + "".join(blocks))


def doubled(last: str, item: str = "[a{i}, a{i}]") -> str:
    """Lists that hold the one before twice: 2**60 items on paper."""
    return net(last, "let a0 = [3]\n" + "".join(f"let a{i + 1} = {item.format(i=i)}\n" for i in range(60)))


def chain(text: str, count: int) -> str:
    """Lines that differ in a number and the next one."""
    return "".join(text.format(i=i, j=i + 1) for i in range(count))


MANY = 100_000
POSITIONS = "[(a // 7 - b // 7 + 6) * 13 + a % 7 - b % 7 + 6 for a in range(49) for b in range(49)]"
SHADOWS = [
    "None_",
    "def_",
    "class",
    "lambda",
    "__class__",
    "__init__",
    "print",
    "self",
    "super",
    "Tensor",
    "NamedTuple",
    "nn",
    "F",
    "torch",
    "torchvision",
]
WORDS = "forward train eval type _modules __init__ __class__ _parameters self torch nn F x class None def lambda to"
SIGNS = "' ''' ; $(x) <b> &lt; | % # a\\nb a\\\"b a\\\\b {{b}} \\u001b[31m \\u202e \\u2028 \\u200b"
LABELS = f"{WORDS} __call__ state_dict super getattr range Tensor _buffers __x _A__x 0 -1 a-b é 日 {SIGNS}".split()

# Text of the file, and the exit status of `archc check`.
CHECKED: dict[str, tuple[str | bytes, int]] = {
    # bytes
    "not UTF-8": (b"\xff", 1),
    "a surrogate": (b"\xed\xa0\x80", 1),
    "an overlong NUL": (b"\xc0\x80", 1),
    "NUL": ("arch A {\0}", 1),
    "UTF-16": (net("relu").encode("utf-16"), 1),
    "UTF-32": (net("relu").encode("utf-32"), 1),
    "lone carriage returns": (net("relu").replace("\n", "\r"), 1),
    "line separator": (net("relu\u2028gelu"), 1),
    "text that turns around": (net("relu # \u202e"), 1),
    "escapes of a terminal": (net('"\x1b[31m": relu # \x1b]0;x\x07'), 1),
    "BOM and CRLF": (b"\xef\xbb\xbf" + net("relu").replace("\n", "\r\n").encode(), 0),
    "more than 4 MiB": (" " * (4 * 2**20 + 1), 2),
    # much of something
    "parentheses": ("let x = " + "(" * MANY, 1),
    "lists": ("let x = " + "[" * MANY + "]" * MANY, 1),
    "braces": (net("{" * MANY), 1),
    "closing braces": ("}" * MANY, 1),
    "signs": ("let x = " + "-" * MANY + "1", 1),
    "not": ("let x = " + "not " * MANY + "true", 1),
    "else if": (net("if true { relu }" + " else if true { relu }" * 5_000), 1),
    "terms": (net("relu", "let x = " + "+".join("1" * MANY)), 1),
    "powers": (net("relu", "let x = " + "**".join("2" * MANY)), 1),
    "indices": (net("relu", "let x = [1]" + "[0]" * MANY), 1),
    "calls": (net("relu", "let x = len" + "()" * MANY), 1),
    "conditions": (net("relu", "let x = " + "1 if false else " * MANY + "1"), 1),
    "patterns": (net("relu", "let " + "(" * MANY + "a" + ")" * MANY + " = 1"), 1),
    "arguments": (net("conv(" + "1," * 20_000 + "1)"), 1),
    "named arguments": (net("conv(" + ",".join(f"a{i}=1" for i in range(20_000)) + ")"), 1),
    "stages": (net("relu" + " -> relu" * 2_000), 0),
    "semicolons": (net(";" * MANY), 0),
    "unknown names": (net("relo\n" * 1_000), 1),
    "unknown signs": ("@\n" * MANY, 1),
    "long name": (net("a" * 10**6), 1),
    "long number": (net("conv(" + "1" * 10**6 + ")"), 1),
    "long string": (net('require true, "' + "a" * 10**6 + '"'), 1),
    "quotes": ('"' * MANY, 1),
    "open string": (net('"abc'), 1),
    "open docstring": ('"""abc' + net("relu"), 1),
    # expansion
    "a thousand million rounds": (net("repeat 10**9 { relu }"), 1),
    "rounds in rounds": (net("repeat 10 { " * 12 + "relu" + " }" * 12), 1),
    "empty rounds": (net("repeat 400 { repeat 400 { } }\n" * 40), 1),
    "sums in rounds": (net("repeat 100000 { let a = sum(range(100000)) }"), 1),
    "a long range": (net("for i in range(10**18) { relu }"), 1),
    "a long range down": (net("for i in range(0, -10**12, -1) { relu }"), 1),
    "an empty loop": (net("repeat 10**9 {}"), 1),
    "rounds in blocks": (nested_blocks("repeat 10 {{ b{i} }}", 12), 1),
    "rounds that most rounds leave out": (net("repeat 1000 as i { if i == 0 { repeat 1000 { relu } } }"), 0),
    "blocks used twice": (twice("relu"), 1),
    "blocks used twice, empty": (twice("identity"), 1),
    "blocks used twice, with a name": (twice("let a = 1"), 1),
    "blocks used twice, as branches": (nested_blocks("add {{ b{i}; b{i} }}", 60), 1),
    "blocks used twice, as parameters": (
        net("b(60, relu)", "block b(n, f) { if n > 0 { b(n - 1, f); b(n - 1, f) } else { f } }"),
        1,
    ),
    "blocks used twice, on a size": (
        net("b(60)", "block b(n) { if in.channels == 3 { if n > 0 { b(n - 1); b(n - 1) } } else { relu } }"),
        1,
    ),
    "blocks of which each is another": (
        net("b(17, 0)", "block b(n, k) { if n > 0 { b(n-1, 2*k); b(n-1, 2*k+1) } }"),
        1,
    ),
    "200 blocks inside each other": (net("b(199)", "block b(n) { if n > 0 { b(n - 1) }; relu }"), 0),
    "201 blocks inside each other": (net("b(200)", "block b(n) { if n > 0 { b(n - 1) }; relu }"), 1),
    "endless block": (net("b", "block b { b }"), 1),
    "endless blocks": (net("a", "block a { b }\nblock b { c }\nblock c { a }"), 1),
    "endless block as a parameter": (net("b(b)", "block b(x) { x(x) }"), 1),
    "endless function": (net("conv(f(1), 3)", "let f(x) = g(x)\nlet g(x) = f(x)"), 1),
    "a function of itself": (net("conv(f(f), 3)", "let f(x) = x(x)"), 1),
    "a function that calls itself twice": (
        net("conv(f(90) % 7 + 1, 3)", "let f(n) = n if n < 2 else f(n-1) + f(n-2)"),
        0,
    ),
    "a tree of calls": (net("conv(f(60, 0), 3)", "let f(n, k) = k if n == 0 else f(n-1, 2*k) + f(n-1, 2*k+1)"), 1),
    "a growing function without end": (net("conv(f(1), 3)", "let f(n) = f(n + 1)"), 1),
    "a list doubled without end": (net("conv(len(f([1])), 3)", "let f(x) = f(x + x)"), 1),
    "a text doubled without end": (net('conv(len(f("a")), 3)', "let f(x) = f(x + x)"), 1),
    "a text doubled in a name": (net('let s = f(60, "ab")', "let f(n, s) = s if n == 0 else f(n - 1, s + s)"), 1),
    "results to remember": (net("conv(f(10**6), 3)", "let g(i) = [i]\nlet f(n) = len([g(i) for i in range(n)])"), 1),
    "long results to remember": (net("repeat 1000 as i { let a = f(i) }", "let f(n) = [n] * 200000"), 1),
    "clauses": (net(f"conv(len([1 {' '.join(f'for a{i} in [1]' for i in range(10_000))}]), 3)"), 1),
    "a chain of names": (net("conv(a5000, 3)", "let a0 = 3\n" + chain("let a{j} = a{i}\n", 5000)), 0),
    "names": (net(chain("let a{i} = {i}\n", 9_000) + "relu"), 0),
    "branches without layers": (net("add { " + "identity; " * 5_000 + "}"), 0),
    "branches": (net("add { " + "relu; " * 5_000 + "}"), 0),
    "a table of relative positions": (net(f"x\nlet table = {POSITIONS}\nrequire len(table) == 2401"), 0),
    "a value of itself": (net("conv(a, 3)", "let a = b\nlet b = a"), 1),
    "a special case of itself": ("arch A = B\narch B = A\n", 1),
    "comprehensions": (net("conv(len([1 for a in range(1000) for b in range(1000) for c in range(1000)]), 3)"), 1),
    "lists of lists": (net("conv(len([[0] * 200000 for a in range(200000)]), 3)"), 1),
    "zipped lists": (net("conv(len(zip(" + ", ".join(["range(200000)"] * 100) + ")), 3)"), 1),
    "a long text": (net('require "a" * 10**9 == "b"'), 1),
    "doubled lists": (doubled("conv(len(a60), 3)", "a{i} + a{i}"), 1),
    "doubled nests, shown": (doubled("conv(3, a60)"), 1),
    "doubled nests, compared": (doubled("require a60 == [a59, a59]"), 0),
    "doubled nests as a label": (doubled('"{a60}": relu'), 1),
    "deep lists": (net("conv(a3000, 3)", "let a0 = 3\n" + "".join(f"let a{i + 1} = [a{i}]\n" for i in range(3000))), 1),
    # numbers
    "2**100000": (net("conv(2**100000, 3)"), 1),
    "9**9**9": (net("conv(9**9**9, 3)"), 1),
    "division by zero": (net("conv(1 // 0, 3)"), 1),
    "not a number": (net("conv(int(1e308 * 1e308 - 1e308), 3)"), 1),
    "a float as channels": (net("conv(3.0, 3)"), 1),
    "negative channels": (net("conv(-3, 3)"), 1),
    "a truth value as channels": (net("conv(true, 3)"), 1),
    "none as a kernel": (net("conv(3, none)"), 1),
    "stride zero": (net("conv(3, 3, stride=0)"), 1),
    "groups zero": (net("conv(3, 3, groups=0)"), 1),
    "4e18 weights": (net("flatten -> linear(10**9)", inputs="input x: [10**9]"), 0),
    # labels and files
    "label with a dot": (net('"a.b": relu'), 1),
    "empty label": (net('"": relu'), 1),
    "a message that is obeyed": (net('require false, "\\u001b[31m \\u202e"'), 1),
    "absolute import": ('from "/etc/passwd" import a\n', 1),
    "import of a device": ('from "../../../../../../../../dev/zero" import a\n', 1),
    "import of a folder": ('from "." import a\n', 1),
    "import of itself": ('from "a.arch" import A\n', 1),
}

# Texts of the file, and what is built of it: exit status 0, and the source passes the allow-list.
BUILT = {
    "labels": net("\n".join(f'"{label}": conv(3, 1)' for label in LABELS)),
    "names": net("add { " + "; ".join(SHADOWS) + " }", inputs="\n".join(f"input {n}: [3, 8, 8]" for n in SHADOWS)),
    "outputs": net("relu as self\nrelu as torch\nrelu as count\nrelu as index\noutput self, torch, count, index"),
    "architecture": "arch torch { input x: [3]\nlinear(2) -> self }\n"
    "block self { linear(3) -> F }\nblock F { linear(3) }",
    "docstring": '"""a\\" ""\\"\\"\\" \\n import os \\\\ \\u001b[31m \\u0000 {x} %s"""\n' + net("conv(3, 1)"),
}

# What is written on the command line, and its exit status.
ASKED: dict[str, tuple[list[str], int]] = {
    "an empty name": (["check", ""], 2),
    "a colon": (["check", ":"], 2),
    "a long name": (["check", "a" * 5000 + ".arch"], 2),
    "NUL in a name": (["check", "a\0.arch"], 2),
    "escapes in a name": (["check", "\x1b[31m\n.arch"], 2),
    "not UTF-8": (["check", "\udcff.arch"], 2),
    "escapes in a command": (["\x1b[31m"], 2),
    "escapes in an operator": (["ops", "\x1b[31m"], 2),
    "a path in the zoo": (["zoo", "../../../etc/passwd\x1b"], 2),
    "escapes in a parameter": (["build", "resnet18", "-p", "\x1b[31m"], 2),
    "a deep parameter": (["build", "resnet18", "-p", "num_classes=" + "[" * 5000], 2),
    "another digit": (["build", "unet", "--input", "3x²x64"], 2),
    "NUL in an output": (["build", "resnet18", "-o", "a\0.py"], 3),
    "an output in no folder": (["build", "resnet18", "-o", "no/x.py"], 3),
    "an output onto a device": (["build", "resnet18", "-o", "/dev/full/x.py"], 3),
}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.close()


@pytest.mark.parametrize("name", CHECKED)
def test_texts(name: str, worker: Worker, tmp_path: Path) -> None:
    text, expected = CHECKED[name]
    (tmp_path / "a.arch").write_bytes(text if isinstance(text, bytes) else text.encode())
    status, out, err = worker.run(["check", "a.arch"], tmp_path, name)
    assert status == expected, out + err
    assert (status != 1) or ("a.arch:" in err and "error[E" in err), "a mistake has a place and a code"
    assert len(err) < 200_000


@pytest.mark.parametrize("name", BUILT)
def test_names_stay_inside_the_source(name: str, worker: Worker, tmp_path: Path) -> None:
    from archc.compiler.verify import verify

    (tmp_path / "a.arch").write_text(BUILT[name])
    status, out, err = worker.run(["build", "a.arch", "--emit", "source"], tmp_path)
    assert status == 0, err
    verify(out)


@pytest.mark.parametrize("name", ASKED)
def test_requests(name: str, worker: Worker, tmp_path: Path) -> None:
    arguments, expected = ASKED[name]
    status, out, err = worker.run(arguments, tmp_path)
    assert status == expected, out + err
    assert err.startswith(("error: ", "error[E"))


def test_the_limits_of_this_test_hold(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "a.arch").write_text(net("relu"))
    ended = worker.run(["build", "a.arch"], tmp_path, "a small one")
    assert ended.out == "A: 0 parameters, 0 multiply-adds at x 3x32x32, depth 0\n"
    seconds, peak = worker.figures["a small one"]
    assert 0 < seconds < SECONDS
    assert 10 * 2**20 < peak < MEMORY, "the peak is measured"
