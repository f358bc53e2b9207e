"""First weights beside torchvision's, in distribution: `python -m tests.campaigns.initial [NAME...] [--seeds N]`.

For each parameter of a network, over several seeds: mean, deviation, range and shape of the distribution (the fourth
moment tells a normal from a uniform one). Prints what differs by more than chance.
"""

import argparse
import math
import sys
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn

import archc
from tests.torchvision_peer import FAMILIES, SEGMENTATION

NETWORKS = (*FAMILIES, "fcn_resnet50", "swin_t")
OPTIONS = {"googlenet": {"init_weights": True}, "inception_v3": {"init_weights": True}}
MOST = 20_000  # numbers of one parameter that are looked at, for each seed
ENOUGH = 200  # of them tell a distribution's shape


class Spread(NamedTuple):
    """How the first values of one parameter lie over all seeds."""

    numbers: int
    mean: float
    deviation: float
    tail: float  # the fourth moment over the squared second: 1.8 for uniform, 3 for normal, 0 for a constant
    largest: float


def builder(name: str) -> nn.Module:
    """torchvision's network with its own first weights."""
    options: dict[str, object] = dict(OPTIONS.get(name, {}))
    if name in SEGMENTATION:
        options["weights_backbone"] = None
    network = torchvision.models.get_model(name, weights=None, **options)
    assert isinstance(network, nn.Module)
    return network


def spread(values: Tensor) -> Spread:
    """Describe the numbers of a parameter."""
    values = values.double()
    centred = values - values.mean()
    second = centred.square().mean().item()
    flat = second <= 1e-24 + 1e-14 * values.square().mean().item()
    tail = 0.0 if flat else centred.pow(4).mean().item() / second**2
    return Spread(len(values), values.mean().item(), 0.0 if flat else second**0.5, tail, values.abs().max().item())


def differs(mine: Spread, theirs: Spread) -> str:
    """Say what differs by more than six deviations of chance; empty where nothing does."""
    if (mine.tail == 0) != (theirs.tail == 0):
        return "one is constant"
    if theirs.tail == 0:
        return "" if math.isclose(mine.mean, theirs.mean, rel_tol=1e-6, abs_tol=1e-12) else "another constant"
    chance = 6 * (2 / theirs.numbers) ** 0.5
    if abs(mine.mean - theirs.mean) > chance * theirs.deviation:
        return "mean"
    if abs(mine.deviation / theirs.deviation - 1) > chance * max(1, (theirs.tail - 1) ** 0.5 / 2):
        return "deviation"
    if theirs.numbers < ENOUGH:
        return ""
    if abs(mine.tail - theirs.tail) > 0.3 + 5 * chance:
        return "shape"
    if theirs.tail < 2.5 and abs(mine.largest / theirs.largest - 1) > max(0.02, 20 / theirs.numbers):
        return "range"
    return ""


def gathered(name: str, seeds: int, *, mine: bool) -> dict[str, Spread]:
    """The spreads of all parameters, by name. Our seeds are others, so that equal streams prove nothing."""
    found: dict[str, list[Tensor]] = {}
    for seed in range(seeds):
        torch.manual_seed(seed + (1000 if mine else 0))
        network = archc.load(name) if mine else builder(name)
        for key, value in network.named_parameters():
            flat = value.detach().flatten()
            step = max(1, len(flat) // MOST)
            found.setdefault(key, []).append(flat[::step].clone())
    return {key: spread(torch.cat(values)) for key, values in found.items()}


def compared(name: str, seeds: int) -> dict[str, str]:
    """What differs between archc's first weights and torchvision's, by parameter."""
    mine, theirs = (gathered(name, seeds, mine=ours) for ours in (True, False))
    assert list(mine) == list(theirs), "compare the keys first: python -m tests.campaigns.zoo"
    found = {key: differs(mine[key], theirs[key]) for key in theirs}
    return {key: f"{word}: {mine[key]} and {theirs[key]}" for key, word in found.items() if word}


def main() -> int:
    """Compare the named networks and return 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NETWORKS, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    equal = 0
    for name in options.names:
        found = compared(name, options.seeds)
        equal += not found
        print(f"{name:24} {f'{len(found)} parameters differ' if found else 'equal'}", flush=True)
        for key, text in list(found.items())[:5]:
            print(f"  {key}  {text}")
    print(f"{equal} of {len(options.names)} start alike")
    return int(equal < len(options.names))


if __name__ == "__main__":
    sys.exit(main())
