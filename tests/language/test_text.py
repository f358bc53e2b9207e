"""Section "The language", "Text": what a file holds, what ends a statement, where an import is looked up."""

from pathlib import Path

import pytest

import archc
from archc.compiler.program import ZOO, Program
from archc.dsl.decode import decode
from archc.dsl.diagnostics import ArchError
from tests.language.texts import arch, built, keys, refused, sizes

ITEMS = [
    'from "zoo:resnet.arch" import basic, bottleneck',
    "let width = 8",
    "let twice(n) = 2 * n",
    "block unit(c) { conv(c, 1) }",
    "inline block bare(c) { conv(c, 1) }",
    "arch A { input x: [4, 8, 8]; unit(twice(width)) -> bare(width) -> basic(8) }",
    'extern layer(c): [C, H, W] -> [c, H, W] = "package.module:Layer"',
]


@pytest.mark.parametrize("first", range(len(ITEMS)))
def test_a_file_is_a_docstring_then_items_in_any_order(first: int) -> None:
    """A file: a docstring, then `from`, `let`, `block`, `inline block`, `arch`, `extern` in any order."""
    for items in (ITEMS[first:] + ITEMS[:first], ITEMS[first::-1] + ITEMS[:first:-1]):
        assert sizes('"""What it is."""\n' + "\n".join(items)) == (8, 8, 8)


def test_the_docstring_comes_first() -> None:
    refused('let a = 1\n"""Late."""\n' + arch("relu"), "E0005", '"""Late."""', "found a string")


def test_a_docstring_may_stand_in_a_block_and_an_arch() -> None:
    built('block b { """One."""\nrelu }\narch A { """Two."""\ninput x: [4]\nb }')


def test_braces_in_a_string_that_is_no_label_and_no_message_are_text() -> None:
    built(arch('let s = "{x}"\nrequire len(s) == 3\nrelu'))


def test_a_stage_cannot_stand_in_the_file() -> None:
    refused("relu\n" + arch("relu"), "E0005", "relu")


def test_utf_8() -> None:
    """UTF-8."""
    text = '"""Réseau à 神経."""\n# ö\n' + arch("relu")
    assert Program(decode("x.arch", text.encode())).main.file.doc == "Réseau à 神経."
    with pytest.raises(ArchError) as caught:
        decode("x.arch", text.encode("utf-16"))
    assert caught.value.diagnostics[0].code == "E0001"
    with pytest.raises(ArchError) as caught:
        decode("x.arch", text.encode("latin-1", "replace"))
    assert caught.value.diagnostics[0].code == "E0001"


def test_a_number_sign_begins_a_comment() -> None:
    """`#` comments."""
    assert sizes(arch('# conv(1, 1)\nconv(2, 1)  # conv(3, 1)\n#\nlet s = "# none"; conv(len(s), 1)')) == (6, 16, 16)


