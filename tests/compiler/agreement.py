"""Random uses of operators, compared with torch on the CPU with tiny sizes: acceptance, sizes and kinds of numbers."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import torch
import torch.nn.functional as F
from torch import nn

from archc.compiler.ops import OPS
from archc.compiler.ops.entry import Call, Op, Problem, no_macs
from archc.compiler.ops.rules import rank
from tests.compiler.operators import BATCH, Text, build, inferred, shape_without_batch, tensor, texts
from tests.compiler.random_uses import Use, random_use

# What archc refuses and torch may accept, by the words of the message: each with its reason.
ONLY_ARCHC: dict[str, str] = {
    "axis 0 is the batch": "no operator may mix or move the batch",
    "would move the batch": "no operator may mix or move the batch",
    "would mix the batch": "no operator may mix or move the batch",
    "would sum over the batch": "no operator may mix or move the batch",
    "works on values with a batch": "torch would take the first axis for the batch",
    "they have different numbers of axes": "torch would align the batch of one with an axis of the other",
    "needs several values, or a number": "one value alone is a forgotten pair of braces",
    "takes either several values or one number": "the number would have no place",
    "compares two values, or one with a number": "one value alone, or a number too many",
    "`max_val` must be larger": "torch's module refuses equal bounds, its function does not",
    "`squeeze` removes axes of size 1": "torch leaves other axes in silence",
    "pads all of one to three spatial axes": "torch would take the batch for the channels",
    "takes one value, which attends to itself": "a second value alone leaves open what it is",
    "needs keys as wide as queries": "what torch accepts depends on the device",
    "needs floating-point numbers": "of whole numbers it is a mistake more often than not",
    "has float32 weights": "what torch accepts of other inputs depends on the device",
    "cannot cut off": "torch accepts negative circular padding",
    "`padding` is two numbers for each axis": "torch would pad the batch",
    "`crop` cuts the spatial axes": "Python's slices never refuse",
    "`crop` needs values with the same number of axes": "Python's slices never refuse",
    "`crop` only makes smaller": "Python's slices never refuse",
    "in an axis of size": "Python's slices never refuse",
    "does not give": "torch would leave fewer chunks than asked for",
    "works on maps, channels x height x width": "torch would take the batch for the channels",
    "the input is a single number": "torch pretends that a single number has an axis",
    " numbers, but the input has ": "torch spreads a list of one number over all axes, in some operators only",
    "`affine_grid` takes either": "torch's function has one argument for both",
    "`unfold` takes 2 axes": "torch would take the batch for the channels",
    "`fold` takes patches": "torch would take the batch for the channels",
    "`tile` has": "torch would repeat the batch",
    "`expand` has": "torch would put axes before the batch",
    "works on matrices, the last two axes": "torch would take the batch for the rows",
    "`divisor_override` needs two or three": "torch's module for one axis has no such argument",
    "`feature_alpha_dropout` needs channels": "torch accepts it only for p = 0 and p = 1",
}


ONLY = "only archc refuses: "
NO_TEXT = "archc refuses, and there is no text to try: "


class Disagreement(AssertionError):
    """archc and torch differ on a use."""


def compare(use: Use) -> str:
    """Compare archc with torch on one use and return what happened.

    Raises:
        Disagreement: one accepts and the other refuses, without a reason in the list, or the outputs differ.
    """
    op = use.op
    try:
        call = inferred(op, use.arguments, use.inputs)
    except Problem as problem:
        return _refused(use, problem)
    written = texts(op, call)
    for text in written:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                built = build(text, call, device="cpu")
        except Exception as error:
            raise Disagreement(f"archc accepts {use}, torch refuses: {error}") from error
        for y, expected in zip(built.outputs, call.outputs, strict=True):
            if shape_without_batch(y, expected) != expected.shape or str(y.dtype) != f"torch.{expected.dtype}":
                raise Disagreement(f"{use}: archc says {expected!r}, torch {tuple(y.shape)} {y.dtype}")
        if built.module is not None:
            weights = [(w.name, w.shape) for w in op.weights(call)]
            found = [(name, tuple(value.shape)) for name, value in built.module.state_dict().items()]
            if weights != found:
                raise Disagreement(f"{use}: archc says {weights}, torch {found}")
    if op.macs is not no_macs and not _not_counted(call, op):
        built = build(written[0], call)  # on meta: the counter knows few CPU kernels
        assert built.macs is not None
        macs = built.macs * _samples(call)
        if macs != op.macs(call):
            raise Disagreement(f"{use}: archc says {op.macs(call)} multiply-adds, torch {macs}")
    return "both accept"


def _not_counted(call: Call, op: Op) -> bool:
    """torch's counter knows neither `bilinear` nor the product of a matrix and a vector; long sequences take long."""
    if op.role == "recurrent":
        return any(size not in (1, 2) for size in call.x.shape[:-1])
    return op.name == "bilinear" or (op.name == "matmul" and any(rank(x) == 1 for x in call.inputs))


