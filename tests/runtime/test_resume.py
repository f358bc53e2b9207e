"""A run that was stopped goes on as if it had not been: equal weights, equal metrics, bit for bit."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.runtime import RunInterrupted, Settings, fit, optimise
from archc.runtime.state import TrainState
from archc.runtime.watch import Silent
from tests.runtime.resuming import BASE, STEPS, StopAt, assert_equal, ended, norm_net, trained
from tests.runtime.toys import same, toy_data, toy_net

pytestmark = pytest.mark.usefixtures("no_pictures")

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd with momentum": {"optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}, "lr": 0.02},
    "adamw with a mean": {"optimizer": "adamw", "lr": 0.01, "ema": 0.9},
    "rmsprop": {"optimizer": {"name": "rmsprop", "momentum": 0.5}, "lr": 0.003},
}
OTHERS = ("adam", "nadam", "radam", "adamax", "adagrad", "adadelta", "muon")


def plain_net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))


def dropout_net() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 2))


VARIANTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "plain": (plain_net, {}),
    "augmented": (plain_net, {"augment": {"crop": {"padding": 1}, "flip": {}, "mixup": {}}}),
    "dropout": (dropout_net, {}),
    "batch norm": (norm_net, {}),
    "accumulated": (toy_net, {"accumulate": 2}),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, optimizer: str, variant: str) -> None:
    make, more = VARIANTS[variant]
    settings = Settings(**BASE, **OPTIMIZERS[optimizer], **more)
    whole = trained(tmp_path / "whole", make, settings)
    steps = len(whole.measured) * (STEPS if "accumulate" not in more else 3)
    chance = random.Random(f"{optimizer} {variant}")
    stop = chance.randrange(1, steps)
    assert_equal(whole, trained(tmp_path / "stopped", make, settings, stop))


@pytest.mark.parametrize("optimizer", OTHERS)
def test_every_optimizer_of_the_table_goes_on(tmp_path: Path, optimizer: str) -> None:
    settings = Settings(**BASE, optimizer=optimizer)
    assert_equal(trained(tmp_path / "whole", norm_net, settings), trained(tmp_path / "stopped", norm_net, settings, 7))


def test_a_run_may_be_stopped_at_every_step(tmp_path: Path) -> None:
    """Also before its first epoch ends, at the last step of an epoch, and right after it went on."""
    settings = Settings(**{**BASE, "epochs": 2}, ema=0.5, augment="flip")
    whole = trained(tmp_path / "whole", norm_net, settings)
    assert_equal(whole, trained(tmp_path / "stopped", norm_net, settings, *[1] * (2 * STEPS)))


def test_a_set_that_streams_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers read what is left of the epoch, in its order."""
    monkeypatch.setattr("archc.runtime.prepare.image_budget", lambda device: 0)
    monkeypatch.setattr("archc.runtime.data.stream.MOST_WORKERS", 1)
    settings = Settings(**{**BASE, "epochs": 2}, augment="crop")
    whole = trained(tmp_path / "whole", norm_net, settings)
    assert_equal(whole, trained(tmp_path / "stopped", norm_net, settings, STEPS + 2))


def test_the_measures_of_an_epoch_go_on(tmp_path: Path) -> None:
    """Those of masks too, whose confusion matrix is part of the state."""
    labels = (torch.arange(40) % 2).byte()
    data = toy_data()
    masks = labels[:, None, None].expand(40, 4, 4).contiguous()
    data = replace(data, train_labels=masks, test_labels=masks[:10])
    settings: dict[str, Any] = {"settings": Settings(**BASE), "watch": Silent()}

    def net() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))

    one, other = net(), net()
    whole = ended(fit(one, data, out=tmp_path / "whole", **settings), one)
    assert whole.measured[-1].train_mean_iou is not None
    with pytest.raises(RunInterrupted):
        fit(net(), data, out=tmp_path / "stopped", **{**settings, "watch": StopAt(2 * STEPS + 3)})
    assert_equal(whole, ended(fit(other, data, resume=tmp_path / "stopped", watch=Silent()), other))


def test_a_resumed_run_can_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail: without the random numbers of dropout the weights are others."""

    def without_torchs(self: TrainState) -> dict[str, torch.Generator]:
        return {"order": self.order, "chance": self.chance, "torch": torch.Generator()}

    monkeypatch.setattr(TrainState, "_generators", without_torchs)
    settings = Settings(**BASE)
    one, other = trained(tmp_path / "one", dropout_net, settings), trained(tmp_path / "other", dropout_net, settings, 7)
    assert not same(one.trained, other.trained)


def test_a_finished_run_is_returned_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, net = trained(tmp_path / "whole", norm_net, Settings(**BASE)), norm_net()
    assert_equal(whole, ended(fit(net, resume=whole.run.folder), net))
    assert "whole is finished: nothing is left to do\nbest test accuracy" in capsys.readouterr().err


def test_data_is_found_by_its_name(tmp_path: Path) -> None:
    def net() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    settings: dict[str, Any] = {"epochs": 2, "device": "cpu", "validation": 0.2}
    whole, stopped = net(), net()
    one = fit(whole, "digits", out=tmp_path / "whole", watch=Silent(), **settings)
    with pytest.raises(RunInterrupted):
        fit(net(), "digits", out=tmp_path / "stopped", watch=StopAt(20), **settings)
    assert_equal(ended(one, whole), ended(fit(stopped, resume=tmp_path / "stopped", watch=Silent()), stopped))


def test_the_scale_of_fp16_goes_on_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scale that doubles every three steps, in a run of twenty that is stopped after seven."""
    monkeypatch.setattr(optimise, "FIRST_SCALE", 1.0)
    monkeypatch.setattr(optimise, "STEPS_TO_GROW", 3)
    update, scales = optimise.LossScale.update, list[float]()

    def noted(self: optimise.LossScale, overflow: Tensor) -> None:
        update(self, overflow)
        scales.append(self.factor.item())

    monkeypatch.setattr(optimise.LossScale, "update", noted)
    settings = Settings(epochs=4, batch_size=8, device="cpu", precision="fp16", layout="contiguous")
    with pytest.raises(RunInterrupted):
        fit(toy_net(), toy_data(), settings=settings, out=tmp_path / "run", watch=StopAt(7))
    fit(toy_net(), toy_data(), resume=tmp_path / "run", watch=Silent())
    assert scales == [2.0 ** (step // 3) for step in range(1, 21)]