NET = 'from "{}" import unit\narch Net {{ input x: [4, 8, 8]\nunit }}'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with `nets/net.arch` to write, and a file `unit.arch` in it and beside it."""
    folder = tmp_path / "project"
    (folder / "nets").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    for number, place in enumerate((folder / "nets", folder, tmp_path), start=1):
        (place / "unit.arch").write_text(f"block unit {{ conv({number}, 1) }}")
    return folder


def imported(file: Path, path: str) -> object:
    """Return the channels that `unit` of the imported file leaves."""
    file.write_text(NET.format(path))
    return archc.compile(file).outputs["output"][0]


def refusal(file: Path, path: str) -> str:
    file.write_text(NET.format(path))
    with pytest.raises(ArchError) as caught:
        archc.compile(file)
    (found,) = caught.value.diagnostics
    assert found.primary.span.text == f'"{path}"'
    return found.code


def test_an_import_is_looked_up_beside_the_importing_file(project: Path) -> None:
    """An import is looked up beside the importing file ..."""
    assert imported(project / "nets" / "net.arch", "unit.arch") == 1
    assert imported(project / "nets" / "net.arch", "../unit.arch") == 2
    (project / "nets" / "second.arch").write_text('from "third/fourth.arch" import unit')
    (project / "nets" / "third").mkdir()
    (project / "nets" / "third" / "fourth.arch").write_text('from "fifth.arch" import unit')
    (project / "nets" / "third" / "fifth.arch").write_text("block unit { conv(5, 1) }")
    assert imported(project / "nets" / "net.arch", "second.arch") == 5


def test_and_then_in_the_zoo(project: Path) -> None:
    """... and then in the zoo."""
    file = project / "net.arch"
    file.write_text('from "resnet.arch" import basic\narch Net { input x: [4, 8, 8]; basic(4) }')
    assert archc.compile(file).outputs == {"output": (4, 8, 8)}
    (project / "resnet.arch").write_text("block basic(c) { conv(9, 1) }")
    assert archc.compile(file).outputs == {"output": (9, 8, 8)}, "beside the file comes first"
    assert refusal(file, "nowhere.arch") == "E0105"


def test_zoo_only_in_the_zoo(project: Path) -> None:
    """`"zoo:resnet.arch"` only in the zoo."""
    (project / "resnet.arch").write_text("block basic(c) { conv(9, 1) }")
    file = project / "net.arch"
    file.write_text('from "zoo:resnet.arch" import basic\narch Net { input x: [4, 8, 8]; basic(4) }')
    assert archc.compile(file).outputs == {"output": (4, 8, 8)}
    assert refusal(project / "net.arch", "zoo:unit.arch") == "E0105"


@pytest.mark.parametrize("mark", ["pyproject.toml", ".git", "archs"])
def test_the_project_is_the_nearest_parent_folder_with_a_mark(tmp_path: Path, mark: str) -> None:
    """The project is the nearest parent folder of the file that holds `pyproject.toml`, `.git` or `archs/`."""
    nets = tmp_path / "inner" / "nets"
    nets.mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "unit.arch").write_text("block unit { conv(3, 1) }")
    assert imported(nets / "net.arch", "../../unit.arch") == 3
    if mark == "pyproject.toml":
        (tmp_path / "inner" / mark).touch()
    else:
        (tmp_path / "inner" / mark).mkdir()
    assert refusal(nets / "net.arch", "../../unit.arch") == "E0107"
    (tmp_path / "inner" / "unit.arch").write_text("block unit { conv(2, 1) }")
    assert imported(nets / "net.arch", "../unit.arch") == 2


def test_the_file_named_on_the_command_line_says_what_the_project_is(project: Path) -> None:
    """The project is that of the file named on the command line, not that of a file it imports."""
    (project / "nets" / "pyproject.toml").touch()
    (project / "nets" / "inner.arch").write_text(NET.format("../unit.arch"))
    assert imported(project / "net.arch", "nets/inner.arch") == 2
    with pytest.raises(ArchError, match="outside the project"):
        archc.compile(project / "nets" / "inner.arch")


def test_else_the_project_is_that_files_folder(tmp_path: Path) -> None:
    """... else that file's folder."""
    nets = tmp_path / "nets"
    nets.mkdir()
    (tmp_path / "unit.arch").write_text("block unit { conv(2, 1) }")
    (nets / "unit.arch").write_text("block unit { conv(1, 1) }")
    assert imported(nets / "net.arch", "unit.arch") == 1
    assert refusal(nets / "net.arch", "../unit.arch") == "E0107"


def test_nothing_outside_the_project_and_the_zoo_is_read_after_resolving_links(project: Path, tmp_path: Path) -> None:
    """Nothing outside the project and the zoo is read, after resolving links."""
    file = project / "nets" / "net.arch"
    assert refusal(file, "../../unit.arch") == "E0107"
    assert refusal(file, str(tmp_path / "unit.arch")) == "E0107"
    (project / "nets" / "link.arch").symlink_to(tmp_path / "unit.arch")
    assert refusal(file, "link.arch") == "E0107"
    (project / "nets" / "folder").symlink_to(tmp_path)
    assert refusal(file, "folder/unit.arch") == "E0107"
    (project / "nets" / "inside.arch").symlink_to(project / "unit.arch")
    assert imported(file, "inside.arch") == 2, "a link that stays inside is a file like any other"
    assert refusal(file, "zoo:../unit.arch") in ("E0105", "E0107")
    (project / "nets" / "zoo.arch").symlink_to(Path(ZOO) / "resnet18.arch")
    file.write_text('from "zoo.arch" import ResNet18\narch Net = ResNet18()')
    assert archc.compile(file).outputs == {"output": (1000,)}


