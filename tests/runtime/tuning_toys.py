"""Toy runs that tune themselves, in times that are made up."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from archc.runtime import Settings
from archc.runtime.data.resident import ResidentImages
from archc.runtime.machine import Machine, choose_machine
from archc.runtime.objective import Objective
from archc.runtime.trials import Trials
from archc.runtime.tuning import Tuned, tune
from tests.runtime.toys import toy_data, toy_net

CPU = torch.device("cpu")
LONG: dict[str, Any] = {"device": "cpu", "batch_size": 8, "epochs": 2000, "compile": False, "im2col": False}


def prepared(net: nn.Module | None = None, **settings: Any) -> tuple[nn.Module, ResidentImages, Objective, Machine]:
    """What `tune` takes, of a toy run."""
    net, data = net or toy_net(), toy_data()
    chosen = Settings(**{**LONG, **settings})
    images = ResidentImages(
        data.train_images, data.train_labels, shape=(1, 4, 4), mean=torch.tensor([99.0]), deviation=torch.tensor([9.0]),
        device=CPU, budget=1 << 20,
    )  # fmt: skip
    machine = choose_machine(chosen, net)
    net.to(memory_format=machine.memory_format)
    return net, images, Objective(chosen, classes=2, segmentation=False), machine


def tuned(net: nn.Module | None = None, **settings: Any) -> Tuned:
    net, images, objective, machine = prepared(net, **settings)
    return tune(net, images, images, objective=objective, machine=machine)


def fake_times(monkeypatch: pytest.MonkeyPatch, *, compiled: float = 1.0, **seconds: float) -> list[str]:
    """Trials then take these times, by way; the names of those that are tried are noted."""
    tried: list[str] = []

    def trial(self: Trials, way: Machine, forward: Callable[..., object] | None = None) -> float:
        tried.append(way.way)
        return seconds[way.way.replace(", ", "_").replace(" ", "_")] / (1.0 if forward is None else compiled)

    monkeypatch.setattr(Trials, "seconds", trial)
    return tried
