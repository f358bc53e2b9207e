"""`archc train` on masks, with auxiliary results, and from weights that are there."""

from pathlib import Path

import pytest
import torch
import yaml
from click.testing import CliRunner, Result
from PIL import Image

import archc
from archc.cli import main
from archc.runtime import Settings
from archc.runtime.objective import Objective

QUICK = ("--epochs", "1", "--set", "compile=false", "--set", "precision=fp32", "--set", "device=cpu")

SMALL = """
arch Small(in_channels = 1, num_classes = 10, width = 4) {
    input image: [in_channels, H, W]

    stem: { conv(width, 3) -> batch_norm -> relu }
    head: { global_avg_pool -> flatten -> linear(num_classes) }
}
"""

HEADS = """
arch Heads(num_classes = 10) {
    input image: [1, 8, 8]

    flatten -> linear(12) -> relu as body
    early: linear(num_classes) as aux_logits1
    output aux_logits1 when training
    body -> linear(num_classes) as logits
    output logits
}
"""

PIXELS = """
arch Pixels(in_channels = 3, num_classes = 4, stride = 1, padding = 0) {
    input image: [in_channels, H, W]

    conv(num_classes, 3, stride=stride, padding=padding)
}
"""


def train(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["train", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("small", SMALL), ("heads", HEADS), ("pixels", PIXELS)):
        Path(f"{name}.arch").write_text(text)
    return tmp_path


def small_run(*arguments: str) -> Result:
    return train("small.arch", *QUICK, *arguments)


def test_a_unet_is_bound_by_a_set_with_masks(folder: Path) -> None:
    found = train("unet", *QUICK, "--data", "shapes", "-p", "width=2", "-p", "depth=1", "--out", "run")
    assert found.exit_code == 0, found.output
    assert "3x64x64" in found.output
    assert "  mean IoU 0." in found.output
    assert "best test mean IoU 0." in found.output
    assert archc.load("run")(torch.zeros(1, 3, 32, 32)).shape == (1, 4, 32, 32)


def test_a_folder_of_masks_is_brought_to_a_size_that_the_network_takes(folder: Path) -> None:
    for part, count in (("train", 4), ("test", 2)):
        for kind in ("images", "masks"):
            Path(part, kind).mkdir(parents=True)
            for number in range(count):
                picture = Image.new("L", (13, 10), 0 if kind == "masks" else 90)
                picture.paste(1 if kind == "masks" else 200, (number, 0, number + 5, 10))
                picture.save(Path(part, kind, f"{number}.png"))
    found = train("unet", *QUICK, "--data", ".", "-p", "width=2", "-p", "depth=2", "--out", "run")
    assert found.exit_code == 0, found.output
    assert "2 classes, 1x10x13 brought to 1x12x16" in found.output


def test_an_output_without_its_border_is_about_the_middle(folder: Path) -> None:
    found = train("pixels.arch", *QUICK, "--data", "shapes", "--out", "run")
    assert found.exit_code == 0, found.output
    assert "masks are cut to their middle 62x62 of 64x64, the network's output" in found.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pixels.arch", "--data", "digits"), "needs 10 scores, one for each class; a network with scores for each"),
        (("d2l/lenet", "--data", "shapes"), "is 4, and data set `shapes` needs 4 scores for each pixel, one for each"),
        (("pixels.arch", "--data", "shapes", "-p", "num_classes=3"), "leave out `-p num_classes=...`"),
        (("pixels.arch", "--data", "shapes", "-p", "stride=4"), "one score for several pixels: end the network with"),
        (("pixels.arch", "--data", "shapes", "-p", "padding=2"), "output is 66x66 for images of 64x64"),
    ],
)
def test_results_that_do_not_fit_the_labels_are_refused(folder: Path, arguments: list[str], message: str) -> None:
    found = train(*arguments, *QUICK)
    assert found.exit_code == 2
    assert message in found.output
    assert not Path("runs").exists()


