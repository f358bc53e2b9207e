"""Networks are counted before they are made: too large ones are refused with what multiplies, others never."""

import pytest

import archc
from archc.compiler.elaboration.builder import MOST_LAYERS
from archc.compiler.pipeline import check
from archc.files import open_text


def refused(body: str, before: str = "", limit: int = 5_000) -> str:
    with pytest.raises(archc.ArchError) as caught:
        check(open_text(f"{before}\narch A {{ input x: [3, 8, 8]\n{body}\n}}").definition, {}, max_layers=limit)
    (found,) = caught.value.diagnostics
    assert found.code == "E0702"
    return f"{found.message} | {found.help}"


def test_loops_and_blocks_that_multiply_are_shown() -> None:
    message = refused("repeat 10 { b0 }", "block b0 { b1; relu; b1 }\nblock b1 { repeat 1000 as i { relu } }")
    assert "at least 20,010 layers, and the limit is 5,000" in message
    assert "`repeat 10` at 4:1 x `b1` twice (1:12, 1:22) x `repeat 1000 as i` at 2:12 = 10 x 2 x 1,000" in message
    assert "`--max-layers` raises the limit" in message


def test_equal_factors_are_a_power() -> None:
    blocks = "".join(f"block b{i} {{ b{i + 1}; b{i + 1} }}\n" for i in range(60))
    message = refused("b0", blocks + "block b60 { relu }")
    assert "at least 2^60 layers" in message
    assert " x ... x `b60` twice (60:13, 60:18) = 2^60" in message


@pytest.mark.parametrize(
    "body",
    [
        "repeat 5000 { relu }",
        "repeat 4000 as i { if i % 2 == 0 { relu } }",
        "repeat 1500 as i { if i == 0 { repeat 1500 { relu } } }",
        "repeat 4000 { if in_channels(x) == 3 { relu } }",
        "repeat 100 { repeat 50 { relu } }",
        "for n in range(1500) { repeat n // 1000 { relu } }",
        "let n = x.channels\nrepeat 1500 { if n == 4 { repeat 10 { relu } } else { relu } }",
    ],
)
def test_no_network_within_the_limit_is_refused(body: str) -> None:
    text = f"let in_channels(v) = 3\narch A {{ input x: [3, 8, 8]\n{body}\n}}"
    assert check(open_text(text).definition, {}, max_layers=5_000).shaped.graph.nodes is not None


def test_one_layer_more_is_refused() -> None:
    assert "at least 5,001 layers" in refused("repeat 5001 { relu }")
    assert "more than 5,000 layers" in refused("repeat 71 { repeat 71 { if x.channels == 3 { relu } } }")


def test_the_limit_can_be_set_in_python_too() -> None:
    with pytest.raises(archc.ArchError, match="more than 10 layers"):
        archc.compile("resnet18", max_layers=10)


def test_the_limit_can_be_raised() -> None:
    """Refused by the raised limit, and before anything is made: to make 200,000 layers takes many seconds."""
    assert "at least 200,001 layers, and the limit is 200,000" in refused("repeat 200_001 { relu }", limit=MOST_LAYERS)
    assert "at least 250,001 layers, and the limit is 250,000" in refused("repeat 250_001 { relu }", limit=250_000)
