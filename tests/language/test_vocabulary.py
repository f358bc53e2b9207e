"""Section "The language", before its rules: names of operators, their arguments, ranks and axes.

Each test is named for a sentence and quotes it.
"""

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archc.compiler.ops import OPS
from archc.compiler.ops.entry import REQUIRED
from tests.language.texts import arch, close, keys, module, refused, sizes

# Operators of the language whose calculation torch has elsewhere than in torch.nn.functional, or not at all.
ELSEWHERE = {
    "global_avg_pool": "adaptive_avg_pool with the size 1",
    "stochastic_depth": "torchvision.ops",
    "concat": "torch.concat",
    "crop": "torchvision.transforms.functional",
    "take": "one of several values",
    "rearrange": "einops",
    "lstm": "torch.nn.LSTM",
    "gru": "torch.nn.GRU",
    "rnn": "torch.nn.RNN",
    "multihead_attention": "torch.nn.MultiheadAttention",
    "slice": "Python's slices",
    "parameter": "torch.nn.Parameter",
    "buffer": "register_buffer",
    "constant": "register_buffer(persistent=False)",
}

# An operator, its module, and the arguments it does without: the input's shape determines them, or they are about
# PyTorch's memory, not about the network.
MODULES = [
    ("conv", nn.Conv2d, {"in_channels"}),
    ("conv_transpose", nn.ConvTranspose2d, {"in_channels"}),
    ("linear", nn.Linear, {"in_features"}),
    ("bilinear", nn.Bilinear, {"in1_features", "in2_features"}),
    ("batch_norm", nn.BatchNorm2d, {"num_features"}),
    ("group_norm", nn.GroupNorm, {"num_channels"}),
    ("instance_norm", nn.InstanceNorm2d, {"num_features"}),
    ("local_response_norm", nn.LocalResponseNorm, set()),
    ("max_pool", nn.MaxPool2d, set()),
    ("avg_pool", nn.AvgPool2d, set()),
    ("lp_pool", nn.LPPool2d, set()),
    ("adaptive_avg_pool", nn.AdaptiveAvgPool2d, set()),
    ("leaky_relu", nn.LeakyReLU, {"inplace"}),
    ("elu", nn.ELU, {"inplace"}),
    ("gelu", nn.GELU, set()),
    ("softplus", nn.Softplus, set()),
    ("prelu", nn.PReLU, set()),
    ("softmax", nn.Softmax, set()),
    ("dropout", nn.Dropout, {"inplace"}),
    ("flatten", nn.Flatten, set()),
    ("pixel_shuffle", nn.PixelShuffle, set()),
    ("multihead_attention", nn.MultiheadAttention, {"embed_dim", "kdim", "vdim", "batch_first"}),
    ("embedding", nn.Embedding, {"_weight", "_freeze"}),
]


def test_op_names_are_those_of_torch_nn_functional_without_the_dimension_suffix() -> None:
    """Op names are those of `torch.nn.functional` without the dimension suffix."""
    for name in OPS:
        named = [name, f"{name}1d", f"{name}2d", f"{name}3d"]
        known = any(hasattr(place, text) for place in (F, torch, torch.Tensor) for text in named)
        assert known or name in ELSEWHERE, name
        assert name[-2:] not in ("1d", "2d", "3d")
    assert set(ELSEWHERE) | {"conv", "max_pool", "batch_norm", "conv_transpose"} <= set(OPS)


def test_a_dimension_suffix_is_refused_with_the_name_without_it() -> None:
    refused(arch("conv2d(8, 3)"), "E0101", "conv2d", "`conv(out_channels, kernel_size)`")


@pytest.mark.parametrize(("name", "torch_module", "left_out"), MODULES, ids=[name for name, _, _ in MODULES])
def test_their_arguments_are_those_of_the_module(name: str, torch_module: type[nn.Module], left_out: set[str]) -> None:
    """Their arguments are those of the `nn.Module` without those that the input's shape determines."""
    theirs = {
        parameter.name: REQUIRED if parameter.default is inspect.Parameter.empty else parameter.default
        for parameter in inspect.signature(torch_module).parameters.values()
        if parameter.name not in left_out | {"self", "device", "dtype"}
    }
    ours = {parameter.name: parameter.default for parameter in OPS[name].parameters}
    assert ours == theirs
    assert list(ours) == list(theirs), "same order"


