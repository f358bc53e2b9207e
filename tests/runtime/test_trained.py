"""Trained networks put to use: tested and asked as the run that trained them did."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from archc.runtime import EnvironmentProblem, Settings, SettingsError, fit
from archc.runtime.data import Data, load
from archc.runtime.data.dataset import UNLABELLED
from archc.runtime.data.grid import prediction_grid
from archc.runtime.trained import Trained, as_trained_in
from tests.runtime.toys import toy_data, toy_net

SETTINGS = Settings(epochs=2, batch_size=8, device="cpu", precision="fp32")


def trained_on(out: Path, data: Data, net: nn.Module, **changes: object) -> tuple[Trained, list[float]]:
    run = fit(net, data, settings=SETTINGS.but(**changes), out=out, quiet=True)
    return as_trained_in(out, run.model("last")), [run.metrics[-1].test_loss, run.metrics[-1].test_accuracy]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": "bf16"},
        {"image_size": 4, "augment": {"crop": {"padding": 1, "resize": 6}, "permute": 3}},
        {"normalize": {"mean": [0.1], "std": [0.3]}},
    ],
)
def test_the_test_gives_what_the_run_measured(tmp_path: Path, changes: dict[str, object]) -> None:
    trained, measured = trained_on(tmp_path / "run", toy_data(), toy_net(), **changes)
    found = trained.test(toy_data())
    assert [found.loss, found.accuracy] == pytest.approx(measured, abs=1e-12)
    assert found.confusion is not None
    assert found.confusion.sum() == 10


def test_it_computes_as_the_run_chose_to(tmp_path: Path) -> None:
    chosen = {"precision": "bf16", "layout": "channels_last", "im2col": True}
    trained_on(tmp_path / "run", toy_data(), toy_net())
    kept = tmp_path / "run" / "run.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"chosen": chosen | {"compile": True}}))
    assert as_trained_in(tmp_path / "run", toy_net()).machine.chosen == chosen


def test_images_are_normalised_as_they_were(tmp_path: Path) -> None:
    data = toy_data()
    trained, _ = trained_on(tmp_path / "run", data, toy_net())
    darker = replace(data, train_images=data.train_images // 3)  # other training images: they do not count
    assert trained.test(darker).loss == trained.test(data).loss
    darker = replace(data, test_images=data.test_images // 3)
    assert trained.test(darker).loss != trained.test(data).loss


@pytest.mark.parametrize("loss", ["cross_entropy", "nll"])
def test_probabilities_are_those_of_the_loss(tmp_path: Path, loss: str) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.LogSoftmax(1) if loss == "nll" else nn.Identity())
    trained, _ = trained_on(tmp_path / "run", toy_data(), net, loss=loss)
    shares = trained.probabilities(toy_data().test_images)
    assert shares.shape == (10, 2)
    assert shares.sum(1).tolist() == pytest.approx([1.0] * 10)
    assert (shares.argmax(1) == toy_data().test_labels).float().mean() == trained.test(toy_data()).accuracy


def test_a_picture_is_brought_to_the_size_and_colour_of_the_training_images(tmp_path: Path) -> None:
    trained, _ = trained_on(tmp_path / "run", toy_data(), toy_net())
    left = Image.new("RGB", (40, 30))
    left.paste((250, 250, 250), (0, 0, 20, 30))
    left.save(tmp_path / "left.png")
    picture = trained.read(tmp_path / "left.png")
    assert picture.shape == (1, 1, 4, 4)
    across = picture[0, 0].float().mean(0).tolist()
    assert (across[0], across[3]) == (250, 0)
    (tmp_path / "broken.png").write_text("no picture")
    with pytest.raises(EnvironmentProblem, match=r"broken\.png cannot be read as a picture: it is no picture"):
        trained.read(tmp_path / "broken.png")


def test_classes_are_matched_by_name_then_by_number(tmp_path: Path) -> None:
    data = toy_data()
    trained, _ = trained_on(tmp_path / "run", data, toy_net())
    swapped = replace(data, classes=("right", "left"), test_labels=1 - data.test_labels)
    assert trained.test(swapped).accuracy == trained.test(data).accuracy
    part = replace(
        data, classes=("right",), train_images=data.train_images[:1], train_labels=torch.zeros(1).long(),
        test_images=data.test_images[1::2], test_labels=torch.zeros(5).long(),
    )  # fmt: skip
    assert trained.as_trained(part).test_labels.tolist() == [1] * 5
    renamed = replace(data, classes=("l", "r"))
    assert trained.test(renamed).accuracy == trained.test(data).accuracy
    with pytest.raises(SettingsError, match=r"data set 'toy' has 3 classes, among them 'up'; .* on 2: left, right"):
        trained.test(replace(data, classes=("left", "right", "up")))


def test_images_of_another_set_get_channels_and_size(tmp_path: Path) -> None:
    data = toy_data()
    trained, _ = trained_on(tmp_path / "run", data, toy_net())
    colour = replace(
        data,
        train_images=data.train_images.expand(-1, 3, -1, -1),
        test_images=data.test_images.expand(-1, 3, -1, -1),
    )
    assert torch.equal(trained.as_trained(colour).test_images, data.test_images)
    larger = replace(colour, test_images=colour.test_images.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert trained.as_trained(larger).test_images.shape == (10, 1, 4, 4)
    assert trained.test(larger).accuracy == trained.test(data).accuracy
    with pytest.raises(SettingsError, match="labels each pixel, and the network was trained to label each image"):
        trained.test(load("shapes"))


class Pixels(nn.Module):
    """Scores for each pixel from its colour alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layer(images)
        return scores


def test_a_segmentation_network_is_tested_and_drawn(tmp_path: Path) -> None:
    data = load("shapes")
    trained, measured = trained_on(tmp_path / "run", data, Pixels(), epochs=1)
    found = trained.test(data)
    assert [found.loss, found.accuracy] == pytest.approx(measured)
    assert found.mean_iou is not None
    picture, words = trained.sample_grid(data, samples=3)
    assert picture.startswith(b"\x89PNG")
    assert words.startswith("3 test images, ")
    assert words.endswith("% of their pixels right")


def test_a_smaller_answer_is_drawn_in_the_middle() -> None:
    data = load("shapes")
    labels = data.test_labels[:2].clone()
    labels[:, 10:20] = UNLABELLED
    shown = replace(data, test_images=data.test_images[:2], test_labels=labels)
    right = torch.nn.functional.one_hot(labels.clamp(max=3).long(), 4).permute(0, 3, 1, 2).float()
    assert prediction_grid(shown, right[:, :, 8:-8, 8:-8])[1] == "100.0% of their pixels right"


def test_a_grid_marks_right_and_wrong(tmp_path: Path) -> None:
    data = toy_data()
    shares = torch.eye(2)[data.test_labels]
    assert prediction_grid(data, shares)[1] == "10 of them right"
    assert prediction_grid(data, shares.flip(1))[1] == "0 of them right"
    assert prediction_grid(data, shares)[0] != prediction_grid(data, shares.flip(1))[0]


def test_a_run_whose_facts_are_damaged_is_refused(tmp_path: Path) -> None:
    trained_on(tmp_path / "run", toy_data(), toy_net())
    (tmp_path / "run" / "run.json").write_text('{"data": {"image_size": [1, 4]}}')
    with pytest.raises(EnvironmentProblem, match=r"run\.json is damaged: data\.classes: Field required"):
        as_trained_in(tmp_path / "run", toy_net())