def test_a_newline_or_a_semicolon_ends_a_statement() -> None:
    """A newline or `;` ends a statement."""
    assert keys(arch("conv(2, 1)\nrelu; conv(3, 1)")) == ["0.weight", "2.weight"]
    refused(arch("conv(2, 1) relu"), "E0005", "relu", "expected `->`, a new line or `;`")


@pytest.mark.parametrize(
    "body",
    [
        "conv(\n3,\n1\n)",
        "conv(3,\n\n# why\n1)",
        "let c = [\n1\n,\n3\n][1]\nconv(c, 1)",
        "let c = (\n1\n+\n2\n)\nconv(c, 1)",
    ],
)
def test_except_inside_parentheses_and_brackets(body: str) -> None:
    """... except inside `( [`."""
    assert sizes(arch(body)) == (3, 16, 16)


@pytest.mark.parametrize(
    "body",
    [
        "relu ->\nconv(3, 1)",
        "relu ->   # why\n\n# and more\n  conv(3, 1)",
        "let c =\n3\nconv(c, 1)",
        "let c = 1 +\n2\nconv(c, 1)",
        "let c = 6 //\n2\nconv(c, 1)",
        "let c = true and\n3 == 3\nconv(3 if c else 1, 1)",
        "let c = not\nfalse\nconv(3 if c else 1, 1)",
        'require 1 ==\n1,\n"so"\nconv(3, 1)',
        "module m =\nconv(3, 1)\nm",
    ],
)
def test_after_an_arrow_a_comma_an_equals_sign_or_an_operator(body: str) -> None:
    """... after `->`, `,`, `=` or an operator ..."""
    assert sizes(arch(body)) == (3, 16, 16)


def test_after_a_comma_of_a_declaration() -> None:
    text = "arch A { input a: [3],\nb: [3]\nadd { a; b } as c\nlinear(2) as d\noutput c,\nd }"
    assert built(text).outputs == {"c": (3,), "d": (2,)}


@pytest.mark.parametrize(
    "body",
    [
        "relu\n-> conv(3, 1)",
        "relu\n\n   # a comment\n\n   -> conv(3, 1)",
        "if false { relu }\nelse { conv(3, 1) }",
        "if false { relu }\n# a comment\n\nelse if true { conv(3, 1) }\nelse { relu }",
        "conv(3, 1)\nas a\nrelu -> conv(4, 1)\na",
        "conv(3, 1) # a comment\n # another\n as a\nrelu -> conv(4, 1)\na",
    ],
)
def test_and_when_the_next_line_begins_with_an_arrow_else_or_as(body: str) -> None:
    """... and when the next line that is neither blank nor a comment begins with `->`, `else` or `as`."""
    assert sizes(arch(body)) == (3, 16, 16)


def test_a_line_that_begins_with_an_operator_is_not_the_rest_of_the_one_before() -> None:
    refused(arch("let c = 1\n+ 2\nconv(c, 1)"), "E0005", "+")


@pytest.mark.parametrize(
    "text",
    [
        "block b\n{ relu }\n" + arch("b"),
        "arch A\n{ input x: [3]; relu }",
        arch("repeat 2\n{ relu }"),
        arch("for i in [1]\n{ relu }"),
        arch("if true\n{ relu }"),
    ],
)
def test_a_brace_stands_on_the_line_of_what_it_belongs_to(text: str) -> None:
    """`{` stands on the line of what it belongs to."""
    refused(text, "E0005", "{", "`{` stands on the line of what it belongs to", "move it up")


def test_braces_on_a_line_of_their_own_are_a_stage() -> None:
    assert keys(arch("relu\n{\nconv(2, 1)\n}")) == ["1.weight"]


def test_empty_statements_mean_nothing() -> None:
    """Empty statements mean nothing."""
    assert keys(arch(";;\n\n;conv(2, 1);;\n;add { ;;identity;\n;conv(2, 1); }\n;")) == ["0.weight", "1.weight"]
    assert sizes(";;\n;" + arch("relu") + ";\n;;") == (4, 16, 16)


def test_a_file_whose_lines_end_otherwise_means_the_same() -> None:
    text = arch("conv(2, 1)\n-> relu\nconv(3, 1)")
    assert keys(text.replace("\n", "\r\n")) == keys(text)