def test_auxiliary_results_are_trained_and_said(folder: Path) -> None:
    found = train("heads.arch", *QUICK, "--out", "run")
    assert found.exit_code == 0, found.output
    assert "auxiliary results: aux_logits1 weighs 0.3\n" in found.output
    assert archc.load("run")(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    off = train("heads.arch", *QUICK, "--set", "aux_weights=0", "--out", "off")
    assert "auxiliary results: aux_logits1 weighs 0\n" in off.output
    trained, untouched, first = (archc.load(name).state_dict()["early.weight"] for name in ("run", "off", "off"))
    assert torch.equal(untouched, first)
    assert not torch.equal(trained, untouched)


@pytest.mark.parametrize(
    ("name", "parameters", "weights"),
    [
        ("googlenet", {}, {"aux_logits2": 0.3, "aux_logits1": 0.3}),
        ("inception_v3", {}, {"aux_logits": 0.4}),
        ("fcn_resnet50", {"aux_loss": True}, {"aux": 0.5}),
        ("deeplabv3_resnet50", {"aux_loss": True}, {"aux": 0.5}),
    ],
)
def test_the_heads_of_the_zoo_weigh_as_in_their_sources(
    name: str, parameters: dict[str, object], weights: dict[str, float]
) -> None:
    objective = Objective(Settings(), classes=10, segmentation=False)
    _, *others = archc.compile(name, params=parameters).outputs
    assert {other: objective.weight_of(other) for other in others} == weights


def test_a_run_begins_with_the_weights_of_another(folder: Path) -> None:
    assert small_run("--out", "first").exit_code == 0
    found = small_run("--weights", "first", "--freeze", "stem", "--out", "second")
    assert found.exit_code == 0, found.output
    assert "the network's own initial weights" in found.output
    assert "begins with the weights of first\n" in found.output
    assert "48 of 98 parameters are frozen, batch norms with their statistics\n" in found.output
    before, after = (archc.load(name).state_dict() for name in ("first", "second"))
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {name for name in before if name.startswith("stem.")}


def test_a_head_for_other_classes_begins_anew(folder: Path) -> None:
    torch.save(archc.load("small.arch", num_classes=3).state_dict(), "three.pt")
    kept = archc.load("small.arch", num_classes=3).state_dict()
    run = archc.train("small.arch", weights="three.pt", freeze=["stem"], epochs=1, quiet=True, out="run")
    begun = torch.load("three.pt", weights_only=True)
    assert torch.equal(run.module.state_dict()["stem.0.weight"].cpu(), begun["stem.0.weight"])
    assert not torch.equal(kept["stem.0.weight"], begun["stem.0.weight"])
    said = small_run("--weights", "three.pt", "--out", "again").output
    assert "weights of three.pt, but for head.2, whose number of outputs is another: drawn from the seed\n" in said


def test_weights_come_before_the_first_weights_of_a_recipe(folder: Path) -> None:
    torch.save(archc.load("small.arch").state_dict(), "ten.pt")
    Path("drawn.yaml").write_text("init: xavier\nlr: 0.01\n")
    result = small_run("--recipe", "drawn.yaml", "--weights", "ten.pt", "--out", "run")
    assert result.exit_code == 0, result.output
    assert "recipe drawn.yaml (lr); command line (" in result.output
    assert "begins with the weights of ten.pt" in result.output
    kept = yaml.safe_load(Path("run/recipe.yaml").read_text())
    assert (kept["init"], kept["weights"]) == ("module", "ten.pt")
    Path("drawn.yaml").write_text("init: xavier\nweights: ten.pt\n")
    assert "leave one of them out" in small_run("--recipe", "drawn.yaml").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--weights", "nowhere.pt"), "there is no file `nowhere.pt` with weights, and no run in a folder"),
        (("--weights", "color.pt"), "`in_channels=3` shows grey images to a network for colour"),
        (("--weights", "color.pt", "--set", "init=xavier"), "init xavier would draw anew what `weights` names"),
        (("--freeze", "stm"), "freeze: no parameter's name matches 'stm'; did you mean 'stem"),
        (("--freeze", "*"), "freeze: '*' leaves nothing to train"),
        (("--weights", "a", "--set", "weights=b"), "--weights and --set weights say the same"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(folder: Path, arguments: list[str], message: str) -> None:
    torch.save(archc.load("small.arch", in_channels=3).state_dict(), "color.pt")
    found = small_run(*arguments)
    assert found.exit_code == 2
    assert message in found.output
    assert not Path("runs").exists()


def test_grey_images_are_shown_to_weights_for_colour(folder: Path) -> None:
    torch.save(archc.load("small.arch", in_channels=3).state_dict(), "color.pt")
    found = small_run("--weights", "color.pt", "-p", "in_channels=3", "--out", "run")
    assert found.exit_code == 0, found.output
    assert "1x8x8 brought to 3x8x8" in found.output