def test_an_argument_that_the_shape_determines_cannot_be_given() -> None:
    refused(arch("conv(8, 3, in_channels=4)"), "E0202", "in_channels", "`conv` has no parameter `in_channels`")


@pytest.mark.parametrize(
    ("size", "expected"), [("[4, 9]", nn.Conv1d), ("[4, 9, 9]", nn.Conv2d), ("[4, 9, 9, 9]", nn.Conv3d)]
)
def test_the_rank_of_the_value_picks_1d_2d_or_3d(size: str, expected: type[nn.Module]) -> None:
    """The rank of the value picks 1d, 2d or 3d."""
    layer = module(arch("c: conv(2, 3, stride=2)", x=size)).get_submodule("c")
    assert type(layer) is expected


def test_a_rank_that_the_op_does_not_have_is_refused() -> None:
    refused(arch("conv(8, 1)", x="[4]"), "E0303", "conv(8, 1)", "1 to 3 spatial axes")


@pytest.mark.parametrize("size", ["[4]", "[4, 9]", "[4, 9, 9]", "[4, 9, 9, 9]"])
def test_dropout_is_elementwise_at_every_rank(size: str) -> None:
    """`dropout` is elementwise at every rank."""
    assert type(module(arch("d: dropout(0.5)", x=size)).get_submodule("d")) is nn.Dropout


def test_feature_dropout_drops_channels() -> None:
    """`feature_dropout` drops channels."""
    net = module(arch("feature_dropout(0.5)", x="[64, 3, 3]")).train()
    torch.manual_seed(0)
    found = net(torch.ones(2, 64, 3, 3))
    per_channel = found.flatten(2)
    assert bool((per_channel == per_channel[..., :1]).all()), "a channel is dropped whole or kept whole"
    assert set(found.unique().tolist()) == {0.0, 2.0}


def test_alpha_dropout_and_feature_alpha_dropout_are_torchs() -> None:
    """`alpha_dropout`, `feature_alpha_dropout` as in torch."""
    net = module(arch("a: alpha_dropout(0.2) -> b: feature_alpha_dropout(0.3)"))
    assert (repr(net.a), repr(net.b)) == (repr(nn.AlphaDropout(0.2)), repr(nn.FeatureAlphaDropout(0.3)))


def test_in_an_expression_a_compile_time_function_wins_over_an_op_of_its_name() -> None:
    """In an expression a compile-time function wins over an op of its name."""
    assert sizes(arch("conv(max(3, 5), 1) -> max(dim=1)")) == (16, 16), "as a stage `max` is the op"
    assert sizes(arch("conv(abs(-3), round(1.2))")) == (3, 16, 16)
    refused(
        arch("apply(max)", before="block apply(act: op) { act }"),
        "E0204",
        "max",
        "must be an op, and this is a function",
    )


def test_sizes_are_written_without_the_batch() -> None:
    """Sizes are written without the batch."""
    net = module(arch("conv(2, 3)", x="[4, 9, 7]"))
    assert net(torch.zeros(5, 4, 9, 7)).shape == (5, 2, 7, 5)
    assert sizes(arch("conv(2, 3)", x="[4, 9, 7]")) == (2, 7, 5)


