"""`archc data`: the list, the grid, fetching, and what is said of wrong names, folders and steps."""

import io
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from archc.cli import main
from archc.runtime.data import SOURCES
from archc.runtime.data import fetch as fetching


def archc(*args: str) -> Result:
    return CliRunner().invoke(main, list(args), prog_name="archc")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_list_names_every_set() -> None:
    result = archc("data", "list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [*SOURCES, "FOLDER"]


def test_show_writes_a_grid(place: Path) -> None:
    result = archc("data", "show", "digits", "-o", "grid.png", "--samples", "12")
    assert result.exit_code == 0
    assert result.stdout == (
        "1,442 training and 355 test images, 1x8x8, 10 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9\ngrid.png: 12 images\n"
    )
    assert "scikit-learn's handwritten digits" in result.stderr
    grid = Image.open("grid.png")
    assert grid.size == (4 * 162, 3 * 184)
    assert len(grid.getcolors(100_000) or ()) > 20


def test_show_has_a_name_of_its_own_and_the_seed_decides(place: Path) -> None:
    assert archc("data", "show", "synthetic").exit_code == 0
    first = (place / "synthetic.png").read_bytes()
    archc("data", "show", "synthetic")
    assert (place / "synthetic.png").read_bytes() == first
    archc("data", "show", "synthetic", "--seed", "1")
    other = (place / "synthetic.png").read_bytes()
    archc("data", "show", "synthetic", "--part", "test")
    assert len({first, other, (place / "synthetic.png").read_bytes()}) == 3


STEPS = [
    "crop, flip, rotate, color, erase",
    "{resized_crop: {scale: [0.3, 1]}, permute: 3}",
    "[flip, {crop: {resize: 100, padding: 0}}]",
]


@pytest.mark.parametrize(
    ("name", "steps"),
    [*product(("digits", "synthetic", "shapes"), STEPS), ("digits", "mixup, cutmix"), ("synthetic", "mixup, cutmix")],
)
def test_show_augmented(name: str, steps: str, place: Path) -> None:
    archc("data", "show", name, "-o", "plain.png")
    result = archc("data", "show", name, "-o", "changed.png", "--augment", steps)
    assert result.exit_code == 0, result.stderr
    assert "changed.png: 20 images, augmented: " in result.stdout
    assert (place / "changed.png").read_bytes() != (place / "plain.png").read_bytes()


def test_show_masks_beside_their_images_with_a_legend() -> None:
    assert archc("data", "show", "shapes", "--samples", "3").exit_code == 0
    grid = Image.open("shapes.png").convert("RGB")
    colors = {color for _, color in grid.getcolors(1_000_000) or ()}
    assert {(0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115)} <= colors


def test_show_a_folder(place: Path) -> None:
    for name in ("cat", "dög with a very long name"):
        (place / "pets" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (40, 30), (90, 9, 9 * number)).save(place / "pets" / name / f"{number}.jpg")
    result = archc("data", "show", "pets/")
    assert result.exit_code == 0
    assert "pets.png: 4 images" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["show", "digit"], 2, "did you mean 'digits'?"),
        (["show", "mnist"], 3, "--data-root DIR"),
        (["show", "mnist", "--data-root", "."], 3, "archc data fetch mnist --data-root DIR"),
        (["show", "no/such/folder"], 3, "there is no folder 'no/such/folder'"),
        (["show", "digits", "-o", "x.jpg"], 2, "does not end in .png"),
        (["show", "digits", "-o", "no/such/x.png"], 3, "no/such/x.png"),
        (["show", "digits", "--augment", "crop, flop"], 2, "did you mean 'flip'?"),
        (["show", "digits", "--augment", "{flip: [}"], 2, "--augment takes names or a mapping"),
        (["show", "digits", "--augment", "{crop: {resize: 4}}"], 2, "crop.resize is 4, and images of 8x8"),
        (["show", "digits", "--augment", "[" * 100_000], 2, "--augment takes names or a mapping"),
        (
            ["show", "shapes", "--augment", "mixup"],
            2,
            "mixup mixes labels of whole images, and data set 'shapes' labels",
        ),
        (["show", "digits", "--samples", "0"], 2, "--samples"),
        (["fetch", "digits", "--data-root", "x"], 2, "is not fetched"),
        (["fetch", "mnits", "--data-root", "x"], 2, "did you mean 'mnist'?"),
        (["shwo"], 2, "shwo"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], status: int, message: str, place: Path) -> None:
    result = archc("data", *arguments)
    assert result.exit_code == status, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert list(place.iterdir()) == []


def test_without_a_command_the_help_is_shown() -> None:
    assert archc("data").output.startswith("Usage: archc data")


def test_fetch_says_why_not(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(sets: object, root: str) -> None:
        raise OSError("<urlopen error\nno route to host>")

    monkeypatch.setitem(fetching.FETCHES, "cifar10", offline)
    result = archc("data", "fetch", "cifar10", "--data-root", "sets")
    assert result.exit_code == 3
    assert "data set 'cifar10' could not be fetched to sets (<urlopen error no route to host>)" in result.stderr


def test_every_part_of_the_group_has_help_with_examples() -> None:
    for name in ("list", "show", "fetch"):
        text = archc("data", name, "--help").stdout
        assert f"archc data {name}" in text.partition("Examples:")[2]


@pytest.mark.parametrize("right", [[True, True], [True, False], [False, False]])
def test_the_grid_marks_what_is_right_and_what_is_wrong(right: list[bool]) -> None:
    import torch

    from archc.runtime.data.grid import RIGHT, WRONG, draw_grid

    png = draw_grid(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), ["", ""], right=right)  # the marks alone
    colors = {color for _, color in Image.open(io.BytesIO(png)).convert("RGB").getcolors(1_000_000) or ()}
    assert (RIGHT in colors, WRONG in colors) == (True in right, False in right)


def test_training_takes_a_folder_and_says_what_masks_need(place: Path) -> None:
    net = "arch Net(in_channels = 3, num_classes = 10) {\n    input image: [in_channels, 8, 8]\n"
    (place / "net.arch").write_text(net + "    flatten -> linear(num_classes)\n}\n")
    for level, name in enumerate(("dark", "bright")):
        (place / "pets" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("L", (12, 10), 200 * (1 - level) + number).save(place / "pets" / name / f"{number}.png")
    result = archc("train", "net.arch", "--data", "pets/", "--epochs", "3", "--out", "run")
    assert result.exit_code == 0, result.stderr
    assert "16 training and 4 test images, 2 classes, 1x10x12 brought to 1x8x8, held on" in result.stderr
    result = archc("train", "net.arch", "--data", "shapes", "--out", "other")
    assert result.exit_code == 2
    assert "`output` of `Net` is 4, and data set `shapes` needs 4 scores for each pixel" in result.stderr
    assert not (place / "other").exists()
