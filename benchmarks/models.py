"""Whether a network of the zoo costs time beside torchvision's: `python -m benchmarks.models [NAME...]`.

One training step (forward, backward) and one evaluation of both, in turn, in one process, with the same weights.
Mark: a ratio of 1.00 within noise.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torchvision
from torch import Tensor, nn

import archc
from benchmarks.paired import describe, machine

NETWORKS = (
    "alexnet",
    "vgg11",
    "resnet18",
    "resnet50",
    "googlenet",
    "densenet121",
    "mobilenet_v2",
    "efficientnet_b0",
    "convnext_tiny",
    "vit_b_32",
)
OPTIONS = {"googlenet": {"init_weights": False}}


def main() -> None:
    """Print the median ratio for each network, with its range over the pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NETWORKS, metavar="NAME", help="networks of torchvision")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--batch", type=int, default=4)
    options = parser.parse_args()
    print(f"{machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads, batch {options.batch}")
    print("archc / torchvision, median (range)")
    ratios = []
    for name in options.names:
        theirs = torchvision.models.get_model(name, weights=None, **OPTIONS.get(name, {}))
        mine = archc.load(name)
        mine.load_state_dict(theirs.state_dict())
        x = torch.randn(options.batch, 3, 224, 224)
        step = paired(training_step(mine, x), training_step(theirs, x), options.pairs)
        evaluation = paired(evaluated(mine, x), evaluated(theirs, x), options.pairs)
        ratios.append(statistics.median(step))
        print(f"{name:18} step {describe(step, 3)}   evaluation {describe(evaluation, 3)}", flush=True)
    print(f"geometric mean of the steps: {statistics.geometric_mean(ratios):.3f}")


def training_step(network: nn.Module, x: Tensor) -> Callable[[], None]:
    """A function that runs a network forward and backward."""
    network.train()

    def run() -> None:
        result = network(x)
        first = result if isinstance(result, Tensor) else result[0]
        first.sum().backward()

    return run


def evaluated(network: nn.Module, x: Tensor) -> Callable[[], None]:
    """A function that runs a network forward in eval mode."""
    network.eval()

    def run() -> None:
        with torch.inference_mode():
            network(x)

    return run


def paired(one: Callable[[], None], other: Callable[[], None], pairs: int) -> list[float]:
    """The ratios of the times of two functions, run in turn after a warm-up of both."""
    ratios = []
    for number in range(-2, pairs):
        times = []
        for function in (one, other) if number % 2 else (other, one):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        mine, theirs = times if number % 2 else times[::-1]
        if number >= 0:
            ratios.append(mine / theirs)
    return ratios


if __name__ == "__main__":
    main()
