"""What torch refuses, archc refuses: at the argument or input that is wrong, with a message that says both sides."""

import re
import warnings

import pytest
import torch

from archc.compiler.algebra.sizes import symbol
from archc.compiler.ir import Tensor
from archc.compiler.ops import OPS
from archc.compiler.ops.entry import Call, Op, Problem
from tests.compiler.operators import NAMES, inferred, parsed, tensor

Shapes = tuple[tuple[int, ...], ...]

# A use, its inputs, the code, the argument or input that is pointed at, words of the message, the same in torch.
REFUSALS: list[tuple[str, Shapes, str, str | int | None, str, str]] = [
    (
        "conv(8, 7)",
        ((3, 3, 3),),
        "E0302",
        "kernel_size",
        "it covers 7x7, the input is 3x3 with padding 0",
        "nn.Conv2d(3, 8, 7)(x0)",
    ),
    (
        "conv(8, 3, dilation=3, padding=1)",
        ((3, 4, 9),),
        "E0302",
        "kernel_size",
        "it covers 7x7 (kernel 3x3, dilation 3x3), the input is 4x9 with padding 1",
        "nn.Conv2d(3, 8, 3, dilation=3, padding=1)(x0)",
    ),
    (
        "conv(8, 3, groups=3)",
        ((4, 9, 9),),
        "E0304",
        "groups",
        "4 is not a multiple of 3",
        "nn.Conv2d(4, 8, 3, groups=3)(x0)",
    ),
    (
        "conv(9, 3, groups=2)",
        ((4, 9, 9),),
        "E0304",
        "groups",
        "9 is not a multiple of 2",
        "nn.Conv2d(4, 9, 3, groups=2)(x0)",
    ),
    (
        'conv(8, 3, padding="same", stride=2)',
        ((4, 9, 9),),
        "E0205",
        "padding",
        "which a stride other than 1 does not",
        'nn.Conv2d(4, 8, 3, padding="same", stride=2)(x0)',
    ),
    (
        "conv(8, (3, 3, 3))",
        ((4, 9, 9),),
        "E0303",
        "kernel_size",
        "has 3 numbers, but the input has 2",
        "nn.Conv2d(4, 8, (3, 3, 3))(x0)",
    ),
    (
        'conv(8, 3, padding=4, padding_mode="reflect")',
        ((4, 4, 9),),
        "E0302",
        "padding_mode",
        "more than the padding",
        'nn.Conv2d(4, 8, 3, padding=4, padding_mode="reflect")(x0)',
    ),
    (
        'conv(8, 3, padding=5, padding_mode="circular")',
        ((4, 4, 9),),
        "E0302",
        "padding_mode",
        "at least the padding",
        'nn.Conv2d(4, 8, 3, padding=5, padding_mode="circular")(x0)',
    ),
    (
        "conv(8, 3)",
        ((400,),),
        "E0303",
        0,
        "1 to 3 spatial axes after the channels, but the input is 400",
        "nn.Conv1d(400, 8, 3)(x0)",
    ),
    ("conv(8, 3)", ((2, 3, 4, 5, 6),), "E0303", 0, "has 4 axes after the first", "nn.Conv3d(2, 8, 3)(x0)"),
    (
        "conv_transpose(8, 3, stride=2, output_padding=2)",
        ((4, 5, 5),),
        "E0205",
        "output_padding",
        "2 is not below 2",
        "nn.ConvTranspose2d(4, 8, 3, stride=2, output_padding=2)(x0)",
    ),
    (
        "conv_transpose(8, 3, padding=4)",
        ((4, 5, 5),),
        "E0302",
        "padding",
        "would become -1x-1",
        "nn.ConvTranspose2d(4, 8, 3, padding=4)(x0)",
    ),
    ("linear(10)", ((),), "E0303", 0, "a single number", "nn.Linear(1, 10)(x0)"),
    ("bilinear(5)", ((7, 3), (6, 4)), "E0301", 1, "branch 1 is 7x3, branch 2 is 6x4", "nn.Bilinear(3, 4, 5)(x0, x1)"),
    ("batch_norm", ((2, 3, 4, 5, 6),), "E0303", 0, "4 axes after the first", "nn.BatchNorm3d(2)(x0)"),
    ("group_norm(3)", ((4, 5, 5),), "E0304", "num_groups", "4 is not a multiple of 3", "nn.GroupNorm(3, 4)(x0)"),
    ("instance_norm", ((4, 1, 1),), "E0302", 0, "has only one", "nn.InstanceNorm2d(4)(x0)"),
    ("local_response_norm(2)", ((4,),), "E0303", 0, "only features", "nn.LocalResponseNorm(2)(x0)"),
    ("layer_norm(dim=3)", ((4, 5),), "E0205", "dim", "no axis 3", "x0.movedim(3, -1)"),
    ("max_pool(2)", ((4, 1, 1),), "E0302", "kernel_size", "it covers 2x2, the input is 1x1", "nn.MaxPool2d(2)(x0)"),
    (
        "max_pool(3, padding=2)",
        ((4, 5, 5),),
        "E0205",
        "padding",
        "2 is more than half of 3",
        "nn.MaxPool2d(3, padding=2)(x0)",
    ),
    (
        "avg_pool(3, padding=2)",
        ((4, 5, 5),),
        "E0205",
        "padding",
        "2 is more than half of 3",
        "nn.AvgPool2d(3, padding=2)(x0)",
    ),
    (
        "avg_pool(4, padding=2)",
        ((4, 3, 5, 5),),
        "E0302",
        "kernel_size",
        "as large as the kernel",
        "nn.AvgPool3d(4, padding=2)(x0)",
    ),
    ("lp_pool(0, 2)", ((4, 5, 5),), "E0205", "norm_type", "must not be 0", "nn.LPPool2d(0, 2)(x0)"),
    (
        "adaptive_avg_pool((1, 2, 3))",
        ((4, 5, 5),),
        "E0303",
        "output_size",
        "has 3 numbers",
        "nn.AdaptiveAvgPool2d((1, 2, 3))(x0)",
    ),
    ("glu", ((5,),), "E0304", 0, "its size 5 is odd", "nn.GLU()(x0)"),
    ("celu(0)", ((5,),), "E0205", "alpha", "must not be 0", "nn.CELU(0)(x0)"),
    ("hardtanh(1, -1)", ((5,),), "E0205", "max_val", "-1 is not larger than 1", "nn.Hardtanh(1, -1)(x0)"),
    ("rrelu(0.5, 0.1)", ((5,),), "E0205", "lower", "0.5 is above 0.1", "nn.RReLU(0.5, 0.1)(x0)"),
    ("prelu(3)", ((4, 5, 5),), "E0301", "num_parameters", "it is 3, the input is 4x5x5", "nn.PReLU(3)(x0)"),
    ("softmax(dim=3)", ((4, 5),), "E0205", "dim", "no axis 3", "nn.Softmax(dim=3)(x0)"),
    ("add", ((64, 56, 56), (128, 28, 28)), "E0301", 1, "branch 1 is 64x56x56, branch 2 is 128x28x28", "x0 + x1"),
    ("mul", ((4, 5), (4, 1), (3, 5)), "E0301", 2, "branch 1 is 4x5, branch 3 is 3x5", "x0 * x1 * x2"),
    (
        "concat",
        ((4, 5, 5), (4, 5, 6)),
        "E0301",
        1,
        "branch 1 is 4x5x5, branch 2 is 4x5x6",
        "torch.cat([x0, x1], dim=1)",
    ),
    ("concat(dim=4)", ((4, 5), (4, 5)), "E0205", "dim", "no axis 4", "torch.cat([x0, x1], dim=4)"),
    (
        "stack",
        ((4, 5), (5, 4)),
        "E0301",
        1,
        "have one size: branch 1 is 4x5, branch 2 is 5x4",
        "torch.stack([x0, x1], dim=1)",
    ),
    ("matmul", ((4, 5), (4, 5)), "E0301", 1, "branch 1 is 4x5, branch 2 is 4x5 (5 and 4)", "x0 @ x1"),
    ("matmul", ((3, 4, 5), (2, 5, 6)), "E0301", 1, "branch 1 is 3, branch 2 is 2", "x0 @ x1"),
    ("flatten(2, 1)", ((4, 5),), "E0205", "start_dim", "axis 2 is after 1", "torch.flatten(x0, 2, 1)"),
    ("reshape([5, -1])", ((4, 6),), "E0304", "shape", "24 into 5x-1", "x0.reshape(2, 5, -1)"),
    ("reshape([5, 5])", ((4, 6),), "E0301", "shape", "24 into 5x5", "x0.reshape(2, 5, 5)"),
    ("unflatten(1, [3, 5])", ((16,),), "E0301", "unflattened_size", "16 into 3x5", "x0.unflatten(1, (3, 5))"),
    ("permute([0, 2, 2])", ((4, 6),), "E0205", "dims", "each axis once", "x0.permute(0, 2, 2)"),
    ("transpose(1, 4)", ((4, 6),), "E0205", "dim1", "no axis 4", "x0.transpose(1, 4)"),
    ("unsqueeze(5)", ((4, 6),), "E0205", "dim", "no axis 5", "x0.unsqueeze(5)"),
    (
        'pad((1, 1, 9, 1), mode="reflect")',
        ((3, 5, 6),),
        "E0302",
        "padding",
        "does not fit axis 2",
        'F.pad(x0, (1, 1, 9, 1), mode="reflect")',
    ),
    ("pad((-3, -3))", ((3, 5, 6),), "E0302", "padding", "does not fit axis 3", "F.pad(x0, (-3, -4))"),
    ("pad((1, 1, 1))", ((3, 5, 6),), "E0205", "padding", "two numbers for each axis", "F.pad(x0, (1, 1, 1))"),
    ("select(1, 7)", ((7, 16),), "E0302", "index", "no place 7 in axis 1", "x0.select(1, 7)"),
    ("split([2, 5])", ((8, 5),), "E0301", "split_size", "2 + 5 is 7, not 8", "x0.split((2, 5), dim=1)"),
    ("roll([1, 2], 1)", ((8, 5),), "E0205", "shifts", "2 of them for 1", "torch.roll(x0, (1, 2), 1)"),
    (
        'interpolate(scale_factor=2, mode="bilinear")',
        ((3, 8),),
        "E0205",
        "mode",
        "has 1",
        'F.interpolate(x0, scale_factor=2, mode="bilinear")',
    ),
    (
        "interpolate(scale_factor=2, align_corners=true)",
        ((3, 8, 8),),
        "E0205",
        "align_corners",
        "no meaning",
        "F.interpolate(x0, scale_factor=2, align_corners=True)",
    ),
    ("interpolate", ((3, 8, 8),), "E0201", "", "either `size` or `scale_factor`", "F.interpolate(x0)"),
    (
        "interpolate(4, scale_factor=2)",
        ((3, 8, 8),),
        "E0203",
        "scale_factor",
        "either `size`",
        "F.interpolate(x0, size=4, scale_factor=2)",
    ),
    (
        "interpolate(scale_factor=0.1)",
        ((3, 8, 8),),
        "E0302",
        "scale_factor",
        "scaled is 0x0",
        "F.interpolate(x0, scale_factor=0.1)",
    ),
    ("pixel_shuffle(2)", ((6, 4, 4),), "E0304", "upscale_factor", "a multiple of 4 channels", "F.pixel_shuffle(x0, 2)"),
    ("pixel_unshuffle(2)", ((6, 5, 4),), "E0304", "downscale_factor", "multiples of 2", "F.pixel_unshuffle(x0, 2)"),
    ("channel_shuffle(4)", ((6, 5, 4),), "E0304", "groups", "6 is not a multiple of 4", "F.channel_shuffle(x0, 4)"),
    ("mean((1, 1))", ((4, 5),), "E0205", "dim", "given twice", "x0.mean(dim=(1, 1))"),
    ("clamp", ((4, 5),), "E0201", "", "needs `min` or `max`", "x0.clamp()"),
    (
        "multihead_attention(3)",
        ((7, 16),),
        "E0304",
        "num_heads",
        "16 is not a multiple of 3",
        "nn.MultiheadAttention(16, 3, batch_first=True)(x0, x0, x0)",
    ),
    (
        "multihead_attention(2)",
        ((7, 16), (9, 16), (8, 16)),
        "E0301",
        2,
        "branch 2 is 9x16, branch 3 is 8x16",
        "nn.MultiheadAttention(16, 2, batch_first=True)(x0, x1, x2)",
    ),
    ("lstm(6, proj_size=6)", ((7, 5),), "E0205", "proj_size", "6 is not below 6", "nn.LSTM(5, 6, proj_size=6)(x0)"),
    (
        "gru(6)",
        ((7, 5), (2, 6)),
        "E0301",
        1,
        "is 1x6",
        "nn.GRU(5, 6, batch_first=True)(x0, x1.transpose(0, 1).contiguous())",
    ),
    ("embedding(10, 4)", ((7,),), "E0307", 0, "the input holds float32", "nn.Embedding(10, 4)(x0)"),
]

