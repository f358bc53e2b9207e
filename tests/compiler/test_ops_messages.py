"""What archc says where torch has no words, or others: kinds of numbers, several inputs, given weights, patterns."""

import re

import pytest

from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Problem
from tests.compiler.operators import inferred, parsed


@pytest.mark.parametrize(
    ("text", "inputs", "code", "words"),
    [
        (
            "linear(10)",
            (Tensor((84,), "int64"),),
            "E0307",
            "`linear` needs floating-point numbers, but the input holds int64",
        ),
        (
            "conv(8, 3)",
            (Tensor((3, 8, 8), "float64"),),
            "E0307",
            "`conv` has float32 weights, but the input holds float64",
        ),
        ("sub", (Tensor((3,)), Tensor((3,), "bool")), "E0307", "no meaning for truth values"),
        ("where", (Tensor((3,)),) * 3, "E0307", "chooses by truth values"),
        ("take", (Tensor((9, 3), batched=False), Tensor((4,))), "E0307", "looks up whole numbers"),
        ("matmul", (Tensor((3, 4)), Tensor((4, 3), "float64")), "E0307", "one kind of numbers"),
        ("conv(8, 3)", (Tensor((3, 8, 8), batched=False),), "E0303", "works on values with a batch"),
        (
            "linear(9)",
            (Tensor((84,)), Tensor((10, 84), batched=False)),
            "E0301",
            "the weight of `linear` must be 9x84 here",
        ),
        (
            "linear",
            (Tensor((84,)), Tensor((84, 10), batched=False)),
            "E0301",
            "must be 84x84 here, but branch 2 is 84x10",
        ),
        (
            "linear",
            (Tensor((84,)), Tensor((84,), batched=False)),
            "E0303",
            "has 2 axes for the input 84, but branch 2 is 84",
        ),
        ("linear", (Tensor((84,)), Tensor((10, 84))), "E0303", "a weight has no batch axis"),
        (
            "conv",
            (Tensor((4, 9)), Tensor((6, 3, 3), batched=False)),
            "E0301",
            "the weight of `conv` must be 6x4x3 here",
        ),
        ("add", (Tensor((3,)),), "E0401", "`add` needs several values, or a number"),
        ("add(2)", (Tensor((3,)), Tensor((3,))), "E0401", "either several values or one number"),
        ("gt", (Tensor((3,)),), "E0401", "compares two values"),
        (
            "multihead_attention(2)",
            (Tensor((3, 4)), Tensor((3, 4))),
            "E0401",
            "takes one value, which attends to itself, or three",
        ),
        ("lstm(4)", (Tensor((3, 4)), Tensor((1, 4))), "E0401", "all its first states (h, c) or none"),
        ("add", (Tensor((3, 4)), Tensor((4,))), "E0301", "different numbers of axes"),
        ("add", (Tensor((3, 4)), Tensor((2, 3, 4), batched=False)), "E0301", "meets the batch and must be 1"),
        ("take", (Tensor((9, 3)), Tensor((4,), "int64")), "E0205", "the batch"),
        ("matmul", (Tensor((4, 3)), Tensor((3,))), "E0303", "would sum over the batch"),
        ("squeeze(1)", (Tensor((3, 4)),), "E0301", "axis 1 of 3x4 is 3"),
        ("chunk(4)", (Tensor((9, 4)),), "E0304", "does not give 4 chunks: each would have 3 of 9"),
        ("crop(9)", (Tensor((3, 4, 12)),), "E0302", "only makes smaller: the input is 4x12, wanted is 9x9"),
        ("crop", (Tensor((3, 4, 4)),), "E0201", "either `size` or a second value"),
        ("slice(1, 2, 9)", (Tensor((8, 5)),), "E0302", "there is no 9 in an axis of size 8"),
        ("slice(1, 5, 5)", (Tensor((8, 5)),), "E0302", "the slice is empty: from 5 to 5"),
        ('rearrange("c h w -> h w")', (Tensor((3, 4, 5)),), "E0205", "does not name `c` on both sides"),
        ('rearrange("c h -> h c")', (Tensor((3, 4, 5)),), "E0303", "the pattern has 2 axes before the arrow"),
        ('rearrange("(a b) -> a b")', (Tensor((6,)),), "E0205", "a and b are both unknown"),
        ('rearrange("(a b=4) -> a b")', (Tensor((6,)),), "E0304", "(a b) of the pattern does not fit the size 6"),
        ('rearrange("(a (b) -> a b")', (Tensor((6,)),), "E0205", "has brackets in brackets"),
        ('rearrange("a; b -> b a")', (Tensor((6, 2)),), "E0205", "has `; b` where a name is expected"),
        ('rearrange("a b")', (Tensor((6, 2)),), "E0205", "has 0 arrows"),
        ("lstm(4, dropout=0.5)", (Tensor((3, 4)),), "E0205", "stands between its layers, and there is only one"),
    ],
)
def test_what_only_archc_can_say(text: str, inputs: tuple[Tensor, ...], code: str, words: str) -> None:
    op, arguments = parsed(text)
    with pytest.raises(Problem, match=re.escape(words)) as found:
        inferred(op, arguments, inputs)
    assert found.value.code == code
    assert 0 < len(found.value.label) <= 80
