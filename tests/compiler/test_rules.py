"""Rules that docs/language.md states, one test each, where no other test holds them."""

from pathlib import Path

import pytest

from archc import ArchError, compile
from archc.files import open_text
from archc.network import Network, network


def build(text: str) -> Network:
    return network(open_text(text), {})


def test_an_operator_may_be_hidden_by_a_block() -> None:
    built = build("block relu { conv(2, 1) }\narch A { input x: [4, 8, 8]\nrelu }")
    assert built.outputs == {"output": (2, 8, 8)}


def test_what_a_branch_binds_is_seen_after_it() -> None:
    built = build("arch A { input x: [4, 8, 8]\nadd { conv(4, 1); { conv(7, 1) as inner; conv(4, 1) } }\ninner }")
    assert built.outputs == {"output": (7, 8, 8)}


def test_a_module_is_applied_in_loops_and_braces_of_its_scope() -> None:
    built = build(
        "block b { module m = conv(4, 1); repeat 2 { m }; add { m; identity } }\narch A { input x: [4, 8, 8]\nb -> b }"
    )
    assert list(built.module().state_dict()) == ["0.m.weight", "0.m.bias", "1.m.weight", "1.m.bias"]


def test_a_block_may_stand_after_its_use() -> None:
    assert build("arch A { input x: [4]\nlater }\nblock later { linear(2) }").outputs == {"output": (2,)}


def test_braces_in_a_string_that_is_no_label_and_no_message_are_text() -> None:
    build('arch A { input x: [4]\nlet s = "{x}"\nrequire len(s) == 3\nlinear(2) }')


def test_labels_are_not_names() -> None:
    with pytest.raises(ArchError, match="`stem` is a label, not the name of a value"):
        build("arch A { input x: [4]\nstem: linear(4)\nadd { identity; stem } }")


def test_a_docstring_may_stand_in_a_block_and_an_arch() -> None:
    build('block b { """One."""\nrelu }\narch A { """Two."""\ninput x: [4]\nb }')


def test_the_file_names_the_default_arch_whatever_its_case(tmp_path: Path) -> None:
    file = tmp_path / "res_net_8.arch"
    file.write_text("arch Other { input x: [4]; relu }\narch ResNet8 { input x: [4]; linear(2) }")
    assert compile(file).name == "ResNet8"
    assert compile(f"{file}:Other").name == "Other"
