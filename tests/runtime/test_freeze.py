"""Weights that do not train."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archc.runtime import Settings, SettingsError, fit
from archc.runtime.freeze import frozen, train_mode
from archc.runtime.watch import Silent
from tests.runtime.toys import state_of, toy_data, toy_net

QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 8, "device": "cpu", "precision": "fp32", "compile": False}


def run_toy(out: Path, net: nn.Module, **settings: Any) -> Any:
    return fit(net, toy_data(), settings=Settings(**{**QUICK, **settings}), out=out, watch=Silent())


@pytest.mark.parametrize("ema", [0, 0.5])
@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
def test_what_is_frozen_stays_bit_for_bit(tmp_path: Path, optimizer: str, ema: float) -> None:
    """Decay and the running statistics of a norm included; the rest trains, and afterwards everything would again."""
    net = toy_net()
    before = state_of(net)
    run_toy(tmp_path, net, freeze=["0", "1.*"], optimizer=optimizer, ema=ema, weight_decay=0.5)
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"5.weight", "5.bias"}
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_a_norm_with_a_parameter_that_trains_is_in_training_mode() -> None:
    net = toy_net()
    norm = net.get_submodule("1")
    with frozen(net, ["1.weight"]):
        train_mode(net)
        assert norm.training
    with frozen(net, ["1.weight", "1.bias"]) as text:
        train_mode(net)
        assert [layer.training for layer in net.children()] == [True, False, True, True, True, True]
    assert text == "8 of 178 parameters are frozen, batch norms with their statistics"


@pytest.mark.parametrize("pattern", ["0.weight", "2", "2.*"])
def test_a_shared_weight_is_frozen_by_any_of_its_names(pattern: str) -> None:
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Tanh(), nn.Linear(3, 3, bias=False), nn.Linear(3, 2))
    net[2].weight = net[0].weight
    with frozen(net, [pattern]) as text:
        assert [name for name, value in net.named_parameters() if value.requires_grad] == ["3.weight", "3.bias"]
    assert text == "9 of 17 parameters are frozen"
    with pytest.raises(SettingsError, match="leaves nothing to train"), frozen(net, [pattern, "3"]):
        pass


def test_what_was_frozen_before_stays_so() -> None:
    net = toy_net()
    net.get_submodule("0").requires_grad_(False)
    with frozen(net, ["5"]):
        assert [name for name, value in net.named_parameters() if value.requires_grad] == ["1.weight", "1.bias"]
    assert [name for name, value in net.named_parameters() if not value.requires_grad] == ["0.weight", "0.bias"]


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["5.wieght"], r"no parameter's name matches '5.wieght'; did you mean '5.weight'\?"),
        (["classifier"], r"matches 'classifier'; they are called 0.weight, 0.bias, 1.weight, 1.bias, \.\.\."),
        (["0", "2"], "no parameter's name matches '2'"),  # a layer without parameters
        ("*", r"'\*' leaves nothing to train"),
        (["0", "1", "5"], "'0', '1', '5' leaves nothing to train"),
    ],
)
def test_patterns_that_do_not_fit_are_refused(tmp_path: Path, patterns: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run_toy(tmp_path / "run", toy_net(), freeze=patterns)
    assert not (tmp_path / "run").exists()
