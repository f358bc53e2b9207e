"""What a network is trained for, beside the same in plain torch, scikit-learn and torchvision's reference scripts."""

import io
import itertools
import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score, top_k_accuracy_score
from torch import Tensor, nn
from torch.nn import functional as F

from archc.runtime import EnvironmentProblem, Settings, SettingsError, fit
from archc.runtime.data import Data
from archc.runtime.measures import Totals, mean_iou
from archc.runtime.objective import Objective
from archc.runtime.watch import Lines, Silent
from tests.runtime.toys import Weights, same, state_of, toy_data

CPU = torch.device("cpu")
PLAIN: dict[str, Any] = {
    "epochs": 1, "batch_size": 8, "optimizer": "sgd", "lr": 0.1, "schedule": "constant", "weight_decay": 0, "clip": 0,
    "init": "module", "device": "cpu", "precision": "fp32", "layout": "contiguous", "compile": False,
}  # fmt: skip


def toy_masks(count: int = 24, *, size: int = 8, unlabelled: int = 1) -> Data:
    """Images whose bright half is class 1; the first rows of every mask are unlabelled."""
    generator = torch.Generator().manual_seed(2)
    masks = torch.zeros(count, size, size, dtype=torch.uint8)
    for number, row in enumerate(masks):
        row[:, size // 2 :] = 1
        masks[number] = row.flip(1) if number % 2 else row
    noise = torch.randint(0, 60, (count, 1, size, size), generator=generator, dtype=torch.uint8)
    images = noise + 150 * masks[:, None]
    masks[:, :unlabelled] = 255
    return Data(
        name="halves", train_images=images, train_labels=masks, test_images=images[:6], test_labels=masks[:6],
        classes=("dark", "bright"), note="made up",
    )  # fmt: skip


def measured(objective: Objective, batches: list[tuple[Tensor, Tensor]], **options: bool) -> Any:
    totals = Totals(objective, CPU, **options)
    for scores, labels in batches:
        totals.add(objective.score(scores, labels))
    return totals.read()


def test_measures_of_images_are_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(50, 12, generator=generator)
    labels = torch.cat([torch.arange(12), torch.randint(12, (38,), generator=generator)])
    objective = Objective(Settings(), classes=12, segmentation=False)
    found = measured(objective, [(scores[:30], labels[:30]), (scores[30:], labels[30:])], full=True, confusion=True)
    assert found.loss == pytest.approx(F.cross_entropy(scores, labels).item())
    assert found.accuracy == accuracy_score(labels, scores.argmax(1))
    assert found.top5 == top_k_accuracy_score(labels, scores, k=5)
    assert found.mean_iou is None
    assert found.confusion[:, :12].tolist() == confusion_matrix(labels, scores.argmax(1)).tolist()
    assert not found.confusion[:, 12].any()
    assert measured(objective, [(scores, labels)]).top5 is None
    few = Objective(Settings(), classes=9, segmentation=False)
    assert measured(few, [(scores[:, :9], labels % 9)], full=True).top5 is None


def test_measures_of_pixels_leave_out_what_is_unlabelled() -> None:
    """Whatever the batches: the mean is one over all labelled pixels, also where a batch has none."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 3, 5, 4, generator=generator)
    masks = torch.randint(3, (6, 5, 4), generator=generator)
    masks[:2, 1:] = 255
    masks[5] = 255
    objective = Objective(Settings(), classes=3, segmentation=True)
    found = measured(objective, [(scores[:2], masks[:2]), (scores[2:5], masks[2:5]), (scores[5:], masks[5:])])
    there = masks != 255
    truth, predicted = masks[there], scores.argmax(1)[there]
    assert found.loss == pytest.approx(F.cross_entropy(scores, masks, ignore_index=255).item())
    assert found.accuracy == accuracy_score(truth, predicted)
    assert found.mean_iou == pytest.approx(jaccard_score(truth, predicted, average="macro"))


def test_a_class_that_is_nowhere_does_not_count() -> None:
    assert mean_iou(torch.tensor([[3, 0, 0], [0, 1, 0], [0, 0, 0]])) == 1
    assert mean_iou(torch.tensor([[3, 0, 1], [0, 1, 0], [0, 0, 0]])) == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert mean_iou(torch.tensor([[1, 1], [0, 0]])[:1]) == 0.5  # a column for what is no class of the set


@pytest.mark.parametrize("loss", ["cross_entropy", "nll"])
def test_the_loss_of_pixels_is_torchs(loss: str) -> None:
    scores, masks = torch.randn(2, 3, 4, 4).log_softmax(1), torch.randint(3, (2, 4, 4))
    masks[0, 0] = 255
    smoothing = 0.1 if loss == "cross_entropy" else 0.0
    objective = Objective(Settings(loss=loss, label_smoothing=smoothing), classes=3, segmentation=True)
    found = objective.score(scores, masks, training=True).loss
    wanted = F.cross_entropy(scores, masks, ignore_index=255, label_smoothing=smoothing)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    nothing = objective.score(scores, torch.full_like(masks, 255)).loss
    assert nothing.item() == 0


@pytest.mark.parametrize("segmentation", [False, True])
@pytest.mark.parametrize("loss", ["cross_entropy", "nll"])
def test_nothing_is_read_from_the_device(loss: str, *, segmentation: bool) -> None:
    """A tensor on the meta device has no values to read, so all of this could be queued without waiting."""
    shape = (4, 6, 6) if segmentation else (4,)
    scores, labels = torch.zeros(4, 12, *shape[1:], device="meta"), torch.zeros(shape, dtype=torch.int64, device="meta")
    objective = Objective(Settings(loss=loss), classes=12, segmentation=segmentation)
    totals = Totals(objective, torch.device("meta"), full=True, confusion=True)
    totals.add(objective.score((scores, scores), labels, training=True))
    with pytest.raises(NotImplementedError, match="meta"):
        totals.read()


class Results(NamedTuple):
    logits: Tensor
    aux_logits2: Tensor
    early: Tensor | None


class Aux(nn.Module):
    """Three heads on one body; the auxiliary ones only while it trains."""

    def __init__(self, *, form: str = "named") -> None:
        super().__init__()
        torch.manual_seed(1)
        self.form = form
        self.body, self.main, self.second, self.early = (nn.Linear(16, 6), *(nn.Linear(6, 2) for _ in range(3)))

    def forward(self, x: Tensor) -> object:
        body = self.body(x.flatten(1)).tanh()
        if not self.training:
            return self.main(body)
        results = Results(self.main(body), self.second(body), self.early(body))
        return {"named": results, "tuple": tuple(results), "dict": OrderedDict(results._asdict())}[self.form]


def aux_run(out: Path, net: nn.Module, **settings: Any) -> Any:
    return fit(net, toy_data(), settings=Settings(**{**PLAIN, **settings}), out=out, watch=Silent())


@pytest.mark.parametrize(
    ("form", "given", "weights"),
    [
        ("named", {}, (0.3, 0.3)),
        ("dict", {"aux_weights": {"early": 0.7}}, (0.3, 0.7)),
        ("tuple", {"aux_weights": 0.2}, (0.2, 0.2)),
        ("named", {"aux_weights": {"aux*": 0.4, "early": 0}}, (0.4, 0.0)),
    ],
)
def test_auxiliary_results_are_the_plain_weighted_sum(
    tmp_path: Path, form: str, given: dict[str, Any], weights: tuple[float, float]
) -> None:
    net, plain, data = Aux(form=form), Aux(), toy_data()
    run = aux_run(tmp_path, net, **given)
    pixels = data.train_images.float()
    images = (pixels - pixels.mean()) / pixels.std(correction=0)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    total = 0.0
    for rows in torch.randperm(40, generator=torch.Generator().manual_seed(0)).split(8):
        main, *others = (F.cross_entropy(each, data.train_labels[rows]) for each in plain(images[rows]))
        loss = main + sum(weight * other for weight, other in zip(weights, others, strict=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += main.item() * len(rows)
    for name, value in state_of(plain).items():
        assert torch.allclose(net.state_dict()[name], value, atol=1e-5), name
    assert run.metrics[0].loss == pytest.approx(total / 40, rel=1e-5)  # the main one's: that of the test is too


def test_weights_that_fit_no_result_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no result is called 'erly'; did you mean 'early'\?; the .* aux_logits2,"):
        aux_run(tmp_path / "a", Aux(), aux_weights={"erly": 0.1})
    with pytest.raises(SettingsError, match="'aux'; the network has only its main one"):
        aux_run(tmp_path / "b", nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), aux_weights={"aux": 0.1})
    for wrong in (-1, {"early": -0.5}, {"early": "much"}, True, math.inf):
        with pytest.raises(SettingsError, match=r"aux_weights.* must be a number of at least 0"):
            Settings(aux_weights=wrong)
    assert not list(tmp_path.iterdir())


def test_the_opening_says_what_they_weigh(tmp_path: Path) -> None:
    said = io.StringIO()
    fit(Aux(), toy_data(), settings=Settings(**PLAIN), out=tmp_path, watch=Lines(said))
    assert "auxiliary results: aux_logits2 weighs 0.3, early weighs 0.3\n" in said.getvalue()


def test_the_look_at_the_auxiliary_results_changes_nothing(tmp_path: Path) -> None:
    """A norm's statistics and the random numbers of dropout are those of a run without it: two runs are equal."""

    class Noisy(Aux):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.drop = nn.BatchNorm1d(16), nn.Dropout(0.5)

        def forward(self, x: Tensor) -> object:
            return super().forward(self.drop(self.norm(x.flatten(1))))

    net = Noisy()
    aux_run(tmp_path, net)
    assert net.norm.num_batches_tracked == 5


def seg_run(out: Path, net: nn.Module, data: Data | None = None, **settings: Any) -> Any:
    return fit(net, data or toy_masks(), settings=Settings(**{**PLAIN, **settings}), out=out, watch=Silent())


def test_pixels_are_learnt_and_the_best_epoch_is_that_of_the_mean_iou(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    run = seg_run(tmp_path, net, epochs=6, lr=0.5, augment="flip, crop")
    assert run.best.measure == ("mean IoU", max(record.test_mean_iou for record in run.metrics))
    assert run.best.test_mean_iou > 0.9 > run.metrics[0].train_mean_iou
    line = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert {"train_mean_iou", "test_mean_iou"} < line.keys()
    assert "test_top5" not in line


@pytest.mark.parametrize(
    "settings", [{}, {"clip": 0.05}, {"optimizer": "rmsprop", "lr": 0.01}, {"precision": "fp16"}], ids=str
)
def test_accumulated_masks_make_the_step_of_the_whole_batch(tmp_path: Path, settings: dict[str, Any]) -> None:
    """However many pixels are labelled: from none to all of an image, so that the small batches differ."""
    data = toy_masks()
    for number, mask in enumerate(data.train_labels):
        mask.view(-1)[: 64 * (number % 8) // 7] = 255
    torch.manual_seed(0)
    parts = nn.Sequential(nn.Conv2d(1, 2, 1))
    whole = nn.Sequential(nn.Conv2d(1, 2, 1))
    whole.load_state_dict(parts.state_dict())
    seg_run(tmp_path / "parts", parts, data, batch_size=2, accumulate=6, **settings)
    seg_run(tmp_path / "whole", whole, data, batch_size=12, **settings)
    near = 1e-3 if settings.get("precision") == "fp16" else 1e-5
    for name, value in state_of(parts).items():
        assert torch.allclose(whole.state_dict()[name], value, atol=near), name


def test_a_step_without_a_labelled_pixel_moves_nothing(tmp_path: Path) -> None:
    data = toy_masks()
    data.train_labels[1:] = 255
    net = nn.Sequential(nn.Conv2d(1, 2, 1))
    watch = Weights(net)
    fit(net, data, settings=Settings(**PLAIN | {"batch_size": 2, "accumulate": 2}), out=tmp_path, watch=watch)
    assert [same(one, other) for one, other in itertools.pairwise(watch.steps)].count(False) == 1


@pytest.mark.parametrize("augment", ["mixup", "cutmix"])
def test_mixed_labels_fit_a_network_that_has_more_classes(tmp_path: Path, augment: str) -> None:
    """As every label does: the classes that the set does not have are never right."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 5))
    run = fit(
        net, toy_data(), settings=Settings(**{**PLAIN, "epochs": 3}, augment=augment), out=tmp_path, watch=Silent()
    )
    assert run.metrics[-1].test_loss < 0.5 * math.log(5)


def test_a_network_that_no_weight_changes_is_refused(tmp_path: Path) -> None:
    """Where a layer cuts the gradient off, or what is frozen is all that counts."""
    net = nn.ModuleDict({"used": nn.Linear(16, 2), "unused": nn.Linear(2, 2)})
    net.forward = lambda x: net["used"](x.flatten(1))
    for settings in ({"freeze": "used"}, {}):
        if not settings:
            net.forward = lambda x: net["used"](x.flatten(1)).detach()
        with pytest.raises(SettingsError, match="output depends on no weight that trains"):
            aux_run(tmp_path / "run", net, **settings)
    assert not (tmp_path / "run").exists()


def test_a_smaller_output_is_about_the_middle(tmp_path: Path) -> None:
    said = io.StringIO()
    scores, masks = torch.randn(2, 2, 5, 6), torch.randint(2, (2, 8, 8))
    found = Objective(Settings(), classes=2, segmentation=True).score(scores, masks)
    assert torch.equal(found.labels, masks[:, 1:6, 1:7])
    fit(nn.Conv2d(1, 2, 3), toy_masks(), settings=Settings(**PLAIN), out=tmp_path, watch=Lines(said))
    assert "masks are cut to their middle 6x6 of 8x8, the network's output\n" in said.getvalue()


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Conv2d(1, 2, 2, stride=2), "output is 4x4 for images of 8x8, and has one score for several pixels: end"),
        (nn.Conv2d(1, 2, 1, padding=1), "output is 10x10 for images of 8x8, and a mask has no pixels beyond"),
        (nn.Conv2d(1, 1, 1), r"2 numbers per pixel; the network leaves \[1, 8, 8\]"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), r"2 numbers per pixel; the network leaves \[2\]"),
    ],
)
def test_outputs_that_are_no_scores_of_pixels_are_refused(tmp_path: Path, net: nn.Module, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        seg_run(tmp_path / "run", net)
    assert not (tmp_path / "run").exists()


def test_an_auxiliary_result_that_does_not_fit_the_masks_is_named(tmp_path: Path) -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fine, self.coarse = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 4, stride=4)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"out": self.fine(x), "early": self.coarse(x)}

    with pytest.raises(
        SettingsError, match=r"result 'early': .* is 2x2 for images of 8x8.* \(aux_weights.early=0 leaves"
    ):
        seg_run(tmp_path / "run", Heads())
    seg_run(tmp_path / "run", Heads(), aux_weights=0)


def test_labels_of_pixels_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="mixup mixes labels of whole images, and data set 'halves' labels"):
        seg_run(tmp_path, nn.Conv2d(1, 2, 1), augment="mixup")


def test_masks_without_any_label_are_refused() -> None:
    with pytest.raises(EnvironmentProblem, match="'halves', training part: every pixel is 255, which means no class"):
        toy_masks(unlabelled=8)


@pytest.mark.parametrize("data", [toy_data(), toy_masks()])
def test_a_validation_part_is_tested_on(tmp_path: Path, data: Data) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), *([] if data.segmentation else [nn.Flatten(), nn.Linear(32, 2)]))
    said = io.StringIO()
    settings = Settings(**PLAIN, validation=0.25, seed=3)
    run = fit(net, data, settings=settings, out=tmp_path, watch=Lines(said))
    held = len(data.train_images) // 4
    assert f"{len(data.train_images) - held} training and {held} validation images" in said.getvalue()
    assert "tested on 0.25 of its training images (validation), chosen by seed 3" in said.getvalue()
    assert run.metrics[0].images_per_second * run.metrics[0].train_seconds == pytest.approx(3 * held)
