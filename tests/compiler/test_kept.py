"""What operators keep for the backward pass, against torch's own saved tensors."""

import pytest
import torch

from archc.compiler.ir import Tensor
from archc.compiler.ops import OPS
from archc.compiler.ops.entry import Call, Example, Op
from tests.compiler.operators import NAMES, Text, inferred, parsed, run, tensor, texts

# What lies inside recurrent layers is another for every kind of processor; their inputs and results are counted.
INSIDE = ("lstm", "gru", "rnn")
CASES = [(op, example) for op in OPS.values() if op.name not in INSIDE for example in op.examples]


def measured(text: Text, call: Call) -> tuple[list[str], str]:
    """What torch keeps of a use in training, and whether its first output lies in the memory of its first input."""
    inputs = [_with_gradient(tensor(x, "cpu")) for x in call.inputs]
    module = None if text.module is None else eval(text.module, dict(NAMES))
    kept: list[torch.Tensor] = []

    def keep(saved: torch.Tensor) -> torch.Tensor:
        kept.append(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        outputs = run(text.use, inputs, len(call.outputs), module)
    names = {}
    for number, output in enumerate(outputs):
        names[_memory(output)] = f"output {number}"
    for number, given in enumerate(inputs):
        names[_memory(given)] = f"input {number}"
    weights = {_memory(weight) for weight in ([] if module is None else module.state_dict(keep_vars=True).values())}
    found = {_memory(saved): saved.untyped_storage().nbytes() for saved in kept if _memory(saved) not in weights}
    view = bool(inputs) and _memory(outputs[0]) == _memory(inputs[0])
    return sorted(names.get(memory, f"{size} bytes") for memory, size in found.items()), "view" if view else ""


def _with_gradient(x: torch.Tensor) -> torch.Tensor:
    return x.clone().requires_grad_() * 1 if x.is_floating_point() else x


def _memory(x: torch.Tensor) -> int:
    return int(x.untyped_storage()._cdata)


def expected(op: Op, call: Call) -> tuple[list[str], str]:
    kept = op.keeps(call)
    named = [f"input {number}" for number in kept.inputs] + [f"output {number}" for number in kept.outputs]
    return sorted([*named, *(f"{bytes_of(further)} bytes" for further in kept.further)]), "view" if kept.view else ""


def bytes_of(x: Tensor) -> int:
    return tensor(x, "cpu").nbytes


@pytest.mark.parametrize(("op", "example"), CASES, ids=[example.text for _, example in CASES])
def test_what_is_kept_is_what_torch_keeps(op: Op, example: Example) -> None:
    _, arguments = parsed(example.text)
    call = inferred(op, arguments, example.tensors())
    for text in texts(op, call):
        assert measured(text, call) == expected(op, call)
