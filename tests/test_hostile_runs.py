"""Runs, data and sizes that cannot be right: each is refused before anything is loaded, with exit status 2 or 3."""

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import archc
from archc.problems import EnvironmentProblem, UsageProblem
from archc.runtime.data.idx import read_idx
from tests.hostile import net


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "lenet"
    archc.train("d2l/lenet", epochs=1, out=folder)
    return folder


def said(**changed: object) -> Callable[[Path], object]:
    """Change what `run.json` says of the architecture."""

    def change(run: Path) -> None:
        facts = json.loads((run / "run.json").read_text())
        facts["arch"].update(changed)
        (run / "run.json").write_text(json.dumps(facts))

    return change


def written(name: str, content: str | bytes) -> Callable[[Path], object]:
    return lambda run: (run / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def weights(change: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda run: change(next((run / "best").glob("weights-*")))


def become_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


RUNS: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "no run.json": (lambda run: (run / "run.json").unlink(), UsageProblem, "no run.json"),
    "a pipe as run.json": (lambda run: become_pipe(run / "run.json"), UsageProblem, "no run.json"),
    "an empty run.json": (written("run.json", ""), EnvironmentProblem, "damaged"),
    "a deep run.json": (written("run.json", "[" * 100_000), EnvironmentProblem, "damaged"),
    "a large run.json": (written("run.json", " " * 5 * 2**20), EnvironmentProblem, "larger than 4 MiB"),
    "a list as run.json": (written("run.json", "[]"), EnvironmentProblem, "damaged"),
    "a long number in run.json": (written("run.json", '{"arch": ' + "1" * 5000 + "}"), EnvironmentProblem, "damaged"),
    "a binary run.json": (written("run.json", b"\xff\0"), EnvironmentProblem, "damaged"),
    "a text outside": (said(file="../../etc/passwd"), EnvironmentProblem, "outside the run"),
    "an absolute text": (said(file="/etc/passwd"), EnvironmentProblem, "outside the run"),
    "a folder as text": (said(file=""), EnvironmentProblem, "has lost"),
    "a text with NUL": (said(file="a\0b"), EnvironmentProblem, "has lost"),
    "parameters as a list": (said(params=[1]), EnvironmentProblem, "damaged"),
    "other parameters": (said(params={"num_classes": "7"}), EnvironmentProblem, "was changed since the run began"),
    "an unknown architecture": (said(name="\x1b[31m"), archc.ArchError, "has no architecture"),
    "a deep parameter": (said(params={"num_classes": "[" * 50_000}), archc.ArchError, "E0006"),
    "a lost text": (lambda run: (run / "zoo/d2l/lenet.arch").unlink(), EnvironmentProblem, "has lost"),
    "a broken text": (written("zoo/d2l/lenet.arch", "arch {"), archc.ArchError, "E00"),
    "lost weights": (weights(Path.unlink), EnvironmentProblem, "No such file"),
    "empty weights": (weights(lambda file: file.write_bytes(b"")), EnvironmentProblem, "damaged: 0 bytes"),
    "a pipe as weights": (weights(become_pipe), EnvironmentProblem, "damaged"),
    "a pipe as manifest": (lambda run: become_pipe(run / "best/manifest.json"), EnvironmentProblem, "no checkpoint"),
    "a deep manifest": (written("best/manifest.json", "[" * 100_000), EnvironmentProblem, "damaged"),
    "no checkpoint": (lambda run: shutil.rmtree(run / "best"), EnvironmentProblem, "no checkpoint"),
}


@pytest.mark.parametrize("name", RUNS)
def test_damaged_runs(name: str, trained: Path, tmp_path: Path) -> None:
    change, expected, message = RUNS[name]
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    change(run)
    with pytest.raises(expected) as caught:
        archc.load(run)
    assert message in str(caught.value)


def test_the_limit_of_layers_holds_for_a_run_too_and_can_be_raised(trained: Path) -> None:
    with pytest.raises(archc.ArchError, match="more than 3 layers"):
        archc.load(trained, max_layers=3)
    assert archc.load(trained, max_layers=10**6)(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


def test_the_run_that_is_damaged_above_can_be_loaded(trained: Path) -> None:
    assert archc.load(trained)(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


# ---- networks that do not fit


def test_a_network_that_cannot_fit_is_refused_before_it_is_allocated() -> None:
    text = net("linear(10**9)", inputs="input x: [1_000_000_000]")
    with pytest.raises(EnvironmentProblem, match=r"1,000,000,001,000,000,000 parameters.*GiB of memory") as caught:
        archc.loads(text)
    assert caught.value.exit_status == 3
    with torch.device("meta"):
        assert sum(weight.numel() for weight in archc.loads(text).parameters()) == 10**18 + 10**9


# ---- data


def idx(sizes: tuple[int, ...], content: bytes, kind: int = 8) -> bytes:
    """A file of the format that MNIST comes in."""
    return bytes((0, 0, kind, len(sizes))) + b"".join(struct.pack(">I", size) for size in sizes) + content


FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
GOOD = {
    FILES[0]: idx((20, 28, 28), bytes(20 * 28 * 28)),
    FILES[1]: idx((20,), bytes(range(10)) * 2),
    FILES[2]: idx((10, 28, 28), bytes(10 * 28 * 28)),
    FILES[3]: idx((10,), bytes(range(10))),
}
IMAGES, LABELS = GOOD[FILES[0]], GOOD[FILES[1]]
SETS: dict[str, dict[str, bytes]] = {
    "empty": {FILES[0]: b""},
    "half a header": {FILES[0]: IMAGES[:6]},
    "cut off": {FILES[0]: IMAGES[:-9]},
    "too long": {FILES[0]: IMAGES + b"xx"},
    "another format": {FILES[0]: b"\x1f\x8b" + IMAGES},
    "255 dimensions": {FILES[0]: b"\0\0\x08\xff" + IMAGES[4:]},
    "numbers of another kind": {FILES[1]: idx((20,), bytes(80), kind=0x0C)},
    "2**31 images": {FILES[0]: idx((2**31, 28, 28), bytes(99))},
    "2**96 pixels": {FILES[0]: idx((2**32 - 1,) * 3, bytes(99))},
    "no images": {FILES[0]: idx((0, 28, 28), b"")},
    "images of no size": {FILES[0]: idx((20, 0, 0), b"")},
    "fewer labels": {FILES[1]: idx((5,), bytes(5))},
    "a label out of range": {FILES[1]: idx((20,), b"\xff" * 20)},
    "images as labels": {FILES[1]: IMAGES},
    "labels as images": {FILES[0]: LABELS},
}


def stored(folder: Path, changed: dict[str, bytes]) -> Path:
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in {**GOOD, **changed}.items():
        (raw / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("name", SETS)
def test_damaged_mnist(name: str, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="data set 'mnist'"):
        read_idx("mnist", stored(tmp_path, SETS[name]))


def test_the_set_that_is_damaged_above_can_be_read(tmp_path: Path) -> None:
    data: Any = read_idx("mnist", stored(tmp_path, {}))
    assert data.train_images.shape == (20, 1, 28, 28)
