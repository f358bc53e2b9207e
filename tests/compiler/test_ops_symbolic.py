"""Arguments that are sizes of the input, known only when the network runs: what is written for them, and run."""

import pytest
import torch

from archc.compiler.algebra.sizes import Size, evaluate, symbol
from archc.compiler.ir import Tensor
from archc.compiler.ops import OPS
from archc.compiler.ops.entry import Problem
from tests.compiler.operators import NAMES, expression_text, filled, inferred

H, W = symbol("H"), symbol("W")
AT = {"H": 12, "W": 10}

MIDDLE = "x0[..., (x0.shape[2] + 1) // 4:x0.shape[2] // 2 + (x0.shape[2] + 1) // 4]"

USES: list[tuple[str, dict[str, object], tuple[tuple[Size, ...], ...], str]] = [
    (
        "interpolate",
        {"size": (H, W)},
        ((3, 2 * H, 2 * W + 1),),
        "F.interpolate(x0, size=(x0.shape[2] // 2, x0.shape[3] // 2))",
    ),
    (
        "interpolate",
        {"mode": "bilinear"},
        ((3, H // 8, W // 8), (1, H, W)),
        "F.interpolate(x0, size=x1.shape[2:], mode='bilinear')",
    ),
    ("interpolate", {"size": H}, ((3, H),), "F.interpolate(x0, size=(x0.shape[2],))"),
    ("crop", {"size": (H - 4, W)}, ((3, H, W),), "x0[..., 2:-2, :]"),
    ("crop", {"size": (H - 1, 4)}, ((3, H, W),), "x0[..., 0:-1, (x0.shape[3] - 4) // 2:x0.shape[3] // 2 + 2]"),
    (
        "crop",
        {},
        ((3, H, W), (5, H // 2, W)),
        "x0[..., (x0.shape[2] + 1) // 4:x0.shape[2] // 2 + (x0.shape[2] + 1) // 4, :]",
    ),
    ("slice", {"dim": 2, "start": H // 2}, ((3, H),), "x0[:, :, x0.shape[2] // 2:]"),
    ("slice", {"dim": -1, "start": 2, "end": W - 1, "step": 2}, ((3, W),), "x0[:, :, 2:x0.shape[2] - 1:2]"),
    (
        "split",
        {"split_size": [H // 2, H - H // 2], "dim": 2},
        ((3, H),),
        "x0.split([x0.shape[2] // 2, (x0.shape[2] + 1) // 2], dim=2)",
    ),
    ("reshape", {"shape": [H * W, 3]}, ((3, H, W),), "x0.reshape(x0.shape[0], -1, 3)"),
    ("reshape", {"shape": [W, 3, H]}, ((3, H, W),), "x0.reshape(x0.shape[0], x0.shape[3], 3, x0.shape[2])"),
    ("unflatten", {"dim": 2, "unflattened_size": [2, -1]}, ((3, 2 * H),), "x0.unflatten(2, (2, -1))"),
    ("unflatten", {"dim": -1, "unflattened_size": [2, H // 4]}, ((3, H // 2),), "x0.unflatten(-1, (2, -1))"),
    (
        "reshape",
        {"shape": [3, H // 2, -1, 5]},
        ((3, H // 2, W),),
        "x0.reshape(x0.shape[0], 3, x0.shape[2], x0.shape[3] // 5, 5)",
    ),
    (
        "reshape",
        {"shape": [3, H // 2, 2 * W]},
        ((3, H, W),),
        "x0.reshape(x0.shape[0], 3, x0.shape[2] // 2, 2*x0.shape[3])",
    ),
    ("crop", {"size": (W - 1) // 4}, ((3, (W - 1) // 2),), MIDDLE),
    ("flatten", {}, ((3, H, W),), "torch.flatten(x0, 1)"),
]


@pytest.mark.parametrize(("name", "given", "shapes", "text"), USES, ids=[f"{row[0]} {row[1]}" for row in USES])
def test_a_size_of_the_input_as_an_argument(
    name: str, given: dict[str, object], shapes: tuple[tuple[Size, ...], ...], text: str
) -> None:
    op = OPS[name]
    call = inferred(op, filled(op, given, whole=True), [Tensor(shape) for shape in shapes])
    assert op.function is not None
    written = expression_text(op.function(call), [f"x{i}" for i in range(len(shapes))])
    assert written == text
    inputs = {f"x{i}": torch.ones(2, *(evaluate(n, AT) for n in shape)) for i, shape in enumerate(shapes)}
    result = eval(written, {**NAMES, **inputs})
    found = [tuple(y.shape) for y in (result if isinstance(result, tuple | list) else [result])]
    assert found == [(2, *(evaluate(n, AT) for n in y.shape)) for y in call.outputs]


@pytest.mark.parametrize(
    ("name", "given", "shape"),
    [
        ("interpolate", {"size": (H, W)}, (3, H // 2, W)),
        ("slice", {"dim": 1, "end": H}, (64, W)),
        ("reshape", {"shape": [H, W, 16]}, (H * W, 16)),
    ],
)
def test_a_size_that_the_inputs_do_not_tell_is_refused(
    name: str, given: dict[str, object], shape: tuple[Size, ...]
) -> None:
    op = OPS[name]
    with pytest.raises(Problem, match="do not tell") as found:
        inferred(op, filled(op, given, whole=True), [Tensor(shape)])
    assert found.value.code == "E0305"
    assert found.value.argument in given