def test_axes_are_numbered_as_in_torch() -> None:
    """Axes are numbered as in torch, so 0 is the batch, `dim=1` the channels; negative numbers count from the end."""
    x = torch.randn(2, 3, 4, 5)
    for body, expected in {
        "concat(dim=1) { x; x }": torch.cat([x, x], dim=1),
        "concat(dim=-1) { x; x }": torch.cat([x, x], dim=-1),
        "mean(dim=2)": x.mean(dim=2),
        "transpose(1, -1)": x.transpose(1, -1),
        "select(1, 0)": x.select(1, 0),
        "permute([0, 2, 3, 1])": x.permute(0, 2, 3, 1),
        "softmax(dim=1)": x.softmax(dim=1),
        "flatten(2)": x.flatten(2),
        "unsqueeze(1)": x.unsqueeze(1),
    }.items():
        close(module(arch(body, x="[3, 4, 5]"))(x), expected)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("concat(dim=0) { x; x }", "dim=0"),
        ("concat(dim=-4) { x; x }", "dim=-4"),
        ("mean(dim=0)", "dim=0"),
        ("softmax(dim=0)", "dim=0"),
        ("transpose(0, 1)", "0"),
        ("flatten(0)", "0"),
        ("permute([1, 0, 2, 3])", "[1, 0, 2, 3]"),
        ("select(0, 0)", "0"),
        ("roll(1, 0)", "0"),
        ("chunk(2, dim=0) as (a, b)", "dim=0"),
        ("cumsum(0)", "0"),
        ("layer_norm(dim=0)", "dim=0"),
    ],
)
def test_an_op_that_would_mix_or_move_the_batch_is_an_error(body: str, place: str) -> None:
    """An op that would mix or move the batch of a value is an error."""
    refused(arch(body), "E0205", place, "batch")


def test_an_axis_that_is_not_there_is_refused() -> None:
    refused(arch("mean(dim=4)"), "E0205", "dim=4", "there is no axis 4")
    refused(arch("mean(dim=-5)"), "E0205", "dim=-5", "there is no axis -5")


def test_layer_norm_takes_dim() -> None:
    """`layer_norm`, whose torch arguments are sizes, takes `dim=-1`."""
    x = torch.randn(2, 3, 4, 5)
    net = module(arch("n: layer_norm", x="[3, 4, 5]"))
    close(net(x), F.layer_norm(x, [5]))
    assert net.state_dict()["n.weight"].shape == (5,)
    same = module(arch("n: layer_norm(dim=-1)", x="[3, 4, 5]"))
    close(same(x), F.layer_norm(x, [5]))


def test_layer_norm_of_dim_1_normalises_the_channels_of_a_map() -> None:
    """`layer_norm(dim=1)` normalises the channels of a map."""
    x = torch.randn(2, 3, 4, 5)
    net = module(arch("n: layer_norm(dim=1)", x="[3, 4, 5]"))
    close(net(x), F.layer_norm(x.permute(0, 2, 3, 1), [3]).permute(0, 3, 1, 2))
    assert net.state_dict()["n.weight"].shape == (3,)


BASIC = """
inline block shortcut(channels, stride) {
    if stride != 1 or in.channels != channels {
        downsample: { conv(channels, 1, stride=stride, bias=false) -> batch_norm }
    }
}
block basic(channels, stride = 1) {
    add {                                              # several inputs
        {
            conv1: conv(channels, 3, stride=stride, padding=1, bias=false)
            bn1: batch_norm -> relu
            conv2: conv(channels, 3, padding=1, bias=false)
            bn2: batch_norm
        }
        shortcut(channels, stride)
    }
    relu
}
"""


def test_several_inputs_every_statement_in_the_braces_is_a_branch_from_the_same_value() -> None:
    """Several inputs: every statement in the braces is a branch from the same value (the example `basic`)."""
    net = module(arch("basic(8, stride=2)", before=BASIC)).eval()
    block = net.get_submodule("0")
    x = torch.randn(2, 4, 16, 16)
    y = F.relu(block.bn1(F.conv2d(x, block.conv1.weight, stride=2, padding=1)))
    y = block.bn2(F.conv2d(y, block.conv2.weight, padding=1))
    shortcut = block.downsample[1](F.conv2d(x, block.downsample[0].weight, stride=2))
    close(net(x), F.relu(y + shortcut))
    assert keys(arch("basic(4)", before=BASIC))[0] == "0.conv1.weight"
    assert not any("downsample" in key for key in keys(arch("basic(4)", before=BASIC))), "the value passes through"
