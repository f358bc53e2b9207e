"""What `fit` takes: any module, data and recipes by name or as objects, settings by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archc.runtime import EnvironmentProblem, Settings, SettingsError, fit
from tests.runtime.toys import same, state_of, toy_data, toy_net

PLAIN: dict[str, Any] = {"epochs": 1, "device": "cpu", "precision": "fp32", "layout": "contiguous", "quiet": True}


def net() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def test_names_and_objects_mean_the_same_and_later_ones_win(tmp_path: Path) -> None:
    recipe = tmp_path / "my.yaml"
    recipe.write_text("data: digits\nepochs: 3\nlr: 0.5\noptimizer: {name: sgd, momentum: 0.9}\n")
    run = fit(net(), recipe=recipe, out=tmp_path / "a", lr=0.25, optimizer={"momentum": 0.5}, **PLAIN)
    assert (run.settings.lr, run.settings.epochs, run.settings.optimizer.model_dump()["momentum"]) == (0.25, 1, 0.5)
    again = fit(net(), recipe=run.folder / "recipe.yaml", out=tmp_path / "b", quiet=True)
    assert again.settings == run.settings
    assert same(state_of(run.module), state_of(again.module))
    third = fit(net(), "digits", settings=run.settings.but(epochs=2), out=tmp_path / "c", **PLAIN)
    assert third.settings == run.settings


def test_a_run_without_a_folder_gets_one_named_by_class_and_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fit(toy_net(), toy_data(), **PLAIN).folder == Path("runs/sequential-toy-1")
    assert fit(toy_net(), toy_data(), name="mine", **PLAIN).folder == Path("runs/mine-toy-1")


def test_a_network_for_colour_is_shown_grey_images_in_colour(tmp_path: Path) -> None:
    colour = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))
    assert fit(colour, "digits", out=tmp_path, **PLAIN).metrics[0].test_accuracy > 0.2


WRONG: dict[str, tuple[type[Exception], str, Any, dict[str, Any]]] = {
    "no module": (SettingsError, "found str; archc.train takes", "resnet18", {}),
    "lazy layers": (SettingsError, "lazy layers", nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), {}),
    "a tensor as data": (SettingsError, "found Tensor", net(), {"data": torch.zeros(1)}),
    "a mapping as settings": (SettingsError, "found dict; single ones go by name", net(), {"settings": {"lr": 1}}),
    "an unknown setting": (SettingsError, "did you mean 'epochs'", net(), {"epoch": 3}),
    "an unknown set": (SettingsError, "did you mean 'digits'", net(), {"data": "digit"}),
    "a set without a place": (EnvironmentProblem, "data_root=DIR", net(), {"data": "mnist"}),
    "a recipe that is not there": (SettingsError, "cannot read the recipe none.yaml", net(), {"recipe": "none.yaml"}),
    "a recipe and settings": (SettingsError, "give one", net(), {"recipe": "my.yaml", "settings": Settings()}),
    "weights": (SettingsError, "weights are those of an architecture", net(), {"weights": "net.pth"}),
    "too few scores": (SettingsError, "one score per class", nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), {}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_and_no_folder_made(name: str, tmp_path: Path) -> None:
    kind, message, module, arguments = WRONG[name]
    with pytest.raises(kind, match=message):
        fit(module, **{"data": "digits", "out": tmp_path / "run", **PLAIN, **arguments})
    assert not (tmp_path / "run").exists()


def test_recipes_that_are_no_text_or_for_architectures(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("params: {width: 3}\n")
    (tmp_path / "bytes.yaml").write_bytes(b"lr: \xff")
    for recipe, message in {"params.yaml": "params are those of an architecture", "bytes.yaml": "byte 4"}.items():
        with pytest.raises(SettingsError, match=message):
            fit(net(), recipe=tmp_path / recipe, out=tmp_path / "run", quiet=True)


def test_a_module_that_cannot_take_the_images_is_told_what_it_was_shown(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(100, 10))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as caught:
        fit(module, "digits", out=tmp_path / "run", **PLAIN)
    assert caught.value.__notes__ == ["the network was shown images of 1x8x8; image_size sets their size"]