# Values of arguments that no kind takes, and that torch refuses too.
BAD_VALUES: list[tuple[str, str, object, str]] = [
    ("conv", "stride", 0, "nn.Conv2d(2, 2, 1, stride=0)(x)"),
    ("conv", "padding", -1, "nn.Conv2d(2, 2, 1, padding=-1)(x)"),
    ("conv", "kernel_size", 0, "nn.Conv2d(2, 2, 0)(x)"),
    ("conv", "kernel_size", 2.5, "nn.Conv2d(2, 2, 2.5)(x)"),
    ("conv", "dilation", 0, "nn.Conv2d(2, 2, 1, dilation=0)(x)"),
    ("conv", "groups", 0, "nn.Conv2d(2, 2, 1, groups=0)(x)"),
    ("conv", "out_channels", -1, "nn.Conv2d(2, -1, 1)(x)"),
    ("conv", "padding", "full", 'nn.Conv2d(2, 2, 1, padding="full")(x)'),
    ("conv", "padding_mode", "mirror", 'nn.Conv2d(2, 2, 1, padding_mode="mirror")(x)'),
    ("max_pool", "kernel_size", 0, "nn.MaxPool2d(0)(x)"),
    ("max_pool", "dilation", 0, "nn.MaxPool2d(1, dilation=0)(x)"),
    ("avg_pool", "divisor_override", 0, "nn.AvgPool2d(1, divisor_override=0)(x)"),
    ("adaptive_avg_pool", "output_size", -1, "nn.AdaptiveAvgPool2d(-1)(x)"),
    ("dropout", "p", 1.5, "nn.Dropout(1.5)(x)"),
    ("stochastic_depth", "p", -0.5, "torchvision.ops.StochasticDepth(-0.5, 'row')(x)"),
    ("stochastic_depth", "mode", "column", "torchvision.ops.StochasticDepth(0.5, 'column')(x)"),
    ("batch_norm", "eps", 0, "nn.BatchNorm2d(2, eps=0)(x)"),
    ("softshrink", "lambd", -1, "nn.Softshrink(-1)(x)"),
    ("gelu", "approximate", "fast", 'nn.GELU(approximate="fast")(x)'),
    ("interpolate", "mode", "lanczos", 'F.interpolate(x, scale_factor=2, mode="lanczos")'),
    ("lstm", "hidden_size", 0, "nn.LSTM(2, 0)(x)"),
    ("pixel_shuffle", "upscale_factor", 0, "F.pixel_shuffle(x, 0)"),
    ("reshape", "shape", [-1, -1], "x.reshape(2, -1, -1)"),
]


