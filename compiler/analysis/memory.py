"""How much memory a network takes: its weights, and the values between its operators at one batch size."""

import re
from math import prod
from typing import NamedTuple

from archc.compiler.algebra.sizes import Size, Symbolic
from archc.compiler.analysis.cost import costs, total
from archc.compiler.ir import ShapedGraph, Tensor

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
WEIGHT = 4  # bytes of a float32


class Memory(NamedTuple):
    """Bytes at a batch size: of parameters and buffers, of all values, and of the values that exist at once at most.

    `training` is what the backward pass needs when it keeps every value, the inputs included; gradients and the
    optimizer's state come on top. `inference` is the most when a value is freed after its last use. Both count each
    value as memory of its own, also where PyTorch makes a view.
    """

    batch: int
    weights: int
    training: int
    inference: int

    def __str__(self) -> str:
        return (
            f"memory at batch {self.batch}: weights {readable(self.weights)}, all values {readable(self.training)}, "
            f"most values at once {readable(self.inference)}"
        )


def memory(shaped: ShapedGraph, *, batch: int) -> Memory:
    """Return the memory of a network whose sizes are all known.

    Raises `ValueError` where a size is symbolic: it has to be given first, with `archc.compiler.summary.sized`.

    >>> import archc
    >>> print(memory(archc.compile("d2l/lenet").checked.shaped, batch=256))
    memory at batch 256: weights 241.0 KiB, all values 15.4 MiB, most values at once 9.2 MiB
    """
    sizes = [_bytes(tensor, batch) for tensor in shaped.types]
    last = {output.value: len(shaped.graph.nodes) for output in shaped.graph.outputs}
    for index, node in enumerate(shaped.graph.nodes):
        for value in node.inputs:
            last[value] = max(last.get(value, 0), index)
    freed: dict[int, list[int]] = {}
    for value, index in last.items():
        freed.setdefault(index, []).append(value)
    live = most = sum(sizes[: len(shaped.graph.inputs)])
    for index, node in enumerate(shaped.graph.nodes):
        live += sum(sizes[value] for value in node.outputs)
        most = max(most, live)
        unused = [value for value in node.outputs if value not in last]
        live -= sum(sizes[value] for value in [*freed.get(index, ()), *unused])
    cost = total(costs(shaped))
    return Memory(batch, WEIGHT * (cost.params + cost.buffers), sum(sizes), most)


def _bytes(tensor: Tensor, batch: int) -> int:
    shape: tuple[Size, ...] = tensor.shape
    if any(isinstance(size, Symbolic) for size in shape):
        raise ValueError(f"{tensor} depends on the input")
    bits = re.search(r"\d+", tensor.dtype)
    elements = prod(size for size in shape if isinstance(size, int))
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
