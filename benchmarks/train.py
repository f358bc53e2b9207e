"""How fast archc trains: `python -m benchmarks.train [PART...] [--pairs N] [--images N] [--epochs N] [--threads N]`.

Every run is a process of its own; those that are compared take turns. `ARCHC_DATA` is the folder that holds MNIST (as
torchvision lays it out) and CIFAR-10 (so too, or as a folder of images `cifar10`). "images/s" is training images
divided by the time of the training part of an epoch; the whole epoch, with test and checkpoint, stands beside it. The
first epoch of a run warms up.

lenet      MNIST, whole epochs: archc, eager and compiled, with the d2l loop and with PyTorch Lightning
           (`pip install lightning`). Marks: 2.7 and, compiled, 3.2 times as fast; a checkpoint under 2 % of an epoch
resnet18   d2l's at 96x96, batch 128, on a part of MNIST, with the d2l loop. Mark: 2.2 times
alexnet    d2l's at 224x224, batch 128, on a part of MNIST, with the d2l loop. Mark: 2.7 times
vgg        CIFAR-10 with crop and flip, batch 128, on a part of it, with the d2l loop. Mark: 1.5 times
           These three also beside the bare step: plain torch in the same number type and memory order on one batch
           that is ready. What archc loses to it is the loop; how far it is from the d2l loop is the processor
start      from the command to LeNet's first step, with importing torch and torchvision. Mark: at most 1.3 times
accuracy   LeNet's own recipe on MNIST, 10 epochs with three seeds, and the plain loop with as many (only when it is
           named: it takes minutes). Mark: the band of the plain loop, 0.955 to 0.969
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version

import torch

import archc
from benchmarks.paired import describe, in_turn, machine, ratios
from benchmarks.trainers import BARE, TASKS, Epoch, part_of, plain_accuracy

PEERS: dict[str, dict[str, tuple[str, ...]]] = {
    "lenet": {"archc": ("d2l loop", "Lightning"), "archc, compiled": ("d2l loop", "Lightning, compiled")},
    "resnet18": {"archc": ("d2l loop", BARE)},
    "alexnet": {"archc": ("d2l loop", BARE)},
    "vgg": {"archc": ("d2l loop", BARE)},
}
SIZES = {"mnist": 60_000, "cifar10": 50_000}
PARTS = (*PEERS, "start", "accuracy")
BAND = (0.955, 0.969)

IMPORTS = "import torch, torchvision"
FIRST_STEP = """
import os, sys
from archc.runtime.watch import Lines
Lines.step = lambda *_: os._exit(0)
from archc.cli import main
main(sys.argv[1:])
os._exit(1)
"""


def main() -> None:
    """Run the parts that are named, by default all but the long one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--pairs", type=int, default=3, help="how often each trainer runs (default: 3)")
    parser.add_argument("--images", type=int, help="training images of an epoch (default: all for lenet)")
    parser.add_argument("--epochs", type=int, help="epochs of a run, the first of which warms up")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="for every trainer alike")
    parser.add_argument("--seeds", type=int, default=3, help="of accuracy (default: 3)")
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    root = os.environ.get("ARCHC_DATA")
    if not root:
        raise SystemExit("set ARCHC_DATA to the folder that holds MNIST and CIFAR-10: docs/data.md says how they lie")
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # of the processes, from their very start
    root = os.path.abspath(root)
    torch.set_num_threads(options.threads)
    print(f"{machine()}, {torch.backends.cpu.get_cpu_capability()}, {options.threads} threads")
    print(", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "pillow")), flush=True)
    for part in options.parts or [part for part in PARTS if part != "accuracy"]:
        if part == "start":
            start(root, options.pairs)
        elif part == "accuracy":
            accuracies(root, options.seeds)
        else:
            task = TASKS[part]
            epochs = max(2, options.epochs or task.epochs)
            images = min(options.images or task.images, SIZES[task.data])
            compare(part, images, epochs, options.pairs, options.threads)


def compare(part: str, images: int, epochs: int, pairs: int, threads: int) -> None:
    """Print the speed of archc and of its peers on one network, and the ratio of each pair of runs."""
    task, wanted = TASKS[part], PEERS[part]
    if importlib.util.find_spec("lightning") is None:
        wanted = {ours: tuple(p for p in peers if "Lightning" not in p) for ours, peers in wanted.items()}
    elif part == "lenet":
        print(f"lightning {version('lightning')}")
    print(
        f"\n{part}: {task.network} on {task.data}, {images:,} images, batch {task.batch}, {epochs} epochs a run",
        flush=True,
    )
    trainers = list(dict.fromkeys([*wanted, *(peer for peers in wanted.values() for peer in peers)]))
    runs: dict[str, list[list[Epoch]]] = {trainer: [] for trainer in trainers}
    for _ in range(pairs):
        for trainer in trainers:
            runs[trainer].append(run(trainer, part, images, epochs, threads))
    for trainer, found in runs.items():
        rate = describe([images / median(epochs, "train") for epochs in found], 0)
        whole = describe([median(epochs, "whole") for epochs in found])
        first = describe([epochs[0].whole for epochs in found])
        print(f"{trainer:20} {rate:>28} images/s, whole epoch {whole} s, the first {first} s")
    for ours, peers in wanted.items():
        for peer in peers:
            for what in ("train",) if peer == BARE else ("whole", "train"):
                pair = zip(runs[peer], runs[ours], strict=True)
                times = describe([median(theirs, what) / median(mine, what) for theirs, mine in pair])
                print(f"{ours} is {times} times as fast as the {peer} ({what} epoch)")
        shares = [100 * median(found, "kept") / median(found, "whole") for found in runs[ours]]
        print(f"{ours}: writing checkpoint and metrics is {describe(shares)} % of an epoch")


def run(trainer: str, part: str, images: int, epochs: int, threads: int) -> list[Epoch]:
    """The epochs of one run in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.trainers", trainer, part, *map(str, (images, epochs, threads))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{trainer} failed on {part}")
    return [Epoch(*numbers) for numbers in json.loads(done.stdout.splitlines()[-1])]


def median(epochs: Sequence[Epoch], what: str) -> float:
    """The median over the epochs of a run, without the first.

    >>> median([Epoch(9, 9), Epoch(1, 2), Epoch(3, 4)], "train")
    2.0
    """
    return float(statistics.median(getattr(epoch, what) for epoch in epochs[1:]))


def start(root: str, pairs: int) -> None:
    """Print how long the whole command takes until LeNet has made a step."""
    with tempfile.TemporaryDirectory() as folder:
        train = ["train", "d2l/lenet", "--recipe", "d2l/lenet", "--data", "mnist", "--data-root", root]
        commands = {
            IMPORTS: [sys.executable, "-c", IMPORTS],
            "first step": [sys.executable, "-c", f"import os; os.chdir({folder!r})\n{FIRST_STEP}", *train],
        }
        samples = in_turn(commands, rounds=3 * pairs)
    print("\nstart: from the command to LeNet's first step on MNIST, in whole processes")
    for name, found in samples.items():
        print(f"{name:26} {describe([sample.wall for sample in found])} s")
    print(f"first step / imports: {describe(ratios(samples['first step'], samples[IMPORTS]))}")


def accuracies(root: str, seeds: int) -> None:
    """Print the test accuracy of LeNet's own recipe on MNIST, and that of the plain loop, each with so many seeds."""
    print(f"\naccuracy: d2l/lenet's recipe on mnist; the plain loop is known to reach {BAND[0]} to {BAND[1]}")
    task = TASKS["lenet"]
    data = part_of(task, task.images)
    found: dict[str, list[float]] = {"archc": [], "plain loop": []}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = archc.train(
                task.network,
                recipe=task.network,
                data=task.data,
                data_root=root,
                seed=seed,
                out=f"{folder}/run",
                quiet=True,
            )
        found["archc"].append(run.metrics[-1].test_accuracy)
        found["plain loop"].append(plain_accuracy(task, data, seed))
        print(f"seed {seed}: " + ", ".join(f"{name} {values[-1]:.4f}" for name, values in found.items()), flush=True)
    for name, values in found.items():
        print(f"{name:10} {describe(values, 4)}")


if __name__ == "__main__":
    main()
