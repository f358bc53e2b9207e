"""Multiply-adds and activations of the zoo against torch's own counts: `python -m tests.campaigns.costs [NAME...]`.

Prints a line for each network and the score. The multiply-adds must be half of what torch's FlopCounterMode counts, in
evaluation; the activations those that autograd saves in a forward pass in training. By default all runs on torch's meta
device, where large networks take neither memory nor time; attention keeps something else there than on a processor, so
activations are scored with `--device cpu` only.
"""

import argparse
import sys
import time
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import archc
from archc.compiler.analysis.cost import costs, total
from archc.compiler.analysis.memory import memory
from archc.compiler.ir import ShapedGraph
from archc.compiler.summary import sized
from tests.torchvision_peer import CLASSIFICATION, SEGMENTATION

SIDE = 64  # where the size of the image is open
BATCH = 2  # norms over the batch need two
NEAR = 0.06  # the furthest that activations are from torch's: of Swin and MaxViT, which turn and cut maps


class Measured(NamedTuple):
    """What archc says and what torch counts."""

    macs: int
    flops: int
    activations: int
    saved: int

    @property
    def exact(self) -> bool:
        """Whether the multiply-adds are half of torch's operations."""
        return self.macs == self.flops / 2

    @property
    def near(self) -> bool:
        """Whether the activations are what autograd saves, as near as can be."""
        return abs(self.activations - self.saved) <= NEAR * self.saved


def measure(name: str, device: str = "meta") -> Measured:
    """Compare one network of the zoo with torch."""
    network = archc.compile(name)
    shaped = sized(network.checked.shaped, {"H": SIDE, "W": SIDE})
    macs = total(costs(shaped)).macs
    assert isinstance(macs, int)
    with torch.device("meta"):  # on a processor torch does not count its fused attention
        flops = operations(network.module(), shaped)
    with torch.device(device):
        saved = saved_bytes(network.module(), shaped, device)
    return Measured(macs, flops, memory(shaped, batch=BATCH).activations, saved)


def _images(shaped: ShapedGraph, batch: int, device: str) -> list[torch.Tensor]:
    sizes = [[int(str(size)) for size in entry.type.shape] for entry in shaped.graph.inputs]
    return [torch.zeros(batch, *each, device=device) for each in sizes]


def operations(module: nn.Module, shaped: ShapedGraph) -> int:
    """What torch's FlopCounterMode counts for one input on the meta device, in evaluation."""
    module.eval()
    with FlopCounterMode(display=False) as counter:
        module(*_images(shaped, 1, "meta"))
    return int(counter.get_total_flops())


def saved_bytes(module: nn.Module, shaped: ShapedGraph, device: str) -> int:
    """The bytes that autograd saves in training for a batch of `BATCH`, weights left out, each memory once."""
    module.train()
    saved: list[torch.Tensor] = []

    def keep(x: torch.Tensor) -> torch.Tensor:
        saved.append(x)
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        module(*_images(shaped, BATCH, device))
    weights = {x.untyped_storage()._cdata for x in module.state_dict(keep_vars=True).values()}
    found = {x.untyped_storage()._cdata: x.untyped_storage().nbytes() for x in saved}
    return sum(size for memory, size in found.items() if memory not in weights)


def main() -> int:
    """Measure the named networks and return 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks; all of torchvision's by default")
    parser.add_argument("--device", choices=("meta", "cpu"), default="meta")
    options = parser.parse_args()
    names = options.names or [*CLASSIFICATION, *SEGMENTATION]
    found = {}
    for name in names:
        began = time.monotonic()
        found[name] = each = measure(name, options.device)
        same = "exact" if each.exact else f"torch counts {each.flops / 2:,.1f}"
        print(
            f"{name:24} {each.macs:>19,} multiply-adds, {same}; activations {each.activations:,} bytes, "
            f"{each.activations / each.saved:.4f} of torch's; {time.monotonic() - began:.1f} s",
            flush=True,
        )
    parts = ("exact",) if options.device == "meta" else ("exact", "near")
    score = {part: sum(getattr(each, part) for each in found.values()) for part in parts}
    words = {"exact": "multiply-adds", "near": "activations"}
    print(", ".join(f"{count} of {len(found)} {words[part]}" for part, count in score.items()))
    return int(any(count < len(found) for count in score.values()))


if __name__ == "__main__":
    sys.exit(main())
