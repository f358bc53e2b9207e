"""`archc runs`, `archc eval` and `archc predict`: what is done with runs."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import archc
from archc.cli import main
from archc.commands.eval import WIDEST, WORST, matrix_text
from archc.dsl.render import columns_of
from tests.cli.test_help import completed


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "lenet"
    archc.train("d2l/lenet", recipe="d2l/lenet", data="digits", epochs=2, batch_size=32, out=folder, quiet=True)
    return folder


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the run as runs/lenet."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, tmp_path / "runs" / "lenet")
    return tmp_path


def test_the_list_names_what_is_damaged(place: Path) -> None:
    (place / "runs" / "odd").mkdir()
    (place / "runs" / "odd" / "run.json").write_text("{")
    found = call("runs")
    assert found.exit_code == 0
    assert found.stdout.split()[:9] == [
        "run", "network", "data", "epochs", "of", "best", "accuracy", "started", "state",
    ]  # fmt: skip
    assert found.stdout.splitlines()[2].split()[:5] == ["runs/lenet", "LeNet", "digits", "2", "2"]
    assert found.stdout.splitlines()[3].split() == ["runs/odd", "damaged"]
    assert found.stderr.startswith("damaged: runs/odd/run.json is damaged")
    listed = json.loads(call("runs", "--format", "json").stdout)
    assert [(row["run"], row["state"]) for row in listed] == [("runs/lenet", "finished"), ("runs/odd", "damaged")]
    assert 0 < listed[0]["best_accuracy"] <= 1
    assert call("runs", "--format", "csv").stdout.startswith("run,network,data,epochs,asked,best_accuracy,")
    assert "| runs/odd |" in call("runs", "--format", "markdown").stdout


def test_a_shell_offers_the_runs(place: Path) -> None:
    for command in ("eval", "predict"):
        assert completed(command, "") == ["runs/lenet"]
    assert completed("compare", "") == ["d2l/table", "mnist/shuffled", "runs/lenet"]
    assert completed("eval", "elsewhere/") == ["elsewhere/"]  # with the word for folders


def test_where_there_is_no_run(place: Path) -> None:
    (place / "empty").mkdir()
    found = call("runs", "empty")
    assert (found.exit_code, found.stdout, found.stderr) == (0, "", "there is no run in empty\n")
    assert call("runs", "empty", "--format", "json").stdout == "[]\n"
    found = call("runs", "nowhere")
    assert (found.exit_code, found.stderr) == (2, "error: there is no folder 'nowhere'\n")
    shutil.rmtree("runs")
    found = call("runs")
    assert found.exit_code == 2
    assert "no run yet; `archc train" in found.stderr


@pytest.mark.parametrize("command", ["eval", "predict"])
def test_a_run_that_is_not_there(place: Path, command: str) -> None:
    more = ["x.png"] if command == "predict" else []
    found = call(command, "runs/lenett", *more)
    assert (found.exit_code, found.stderr) == (2, "error: there is no run `runs/lenett`; did you mean `runs/lenet`?\n")
    assert "is a folder without a run" in call(command, "runs", *more).stderr
    assert call(command, "a\0b", *more).exit_code == 2


def test_eval_gives_the_numbers_of_the_run(place: Path) -> None:
    last = json.loads((place / "runs/lenet/metrics.jsonl").read_text().splitlines()[-1])
    found = json.loads(call("eval", "lenet", "--which", "last", "--format", "json").stdout)
    assert found["loss"] == pytest.approx(last["test_loss"], rel=1e-6)
    assert (found["accuracy"], found["top5"]) == (last["test_accuracy"], last["test_top5"])
    assert found["classes"] == [str(digit) for digit in range(10)]
    confusion = torch.tensor(found["confusion"])
    assert confusion.shape == (10, 11)
    assert int(confusion.sum()) == 355
    assert int(confusion.diagonal().sum()) / 355 == pytest.approx(found["accuracy"])
    text = call("eval", "runs/lenet", "--which", "last")
    assert text.stdout.splitlines()[0] == (
        f"runs/lenet (last) on 355 test images of digits: loss {found['loss']:.4f}, accuracy {found['accuracy']:.4f},"
        f" top-5 accuracy {found['top5']:.4f}"
    )
    assert text.stderr.startswith("data digits: scikit-learn's")
    table = list(csv.reader(io.StringIO(call("eval", "lenet", "--which", "last", "--format", "csv").stdout)))
    assert [[int(cell) for cell in row[1:]] for row in table[1:]] == found["confusion"]
    assert table[0] == ["true", *found["classes"], "none"]


def test_eval_of_another_set(place: Path) -> None:
    (place / "photos").mkdir()
    for name in ("3", "5"):
        (place / "photos" / name).mkdir()
        for number in range(5):
            Image.new("RGB", (9, 12), (40 * number,) * 3).save(place / "photos" / name / f"{number}.png")
    found = json.loads(call("eval", "lenet", "--data", "photos", "--format", "json").stdout)
    assert (found["data"], found["test_images"]) == ("photos", 2)
    rows = [sum(row) for row in found["confusion"]]
    assert rows == [0, 0, 0, 1, 0, 1, 0, 0, 0, 0]
    found_error = call("eval", "lenet", "--data", "shapes")
    assert (found_error.exit_code, found_error.stdout) == (2, "")
    assert "labels each pixel" in found_error.stderr
    assert call("eval", "lenet", "--data", "digit").exit_code == 2
    assert call("eval", "lenet", "--data", "mnist", "--data-root", "nowhere").exit_code == 3


def test_a_run_that_lost_its_recipe_or_its_weights(place: Path) -> None:
    (place / "runs/lenet/recipe.yaml").unlink()
    found = call("eval", "lenet")
    assert (found.exit_code, found.stderr) == (3, "error: runs/lenet/recipe.yaml is not there\n")
    assert call("eval", "lenet", "--data", "digits").exit_code == 0
    shutil.rmtree("runs/lenet/best")
    found = call("eval", "lenet", "--data", "digits")
    assert found.exit_code == 3
    assert found.stderr == (
        "error: runs/lenet/best holds no checkpoint: manifest.json is not there;"
        " `--which last` takes the last weights\n"
    )
    assert call("eval", "lenet", "--data", "digits", "--which", "last").exit_code == 0
    shutil.rmtree("runs/lenet/last")
    assert "--which" not in call("eval", "lenet", "--data", "digits").stderr


def changed(name: str, old: str, new: str) -> None:
    path = Path("runs/lenet") / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("run.json", '"chosen": {', '"chosen": [], "x": {'),
        ("run.json", '"byte_mean": [', '"byte_mean": [1, '),
        ("settings.json", '"seed": 0', '"seed": 1'),
        ("zoo/d2l/lenet.arch", "sigmoid", "tanh"),
    ],
)
def test_a_run_with_a_changed_file_is_refused(place: Path, name: str, old: str, new: str) -> None:
    changed(name, old, new)
    for command in (["eval", "lenet"], ["predict", "lenet", "--samples", "3"]):
        found = call(*command)
        assert (found.exit_code, found.stdout) == (3, "")
        assert f"error: runs/lenet/{name} was changed since the run began" in found.stderr
    with pytest.raises(archc.runtime.EnvironmentProblem, match="was changed since the run began"):
        archc.load("runs/lenet")
    assert not Path("predictions.png").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"chosen": {', '"chosen": [], "x": {', "the run chose for itself: `chosen` must be a mapping of precision"),
        ('"precision": "', '"precision": "x', "that the run chose for itself: precision must be one of auto"),
        ('"image_size": [', '"image_size": [-28, 28, 28], "x": [', "data.image_size.0: Input should be greater than 0"),
        ('"classes": [', '"classes": [3, ', "data.classes.0: Input should be a valid string"),
    ],
)
def test_without_a_checkpoint_that_knows_better_facts_of_a_wrong_type_are_named(
    place: Path, old: str, new: str, said: str
) -> None:
    shutil.rmtree("runs/lenet/last")
    changed("run.json", old, new)
    found = call("eval", "lenet")
    assert (found.exit_code, found.stdout) == (3, "")
    assert said in found.stderr


def test_the_run_of_a_module_says_how_its_weights_are_loaded(place: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    run = archc.runtime.fit(net, "digits", epochs=1, out="runs/module", quiet=True)
    assert run._repr_png_() == Path("runs/module/curves.png").read_bytes()
    assert repr(run).startswith("<Run runs/module: 1 of 1 epochs, best test accuracy 0.")
    found = call("eval", "module")
    assert found.exit_code == 2
    assert "archc.runtime.load_weights(module, 'runs/module')" in found.stderr
    shutil.rmtree("runs/module")
    assert run._repr_png_() is None


def test_data_that_lies_elsewhere_now(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("3", "5"):
        (place / "photos" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (9, 12), (40 * number,) * 3).save(place / "photos" / name / f"{number}.png")
    archc.train("d2l/lenet", data="photos", epochs=1, out="runs/photos", quiet=True)
    (place / "photos").rename(place / "pictures")
    found = call("eval", "runs/photos")
    assert found.exit_code == 2
    assert found.stderr.endswith("; the run was trained on 'photos': --data says where that is now\n")
    found = call("predict", "runs/photos", "--samples", "2", "--data", "pictures")
    assert found.stdout.startswith("predictions.png: 2 test images, ")


def test_many_classes_show_the_worst_pairs() -> None:
    classes = [f"class {number}" for number in range(WIDEST + 5)]
    confusion = torch.eye(WIDEST + 5, WIDEST + 6, dtype=torch.int64) * 10
    for number in range(WORST + 3):
        confusion[number, number + 1] = 2 * number
    confusion[0, WIDEST + 5] = 90
    lines = matrix_text(classes, confusion).splitlines()
    assert len(lines) == 2 + 2 * WORST
    assert lines[1] == "  class 0 taken for none of them: 90 of 100 (90.0%)"
    assert lines[2] == "  class 12 taken for class 13: 24 of 34 (70.6%)"
    assert lines[1 + WORST] == "right least often:"
    assert lines[2 + WORST :][:2] == ["  class 0: 10 of 100 (10.0%)", "  class 12: 10 of 34 (29.4%)"]
    assert matrix_text(classes, torch.eye(WIDEST + 5, WIDEST + 6, dtype=torch.int64)).count("\n") == 0


def test_a_matrix_of_pixels_has_the_iou_and_wide_letters_take_two_columns() -> None:
    confusion = torch.tensor([[3, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]])
    lines = matrix_text(("cat", "猫" * 9, "dog"), confusion, pixels=True).splitlines()
    assert [line.split() for line in lines] == [
        ["true", "\\", "said", "cat", "猫猫猫猫猫猫猫…", "dog", "right", "IoU"],
        ["cat", "3", "1", "0", "75.0%", "75.0%"],
        ["猫猫猫猫猫猫猫…", "0", "2", "0", "100.0%", "66.7%"],
        ["dog", "0", "0", "0", "-", "-"],
    ]
    assert {columns_of(line) for line in lines} == {57}


def test_a_matrix_cuts_long_names_and_knows_classes_without_images() -> None:
    confusion = torch.tensor([[3, 1, 2], [0, 0, 0]])
    assert matrix_text(("a name that is far too long", "\x1b[31m"), confusion).splitlines() == [
        "true \\ said       a name that is …  \\x1b[31m  none  right",
        "a name that is …                 3         1     2  50.0%",
        "\\x1b[31m                         0         0     0      -",
    ]


def picture(path: Path, level: int) -> str:
    Image.new("L", (20, 20), level).save(path)
    return str(path)


def test_predict_labels_pictures_and_names_broken_ones_at_the_end(place: Path) -> None:
    dark, bright = picture(place / "dark.png", 0), picture(place / "bright.jpg", 255)
    (place / "broken.png").write_text("no picture")
    found = call("predict", "lenet", dark, "broken.png", "nothing.png", bright, "--top", "2")
    assert found.exit_code == 3
    assert [line.partition(":")[0] for line in found.stdout.splitlines()] == [dark, bright]
    assert found.stdout.splitlines()[0].count("%") == 2
    assert found.stderr.splitlines() == [
        "error: broken.png cannot be read as a picture: it is no picture",
        "error: nothing.png cannot be read as a picture: No such file or directory",
    ]
    listed = json.loads(call("predict", "lenet", dark, "--top", "99", "--format", "json").stdout)
    assert [row["image"] for row in listed] == [dark]
    shares = [label["probability"] for label in listed[0]["labels"]]
    assert len(shares) == 10
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)


def test_predict_draws_samples(place: Path) -> None:
    found = call("predict", "lenet", "--samples", "7", "-o", "grid.png")
    assert found.exit_code == 0, found.stderr
    assert found.stdout.startswith("grid.png: 7 test images, ")
    first = Path("grid.png").read_bytes()
    assert Image.open(io.BytesIO(first)).format == "PNG"
    call("predict", "lenet", "--samples", "7", "--seed", "1")
    assert Path("predictions.png").read_bytes() != first


def test_predict_draws_the_classes_found_in_pictures(place: Path) -> None:
    (place / "pixels.arch").write_text("arch Pixels { input image: [3, H, W]\n conv(4, 1) }")
    archc.train("pixels.arch", data="shapes", epochs=1, out="runs/pixels", quiet=True)
    one, two = picture(place / "one.png", 0), picture(place / "two.png", 255)
    alone = call("predict", "pixels", one, "-o", "alone.png")
    assert (alone.exit_code, alone.stdout.count("of the pixels")) == (0, 1)
    found = call("predict", "pixels", one, "nothing.png", two, "-o", "found.png")
    assert (found.exit_code, found.stdout.count("of the pixels")) == (3, 2)
    with Image.open("alone.png") as first, Image.open("found.png") as both:
        assert both.width * both.height > 1.5 * first.width * first.height
    assert call("predict", "pixels", "nothing.png", "-o", "none.png").exit_code == 3
    assert not Path("none.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give pictures, or --samples N"),
        (["x.png", "--samples", "3"], "not both"),
        (["x.png", "--data", "digits"], "--data and --data-root say where --samples come from"),
        (["x.png", "-o", "y.png"], "-o is where --samples draws a grid"),
        (["--samples", "3", "-o", "grid.jpg"], "does not end in .png"),
        (["--samples", "0"], "--samples"),
    ],
)
def test_predict_refuses_what_does_not_go_together(place: Path, arguments: list[str], said: str) -> None:
    found = call("predict", "lenet", *arguments)
    assert found.exit_code == 2
    assert said in found.stderr
