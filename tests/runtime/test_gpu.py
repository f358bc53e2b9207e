"""What only a GPU can show: within an epoch nothing waits for it, and its numbers are those of the processor."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, nn

from archc.runtime import EnvironmentProblem, Settings, fit, loop
from archc.runtime.data import Data
from archc.runtime.data.augment import Augment
from archc.runtime.data.generated import make_shapes
from archc.runtime.data.resident import ResidentImages
from archc.runtime.data.steps import read_steps
from archc.runtime.watch import Progress, Silent
from tests.runtime.resuming import assert_equal, trained
from tests.runtime.toys import toy_data, toy_net

pytestmark = [
    pytest.mark.usefixtures("no_pictures"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    pytest.mark.filterwarnings("ignore:Synchronization debug mode"),
]
GPU: dict[str, Any] = {"device": "cuda", "epochs": 2, "batch_size": 8}
COLORS = [
    {"color": {**dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0), name: 0.3}}
    for name in ("brightness", "contrast", "saturation", "hue")
]
GEOMETRY = "crop, flip, rotate, erase"


class NoWaiting(Silent):
    """From the first step of an epoch to its last one, torch raises an error where something waits for the GPU."""

    def __init__(self) -> None:
        self.steps = 0

    def step(self, progress: Progress) -> None:
        self.steps += 1
        torch.cuda.set_sync_debug_mode("error" if progress.images < progress.of else "default")


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[NoWaiting]:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_LOOKS", 1e9)  # the look that the loop is allowed
    yield NoWaiting()
    torch.cuda.set_sync_debug_mode("default")


VARIANTS: dict[str, dict[str, Any]] = {
    "fp32": {"precision": "fp32"},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "sgd": {"optimizer": {"name": "sgd", "momentum": 0.9}},
    "not fused": {"optimizer": "nadam"},
    "muon": {"optimizer": "muon"},
    "averaged": {"ema": 0.9},
    "accumulated": {"accumulate": 2},
    "not clipped": {"clip": 0},
    "geometry": {"augment": GEOMETRY},
    "colors": {"augment": "color"},
    "resized crop": {"augment": "resized_crop"},
    "mixed": {"augment": "mixup, cutmix"},
    "permuted": {"augment": "crop, permute"},
    "compiled": {"compile": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_within_an_epoch_nothing_waits(tmp_path: Path, no_waiting: NoWaiting, variant: str) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(), nn.Linear(64, 2))
    run = fit(net, toy_data(channels=3), **GPU, **VARIANTS[variant], out=tmp_path / "run", watch=no_waiting)
    assert no_waiting.steps in (6, 10)
    assert run.metrics[-1].loss < 2


def test_masks_and_their_confusion_do_not_wait(tmp_path: Path, no_waiting: NoWaiting) -> None:
    data = make_shapes(training=24, test=8)
    net = nn.Conv2d(data.channels, data.num_classes, 3, padding=1)
    for steps, accumulate in ((6, 1), (10, 2)):  # of both runs
        fit(net, data, **GPU, augment=GEOMETRY, accumulate=accumulate, out=tmp_path / str(steps), watch=no_waiting)
        assert no_waiting.steps == steps


def test_a_set_that_streams_does_not_wait(
    tmp_path: Path, no_waiting: NoWaiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archc.runtime.prepare.image_budget", lambda device: 0)
    run = fit(toy_net(), toy_data(), **GPU, augment="crop", out=tmp_path / "run", watch=no_waiting)
    assert no_waiting.steps == 10
    assert run.metrics[-1].loss < 2


def test_the_test_would_see_what_waits(no_waiting: NoWaiting) -> None:
    no_waiting.step(Progress(1, 1, 1, 2, lambda: pytest.fail("nobody reads")))
    with pytest.raises(RuntimeError, match="synchronizing"):
        torch.ones(1, device="cuda").item()


def _both(data: Data, steps: object, size: int) -> list[ResidentImages]:
    channels = data.channels
    return [
        ResidentImages(
            data.train_images, data.train_labels, shape=(channels, size, size), mean=torch.zeros(channels),
            deviation=torch.ones(channels), device=torch.device(name), budget=1 << 24,
            augment=Augment(read_steps(steps), size=(size, size)),
        )
        for name in ("cpu", "cuda")
    ]  # fmt: skip


@pytest.mark.parametrize("steps", ["", "crop", "flip", "rotate", "erase", "resized_crop", "permute", *COLORS], ids=str)
def test_a_batch_is_the_one_of_the_processor(steps: Any) -> None:
    """Up to a grey level where numbers are rounded, and for a rotation up to the pixels at which two are as near."""
    rows, size = torch.arange(30), 16 if steps in COLORS else 24  # a level lost by resizing would be multiplied
    here, there = (
        held.batch(rows.to(held.labels.device), Generator().manual_seed(3))
        for held in _both(toy_data(channels=3, size=16), steps, size)
    )
    assert torch.equal(here[1], there[1].cpu())
    far = (here[0] - there[0].cpu()).abs() > 1
    assert far.float().mean() < (0.01 if steps == "rotate" else 1e-9)


def test_masks_move_as_on_the_processor() -> None:
    data = make_shapes(training=12, test=4)
    rows, size = torch.arange(12), data.train_images.shape[2]
    here, there = (
        held.batch(rows.to(held.labels.device), Generator().manual_seed(3))
        for held in _both(data, "resized_crop, flip", size)
    )
    assert torch.equal(here[1], there[1].cpu())


def test_a_run_measures_what_it_does_on_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    how: dict[str, Any] = {**GPU, "precision": "fp32", "augment": "crop, flip", "watch": Silent()}
    plain = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    start = {name: value.clone() for name, value in plain.state_dict().items()}
    losses = []
    for device in ("cpu", "cuda"):
        plain.load_state_dict(start)
        run = fit(plain, toy_data(), **{**how, "device": device, "init": "module"}, out=tmp_path / device)
        losses.append([number for record in run.metrics for number in (record.loss, record.test_loss)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("variant", ["fp32", "fp16", "averaged", "not fused", "geometry", "compiled"])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, variant: str) -> None:
    """Dropout included, whose random numbers are the GPU's own."""
    settings = Settings(**GPU, deterministic=True, **VARIANTS[variant])
    whole = trained(tmp_path / "whole", toy_net, settings)
    assert_equal(whole, trained(tmp_path / "stopped", toy_net, settings, 3, 4))


def test_tuning_names_the_gpu_and_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archc.runtime.tuning.SHORT", 0.0)
    monkeypatch.setattr("archc.runtime.tuning.SHARE", 1.0)
    run = fit(toy_net(), toy_data(), **{**GPU, "epochs": 30}, out=tmp_path / "run", watch=Silent())
    machine = json.loads((run.folder / "run.json").read_text())["machine"]
    assert torch.cuda.get_device_name() in machine
    assert "trial step" in machine or "too busy" in machine


def test_a_full_gpu_is_said_with_what_needs_less(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 512, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 2))
    torch.cuda.set_per_process_memory_fraction(0.002)
    try:
        with pytest.raises(EnvironmentProblem, match="the memory is full; batch_size=32 needs less"):
            fit(net, toy_data(64, size=64), device="cuda", batch_size=64, out=tmp_path / "run", watch=Silent())
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert not (tmp_path / "run").exists() or (tmp_path / "run" / "last").exists()
