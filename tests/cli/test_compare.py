"""`archc compare`: runs side by side, and tables of experiments whose missing rows are trained."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import archc
from archc.cli import main
from archc.experiments import read_table, train_table
from archc.recipes import table_names
from archc.runtime import EpochRecord, RunInterrupted, Silent
from archc.runtime.settings import Settings
from tests.checkout import ROOT

TABLE = """\
title: Two small networks
epochs: 1
batch_size: 128
rows:
  MLP: {network: mnist/mlp, recipe: mnist/mlp}
  "MLP, wide steps": {network: mnist/mlp, recipe: mnist/mlp, lr: 0.1}
"""


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments])


def rows_of(found: Result) -> list[dict[str, Any]]:
    assert found.exit_code == 0, found.output
    rows: list[dict[str, Any]] = json.loads(found.stdout)
    return rows


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.yaml").write_text(TABLE)
    return tmp_path


def test_every_table_of_the_zoo_can_be_read() -> None:
    for name in table_names():
        assert read_table(name).rows
    table = read_table("d2l/table")
    assert [row.name for row in table.rows] == [
        "LeNet",
        "AlexNet",
        "VGG-11",
        "NiN",
        "GoogLeNet",
        "ResNet-18",
        "DenseNet",
    ]
    assert {(row.recipe.task.data, row.recipe.settings.epochs) for row in table.rows} == {("mnist", 3)}
    assert table.name == read_table(str(ROOT / "archs/d2l/table.yaml")).name == "d2l-table"
    for row in table.rows[1:]:
        size = row.recipe.task.params["size"]
        assert row.recipe.settings.image_size == (size, size)
    shuffled = read_table("mnist/shuffled").rows
    assert [row.recipe.settings.augment for row in shuffled] == [
        {},
        {},
        {"permute": {"seed": 1}},
        {"permute": {"seed": 1}},
    ]


def test_rows_are_trained_once_and_kept(place: Path) -> None:
    first = call("two.yaml", "--data", "digits", "--format", "json", "-o", "two.png", "--quiet")
    rows = rows_of(first)
    assert [row["name"] for row in rows] == ["MLP", "MLP, wide steps"]
    assert [row["run"] for row in rows] == ["runs/two/mlp-1", "runs/two/mlp-wide-steps-1"]
    assert {(row["data"], row["size"], row["epochs"], row["parameters"]) for row in rows} == {
        ("digits", "1x28x28", 1, 6442)
    }
    assert rows[0]["loss"] != rows[1]["loss"]
    assert Image.open(io.BytesIO((place / "two.png").read_bytes())).format == "PNG"
    again = call("two.yaml", "--data", "digits", "--format", "json")
    assert rows_of(again) == rows
    assert again.stderr.splitlines() == [
        "MLP (1 of 2): done before, in runs/two/mlp-1",
        "MLP, wide steps (2 of 2): done before, in runs/two/mlp-wide-steps-1",
    ]
    changed = rows_of(call("two.yaml", "--data", "digits", "--set", "lr=0.1", "--format", "json", "--quiet"))
    assert [row["run"] for row in changed] == ["runs/two/mlp-2", "runs/two/mlp-wide-steps-1"]
    (place / "runs/two/mlp-1/run.json").write_text("{")
    mended = rows_of(call("two.yaml", "--data", "digits", "--format", "json", "--quiet"))
    assert [row["run"] for row in mended] == ["runs/two/mlp-3", "runs/two/mlp-wide-steps-1"]
    assert mended == [{**rows[0], "run": "runs/two/mlp-3", **timed(mended[0])}, rows[1]]


def timed(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("images_per_second", "seconds")}


def test_a_table_that_was_stopped_goes_on(place: Path) -> None:
    class Stops(Silent):
        def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
            raise RunInterrupted("stopped", signal_number=2)

    (place / "two.yaml").write_text(TABLE.replace("epochs: 1", "epochs: 2\ndata: digits"))
    table, folder = read_table("two.yaml"), place / "runs" / "two"
    with pytest.raises(RunInterrupted):
        train_table(table, folder, watch=Stops())
    found = call("two.yaml", "--set", "data_root=elsewhere", "--format", "json")
    assert [row["epochs"] for row in rows_of(found)] == [2, 2]
    assert "MLP (1 of 2): goes on, in runs/two/mlp-1\n" in found.stderr
    whole = archc.train("mnist/mlp", recipe="mnist/mlp", epochs=2, batch_size=128, data="digits", quiet=True)
    assert rows_of(found)[0]["loss"] == whole.metrics[-1].loss


def test_a_row_of_another_text_is_trained_anew(place: Path) -> None:
    text = "arch Net { input image: [1, 8, 8]; flatten -> linear(10) }\n"
    (place / "net.arch").write_text(text)
    (place / "one.yaml").write_text("epochs: 1\nrows: {net: {network: net.arch}}\n")
    assert rows_of(call("one.yaml", "--format", "json", "-q"))[0]["run"] == "runs/one/net-1"
    (place / "net.arch").write_text(text.replace("flatten", "flatten -> linear(4)"))
    assert rows_of(call("one.yaml", "--format", "json", "-q"))[0]["run"] == "runs/one/net-2"


def test_a_row_that_stops_itself_leaves_empty_cells(place: Path) -> None:
    (place / "one.yaml").write_text(
        "epochs: 1\nbatch_size: 128\noptimizer: sgd\nclip: 0\n"
        "rows:\n  wild: {network: mnist/mlp, lr: 1e30}\n  tame: {network: mnist/mlp, lr: 0.01}\n"
    )
    found = call("one.yaml", "--format", "csv", "--out", "here", "-o", "one.png", "-q")
    assert found.exit_code == 4
    assert "error: wild: a loss or gradient in epoch 1 is not finite" in found.stderr
    wild, tame = csv.DictReader(io.StringIO(found.stdout))
    assert (wild["epochs"], wild["loss"], wild["images_per_second"], wild["parameters"]) == ("", "", "", "6442")
    assert tame["epochs"] == "1"
    assert (place / "one.png").exists()


def test_runs_and_folders_of_runs(place: Path) -> None:
    for name in ("a/one", "a/two", "b"):
        archc.train("mnist/mlp", epochs=1, batch_size=128, loss="nll", out=f"runs/{name}", quiet=True)
    found = call("b", "runs/a", "--format", "markdown")
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    assert lines[:2] == [
        "| run | data | size | epochs | loss | train accuracy | test accuracy | images/s | device | parameters"
        " | time |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| b", "| one", "| two"]
    (place / "b").mkdir()  # not a run: the data set of one, say
    found = call("b", "--format", "csv", "-o", "b.png")
    assert (found.stdout.splitlines()[1].split(",")[0], found.stderr) == ("b", "b.png: 1 run\n")
    found = call("b", "runs/a", "b", "--format", "csv")
    assert [line.split(",")[0] for line in found.stdout.splitlines()[1:]] == ["runs/b", "one", "two", "runs/b"]
    found = call("b", "archs", "--format", "csv")
    assert (found.exit_code, found.stdout) == (2, "")
    (place / "archs").mkdir()
    found = call("b", "archs")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "`archs` is a folder without a run in it" in found.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a recipe is a mapping"),
        ("epochs: 1", "one.yaml: a table needs rows, a mapping of names to a network each: rows: {LeNet: "),
        ("rows: [1]", "one.yaml:1:7: a table needs rows"),
        ("rows: {a: 1}", "one.yaml:1:11: row 'a' needs a network"),
        ("rows: {a: {network: 3}}", "one.yaml:1:11: row 'a' needs a network"),
        ("rows: {a: {netwrok: d2l/lenet}}", "one.yaml:1:12: no setting is called 'netwrok'; did you mean 'network'?"),
        (
            "epocs: 1\nrows: {a: {network: d2l/lenet}}",
            "one.yaml:1:1: no setting is called 'epocs'; did you mean 'epochs'?",
        ),
        (
            "titel: x\nrows: {a: {network: d2l/lenet}}",
            "one.yaml:1:1: no setting is called 'titel'; did you mean 'title'?",
        ),
        ("title: 3\nrows: {a: {network: d2l/lenet}}", "one.yaml:1:8: title must be a text, found 3"),
        ("rows: {a: {network: d2l/lenet, recipe: 3}}", "one.yaml:1:40: recipe must be a name, found 3"),
        ("rows: {a: {network: d2l/lenet, lr: 0}}", "one.yaml:1:36: lr must be a number above 0, found 0"),
        ("lr: 0\nrows: {a: {network: d2l/lenet}}", "one.yaml:1:5: lr must be a number above 0, found 0"),
        ("rows: {a: {network: d2l/lenets}}", "did you mean `d2l/lenet`?"),
        ("rows: {a: {network: d2l/lenet, recipe: d2l/lenets}}", "did you mean `d2l/lenet`?"),
        (
            "rows: {a: {network: d2l/lenet}, a: {network: d2l/lenet}}",
            "one.yaml:1:33: 'a' is set twice, first at one.yaml:1:8",
        ),
        (
            "rows: {" + "".join(f"r{n}: {{network: d2l/lenet}}, " for n in range(101)) + "}",
            "at most 100 rows, this one 101",
        ),
    ],
)
def test_a_wrong_table_is_refused_before_anything_is_trained(place: Path, text: str, said: str) -> None:
    (place / "one.yaml").write_text(text)
    found = call("one.yaml")
    assert found.exit_code == 2
    assert said in found.stderr
    assert not (place / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["d2l/tabel"], "there is no run or table `d2l/tabel`; did you mean `d2l/table`?"),
        (["nothing"], "there is no run `nothing`; `archc runs` lists the runs"),
        (["nothing.yaml"], "cannot read the table `nothing.yaml`"),
        (["."], "`.` is a folder without a run in it"),
        ([".", "--epochs", "3"], "--epochs, --set and --out are for a table"),
        (["two.yaml", "mnist/shuffled", "--out", "x"], "--out is the folder of one table"),
        (["two.yaml", "--epochs", "3", "--set", "epochs=4"], "--epochs and --set epochs say the same"),
        (["two.yaml", "--epochs", "0"], "--epochs: epochs must be a whole number of at least 1"),
        (["two.yaml", "-o", "x.jpg"], "does not end in .png"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_compared(place: Path, arguments: list[str], said: str) -> None:
    found = call(*arguments)
    assert found.exit_code == 2
    assert said in found.stderr
    assert not (place / "runs").exists()


def test_missing_data_ends_the_table(place: Path) -> None:
    found = call("d2l/table", "--data-root", "nowhere")
    assert found.exit_code == 3
    assert "error: data set 'mnist': " in found.stderr
    assert "nowhere" in found.stderr


def test_a_table_changes_no_default() -> None:
    assert read_table("d2l/table").rows[0].recipe.settings.changed().keys() < Settings.model_fields.keys()
