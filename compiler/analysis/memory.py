"""How much memory a network takes at one batch size, in training and in evaluation.

In training: weights, activations, gradients, and the state of the optimizer. Activations are what PyTorch keeps for the
backward pass, each piece of memory once, however many values look at it: an input that a convolution reads again, the
result of a ReLU, the places of a pooling's maxima, a dropout's mask. The input of the network counts where it is kept.
Every operator says what it keeps (`keeps`), as PyTorch does on a processor; recurrent layers keep more inside.
In evaluation: weights, and the most values that exist at once when each goes after its last use.
What the algorithms of convolutions borrow, and what an allocator reserves, comes on top.
"""

import re
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from archc.compiler.algebra.sizes import Symbolic
from archc.compiler.analysis.cost import call_of
from archc.compiler.ir import ShapedGraph, Tensor
from archc.compiler.ops.kept import Kept

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class Memory(NamedTuple):
    """Bytes at a batch size.

    weights      parameters and buffers
    activations  what is kept for the backward pass, in training
    gradients    one for each parameter
    optimizer    the two moments of AdamW; SGD with momentum has one, half of this, plain SGD none
    evaluation   the most values at once, in evaluation
    """

    batch: int
    weights: int
    activations: int
    gradients: int
    optimizer: int
    evaluation: int

    @property
    def training(self) -> int:
        """All that training takes."""
        return self.weights + self.activations + self.gradients + self.optimizer

    def __str__(self) -> str:
        weights = f"weights {readable(self.weights)}"
        return (
            f"memory at batch {self.batch}\n"
            f"  training {readable(self.training)}: {weights}, activations {readable(self.activations)}, gradients "
            f"{readable(self.gradients)}, optimizer {readable(self.optimizer)} (AdamW; SGD with momentum half, without"
            f" none)\n"
            f"  evaluation {readable(self.weights + self.evaluation)}: {weights}, activations "
            f"{readable(self.evaluation)}\n"
            "  activations: in training what PyTorch keeps for the backward pass, in evaluation the most at once"
        )


def memory(shaped: ShapedGraph, *, batch: int) -> Memory:
    """Return the memory of a network whose sizes are all known.

    Raises `ValueError` where a size is symbolic: it has to be given first, with `archc.compiler.summary.sized`.

    >>> import archc
    >>> found = memory(archc.compile("d2l/lenet").checked.shaped, batch=256)
    >>> readable(found.weights), readable(found.activations), readable(found.training)
    ('241.0 KiB', '8.7 MiB', '9.6 MiB')
    """
    rules = [node.op.keeps(call_of(node, shaped)) for node in shaped.graph.nodes]
    learned, buffers = _weights(shaped)
    gradients = sum(bytes_of(tensor, 1) for tensor in learned)
    weights = gradients + sum(bytes_of(tensor, 1) for tensor in buffers)
    activations = sum(bytes_of(tensor, batch) for tensor in _kept(shaped, rules))
    return Memory(batch, weights, activations, gradients, 2 * gradients, _most_at_once(shaped, rules, batch))


def _weights(shaped: ShapedGraph) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters and the buffers, each once."""
    seen: set[str] = set()
    found: tuple[list[Tensor], list[Tensor]] = ([], [])
    for node in shaped.graph.nodes:
        if node.path not in seen:
            for weight in node.op.weights(call_of(node, shaped)):
                found[weight.buffer].append(Tensor(weight.shape, weight.dtype, batched=False))
                seen.add(node.path)
    return found


def _kept(shaped: ShapedGraph, rules: Sequence[Kept]) -> list[Tensor]:
    """What is kept for the backward pass: values, each memory once, and what lies beside them."""
    graph, types = shaped.graph, shaped.types
    needed = graph.needed(output.value for output in graph.outputs)
    roots = _roots(shaped, rules)
    learned = [False] * graph.values  # whether it depends on something that learns
    own: set[int] = set()
    values: set[int] = set()
    further: list[Tensor] = []
    for node, kept in zip(graph.nodes, rules, strict=True):
        if needed.isdisjoint(node.outputs):
            continue
        if node.op.own:
            own.update(node.outputs)
        weights = any(not weight.buffer for weight in node.op.weights(call_of(node, shaped)))
        if weights or any(learned[value] for value in node.inputs):
            for value in node.outputs:
                learned[value] = types[value].dtype.startswith(("float", "bfloat"))
            values.update(roots[node.inputs[number]] for number in kept.inputs)
            values.update(roots[node.outputs[number]] for number in kept.outputs)
            further += kept.further
    return [types[value] for value in sorted(values - own)] + further


def _roots(shaped: ShapedGraph, rules: Sequence[Kept], *, training: bool = True) -> list[int]:
    """For each value the value whose memory it lies in, itself where it has its own."""
    roots = list(range(shaped.graph.values))
    ordered = [True] * shaped.graph.values
    for node, kept in zip(shaped.graph.nodes, rules, strict=True):
        kind = kept.view or ("ordered" if not training and node.op.role == "regularisation" else "")
        if not kind or (kind == "joined" and not ordered[node.inputs[0]]):
            continue
        for value in node.outputs:
            roots[value] = roots[node.inputs[0]]
            ordered[value] = ordered[node.inputs[0]] and kind != "turned"
    return roots


def _most_at_once(shaped: ShapedGraph, rules: Sequence[Kept], batch: int) -> int:
    """The most bytes of values that exist at once in evaluation, weights left out."""
    graph = shaped.graph
    results = [output.value for output in graph.outputs if not output.training]
    needed = graph.needed(results)
    roots = _roots(shaped, rules, training=False)
    last = {roots[value]: len(graph.nodes) for value in results}
    run = [(i, node) for i, node in enumerate(graph.nodes) if not needed.isdisjoint(node.outputs)]
    for index, node in run:
        for value in (*node.inputs, *node.outputs):
            last[roots[value]] = max(last.get(roots[value], 0), index)
    freed: dict[int, list[int]] = {}
    for root, index in last.items():
        freed.setdefault(index, []).append(root)
    sizes = {root: bytes_of(shaped.types[root], batch) for root in last}
    for _, node in run:
        if node.op.own:  # among the weights
            sizes.update((value, 0) for value in node.outputs)
    live = most = sum(bytes_of(entry.type, batch) for entry in graph.inputs)
    for index, node in run:
        live += sum(sizes[value] for value in node.outputs if roots[value] == value)
        most = max(most, live)
        live -= sum(sizes[root] for root in freed.get(index, ()))
    return most


def bytes_of(tensor: Tensor, batch: int) -> int:
    """Return the bytes of a value at a batch size.

    >>> bytes_of(Tensor((8, 4), "int64"), 2), bytes_of(Tensor((), batched=False), 2)
    (512, 4)

    Raises `ValueError` where a size is symbolic.
    """
    if any(isinstance(size, Symbolic) for size in tensor.shape):
        raise ValueError(f"{tensor} depends on the input")
    bits = re.search(r"\d+", tensor.dtype)
    elements = prod(size for size in tensor.shape if isinstance(size, int))
    return elements * (int(bits[0]) // 8 if bits else 1) * (batch if tensor.batched else 1)


def readable(count: int) -> str:
    """Return a number of bytes for people.

    >>> readable(999), readable(44_676_608)
    ('999 bytes', '42.6 MiB')
    """
    size = float(count)
    for unit in UNITS:
        if size < 1024 or unit == UNITS[-1]:
            break
        size /= 1024
    return f"{count:,} bytes" if unit == "bytes" else f"{size:,.1f} {unit}"
