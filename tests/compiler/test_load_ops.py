"""Every example of every operator as a network: its source loads, runs, and leaves the sizes that were inferred."""

import pytest
import torch

import archc
import archc.network
from archc.compiler.load import load
from archc.compiler.ops import OPS
from archc.compiler.ops.entry import Example
from archc.compiler.source import write
from archc.files import open_text
from archc.network import Network

NAMES = "abcdefgh"

# An input of an arch has a batch: examples over values without one are left to the tests of the operators, and those
# without inputs to the tests of values of one's own.
BATCHED = {
    name: batched
    for name, op in OPS.items()
    if (batched := [example for example in op.examples if example.inputs and not example.unbatched])
}


def network(example: Example, label: str) -> Network:
    """Compile an example whose results all leave the network."""
    names = NAMES[: len(example.inputs)]
    declared = "\n".join(
        f"input {name}: {list(tensor.shape)} {tensor.dtype}"
        for name, tensor in zip(names, example.tensors(), strict=True)
    )
    branches = f" {{ {'; '.join(names)} }}" if len(names) > 1 else ""
    refused: archc.ArchError | None = None
    for outputs in range(1, 9):
        results = ", ".join(f"r{i}" for i in range(outputs))
        pattern = f"({results})" if outputs > 1 else results
        text = f"arch Net {{\n{declared}\na\n{label}{example.text}{branches} as {pattern}\noutput {results}\n}}"
        try:
            return archc.network.network(open_text(text), {})
        except archc.ArchError as error:
            refused = error
    assert refused is not None
    raise refused


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, about its own kernels
@pytest.mark.parametrize("name", BATCHED)
def test_examples(name: str) -> None:
    op = OPS[name]
    # A label makes a module of what is written as a function otherwise.
    labels = ("", "label: ") if op.module is not None and op.function is not None else ("",)
    for example in BATCHED[name]:
        for label in labels:
            shaped = network(example, label)
            module = load(write(shaped.checked.shaped)).eval()
            results = module(
                *(
                    torch.zeros(2, *sizes, dtype=getattr(torch, tensor.dtype))
                    for sizes, tensor in zip(example.inputs, example.tensors(), strict=True)
                )
            )
            found = results if isinstance(results, tuple) else (results,)
            assert [tuple(value.shape[1:]) for value in found] == list(shaped.outputs.values()), example