def _samples(call: Call) -> int:
    """By how much `Built.macs` is too small: values without a batch are computed once, not for each sample."""
    return 1 if any(y.batched for y in call.outputs) else BATCH


def _refused(use: Use, problem: Problem) -> str:
    words = next((words for words in ONLY_ARCHC if words in problem.message), None)
    call = Call(use.arguments, use.inputs)
    uses: list[Callable[[], Sequence[torch.Tensor]]]
    if use.op.name in DIRECT:
        uses = [partial(_direct, use)]
    else:
        try:
            uses = [partial(_outputs, text, call) for text in texts(use.op, call)]
        except (Problem, IndexError, ValueError):  # the text of a use is written only after its rule has passed
            if use.op.name not in MODULES:
                return NO_TEXT + (words or "")
            uses = [partial(_module, use)]
    for run in uses:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shapes = [tuple(y.shape) for y in run()]
        except Exception:
            continue
        if all(0 not in shape for shape in shapes):
            if words is not None:
                return f"{ONLY}{words}"
            raise Disagreement(f"archc refuses {use}: {problem}; torch accepts and gives {shapes}")
    return "both refuse"


def _outputs(text: Text, call: Call) -> Sequence[torch.Tensor]:
    return build(text, call, device="cpu").outputs


# The modules of torch that take the arguments of an operator as they are, by the start of their names.
MODULES = {
    "conv": "Conv",
    "conv_transpose": "ConvTranspose",
    "batch_norm": "BatchNorm",
    "instance_norm": "InstanceNorm",
    "max_pool": "MaxPool",
    "avg_pool": "AvgPool",
    "lp_pool": "LPPool",
    "adaptive_avg_pool": "AdaptiveAvgPool",
    "adaptive_max_pool": "AdaptiveMaxPool",
}


def _module(use: Use) -> Sequence[torch.Tensor]:
    x = use.inputs[0]
    kind = getattr(nn, f"{MODULES[use.op.name]}{len(x.shape) - 1}d")
    channels = x.shape[:1] if use.op.role in ("convolution", "norm") else ()
    return [kind(*channels, **use.arguments)(tensor(x, "cpu"))]


# The same in torch's own words, for operators whose text needs what the rule has found.
DIRECT: dict[str, Callable[[torch.Tensor, Use], torch.Tensor]] = {
    "reshape": lambda x, use: x.reshape([BATCH] * use.inputs[0].batched + use.arguments["shape"]),
    "unflatten": lambda x, use: x.unflatten(use.arguments["dim"], use.arguments["unflattened_size"]),
    "affine_grid": lambda x, use: F.affine_grid(
        x, [BATCH, 1, *(use.arguments["size"] or tensor(use.inputs[1], "cpu").shape[2:])]
    ),
    "fold": lambda x, use: F.fold(x, **use.arguments),
    "slice": lambda x, use: torch.ops.aten.slice(x, *use.arguments.values()),
    "take": lambda x, use: x.movedim(use.arguments["dim"], 0)[tensor(use.inputs[1], "cpu")],
    "select": lambda x, use: x.select(use.arguments["dim"], use.arguments["index"]),
    "pad": lambda x, use: F.pad(x, use.arguments["padding"], use.arguments["mode"], use.arguments["value"]),
    "softmax": lambda x, use: x.softmax(use.arguments["dim"]),
    "log_softmax": lambda x, use: x.log_softmax(use.arguments["dim"]),
    "softmin": lambda x, use: (-x).softmax(use.arguments["dim"]),
}


def _direct(use: Use) -> Sequence[torch.Tensor]:
    return [DIRECT[use.op.name](tensor(use.inputs[0], "cpu"), use)]


def campaign(name: str, cases: int, seed: int) -> Counter[str]:
    """Compare random uses of an operator with torch; return how often what happened.

    Raises:
        Disagreement: archc and torch differ.
    """
    random = Random(f"{seed} {name}")
    return Counter(compare(random_use(OPS[name], random)) for _ in range(cases))