@pytest.mark.parametrize(
    ("text", "shapes", "code", "place", "words", "same"), REFUSALS, ids=[row[0] for row in REFUSALS]
)
def test_what_torch_refuses_is_refused(
    text: str, shapes: Shapes, code: str, place: str | int | None, words: str, same: str
) -> None:
    op, arguments = parsed(text)
    inputs = [Tensor(shape) for shape in shapes]
    with pytest.raises(Problem, match=re.escape(words)) as found:
        inferred(op, arguments, inputs)
    problem = found.value
    assert problem.code == code
    assert (problem.argument if isinstance(place, str) else problem.input) == place
    assert problem.argument in ("", *arguments)
    assert 0 < len(problem.label) <= 80
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(
            (RuntimeError, ValueError, TypeError, IndexError, AssertionError, ZeroDivisionError, NotImplementedError)
        ):
            eval(same, {**NAMES, **{f"x{i}": tensor(x, "cpu") for i, x in enumerate(inputs)}})


@pytest.mark.parametrize(
    ("name", "parameter", "value", "same"), BAD_VALUES, ids=[f"{row[0]} {row[1]}={row[2]}" for row in BAD_VALUES]
)
def test_a_value_that_torch_refuses_is_of_no_kind(name: str, parameter: str, value: object, same: str) -> None:
    (kind,) = [p.kind for p in OPS[name].parameters if p.name == parameter]
    assert not kind.accepts(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((RuntimeError, ValueError, TypeError, NotImplementedError, ZeroDivisionError)):
            eval(same, {**NAMES, "x": torch.ones(2, 2, 3, 3)})


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_no_parameter_takes_a_truth_value_for_a_number(op: Op) -> None:
    for parameter in op.parameters:
        if "`true`" not in parameter.kind.words:
            for value in (True, [True], (True, False), float("nan"), float("inf"), 2**60, {}, object()):
                assert not parameter.kind.accepts(value), (parameter.name, value)


@pytest.mark.parametrize(
    ("text", "shape", "what"),
    [
        ("linear(10)", (3, symbol("W")), "the number of input features"),
        ("conv(8, 3)", (symbol("C"), 8, 8), "the number of input channels"),
        ("batch_norm", (symbol("C"), 8, 8), "the number of channels"),
        ("layer_norm", (7, symbol("F")), "a normalised size"),
        ("interpolate(scale_factor=0.3)", (3, symbol("H"), 8), "H times 0.3"),
    ],
)
def test_the_size_of_a_weight_must_be_a_number(text: str, shape: tuple[object, ...], what: str) -> None:
    op, arguments = parsed(text)
    with pytest.raises(Problem, match=what) as found:
        op.shape(Call(arguments, (Tensor(shape),)))  # type: ignore[arg-type]
    assert found.value.code == "E0305"


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("permute([1, 0, 2])", ((3, 4),)),
        ("transpose(0, 1)", ((3, 4),)),
        ("concat(dim=0)", ((3, 4), (3, 4))),
        ("stack(dim=0)", ((3, 4), (3, 4))),
        ("flatten(0)", ((3, 4),)),
        ("flatten(-3)", ((3, 4),)),
        ("mean(0)", ((3, 4),)),
        ("sum((0, 1))", ((3, 4),)),
        ("softmax(dim=0)", ((3, 4),)),
        ("softmax", ((3, 4),)),
        ("unsqueeze(0)", ((3, 4),)),
        ("squeeze(0)", ((3, 4),)),
        ("chunk(2, dim=0)", ((3, 4),)),
        ("roll(1, 0)", ((3, 4),)),
        ("select(0, 1)", ((3, 4),)),
        ("slice(0, 1)", ((3, 4),)),
        ("layer_norm(dim=0)", ((3, 4),)),
    ],
)
def test_the_batch_is_neither_mixed_nor_moved(text: str, shapes: Shapes) -> None:
    op, arguments = parsed(text)
    with pytest.raises(Problem, match="batch") as found:
        inferred(op, arguments, [Tensor(shape) for shape in shapes])
    assert found.value.code == "E0205"
    assert found.value.help
