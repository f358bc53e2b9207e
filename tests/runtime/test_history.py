"""The history of a run: CSV, TensorBoard's events, curves; what goes wrong with them never ends a run."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from archc.runtime import EpochRecord, RunInterrupted, RunStopped, Settings, fit
from archc.runtime.curves import Row, draw_comparison, draw_run
from archc.runtime.history import History, csv_lines
from archc.runtime.run import Run
from archc.runtime.watch import JsonLines, Lines, Silent
from tests.runtime.toys import toy_data, toy_net

SETTINGS = Settings(epochs=3, batch_size=8, device="cpu", precision="fp32")


def toy_run(out: Path, **changes: Any) -> Run:
    return fit(toy_net(), toy_data(), settings=SETTINGS.but(**changes), out=out, watch=Silent())


def record(epoch: int, **measured: Any) -> EpochRecord:
    plain = EpochRecord(
        epoch=epoch, loss=1 / epoch, train_accuracy=0.5, test_loss=1.0, test_accuracy=1 - 0.5 / epoch,
        images_per_second=100.0, train_seconds=1.0, seconds=1.5, learning_rate=0.1,
    )  # fmt: skip
    return plain._replace(**measured)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard's files hold: the steps and values of each tag, in the order they were written."""
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda path: int(path.name.rpartition("-")[2])):
        content, place = path.read_bytes(), 0
        while place < len(content):  # length, its checksum, the event, its checksum
            size = int.from_bytes(content[place : place + 8], "little")
            event = Event.FromString(content[place + 12 : place + 12 + size])
            place += 16 + size
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_the_csv_holds_the_records_of_the_run(tmp_path: Path) -> None:
    run = toy_run(tmp_path / "run")
    rows = list(csv.DictReader(io.StringIO((run.folder / "history.csv").read_text())))
    assert list(rows[0]) == list(EpochRecord._fields)
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert [float(row["test_accuracy"]) for row in rows] == [each.test_accuracy for each in run.metrics]
    assert {row["test_mean_iou"] for row in rows} == {""}


def test_tensorboard_gets_every_measure_of_every_epoch(tmp_path: Path) -> None:
    run = toy_run(tmp_path / "run")
    found = scalars(run.folder)
    assert sorted(found) == [
        "accuracy/test", "accuracy/train", "loss/test", "loss/train", "run/images_per_second", "run/learning_rate",
    ]  # fmt: skip
    assert [step for step, _ in found["loss/train"]] == [1, 2, 3]
    assert [value for _, value in found["loss/train"]] == pytest.approx([each.loss for each in run.metrics])


def test_the_curves_are_a_picture(tmp_path: Path) -> None:
    run = toy_run(tmp_path / "run", epochs=1)
    picture = Image.open(run.folder / "curves.png").convert("RGB")
    assert picture.width > 1000
    assert len(picture.getcolors(1_000_000) or ()) > 10


def test_a_run_that_is_stopped_leaves_its_history(tmp_path: Path) -> None:
    class Stops(Silent):
        def epoch_ends(self, record: EpochRecord, epochs: int) -> None:
            if record.epoch == 2:
                raise RunInterrupted("stopped", signal_number=2)

    with pytest.raises(RunInterrupted):
        fit(toy_net(), toy_data(), settings=SETTINGS, out=tmp_path / "run", watch=Stops())
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 3
    assert (tmp_path / "run" / "curves.png").exists()


def test_a_run_without_an_epoch_has_no_curves(tmp_path: Path) -> None:
    with pytest.raises(RunStopped):
        toy_run(tmp_path / "run", lr=1e30, clip=0, optimizer="sgd")
    assert not (tmp_path / "run" / "curves.png").exists()


def test_what_cannot_be_drawn_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> bytes:
        raise RuntimeError("no fonts\nand more")

    monkeypatch.setattr("archc.runtime.curves.draw_run", broken)
    monkeypatch.setattr("archc.runtime.history.csv_lines", broken)
    said = io.StringIO()
    run = fit(toy_net(), toy_data(), settings=SETTINGS, out=tmp_path / "run", watch=Lines(said))
    assert len(run.metrics) == 3
    assert said.getvalue().splitlines()[-1] == "history.csv could not be written (no fonts); the run itself is whole"
    lines = io.StringIO()
    fit(toy_net(), toy_data(), settings=SETTINGS, out=tmp_path / "json", watch=JsonLines(lines))
    assert json.loads(lines.getvalue().splitlines()[-1])["trouble"].startswith("history.csv could not be written")


def test_a_run_that_goes_on_writes_its_history_anew(tmp_path: Path) -> None:
    run = Run(tmp_path, toy_net(), SETTINGS)
    first = History(run, Silent(), title="toy")
    for epoch in (1, 2, 3):
        run.metrics.append(record(epoch))
        first.epoch_ends(run.metrics[-1], 5)
    first.run_ends("", {})
    (tmp_path / "history.csv").write_text("half a li")
    del run.metrics[1:]  # the checkpoint is that of the first epoch
    second = History(run, Silent(), title="toy")
    second.run_begins("", {})
    assert (tmp_path / "history.csv").read_text() == csv_lines(run.metrics)
    run.metrics.append(record(2, test_top5=0.9))
    second.epoch_ends(run.metrics[-1], 5)
    second.run_ends("", {})
    assert (tmp_path / "history.csv").read_text() == csv_lines(run.metrics)
    assert second.trouble == ""
    shown = scalars(tmp_path)
    assert [step for step, _ in shown["loss/train"]] == [1, 2, 3, 2]
    ((step, value),) = shown["accuracy/test_top5"]
    assert step == 2
    assert value == pytest.approx(0.9)


@pytest.mark.parametrize("epochs", [1, 2, 40])
@pytest.mark.parametrize("measured", [{}, {"test_top5": 1.0}, {"test_mean_iou": 0.0}, {"test_loss": -3.0}])
def test_every_history_can_be_drawn(epochs: int, measured: dict[str, float]) -> None:
    records = [record(epoch, **measured).as_dict() for epoch in range(1, epochs + 1)]
    assert draw_run(records, "$x_{y$ is no formula").startswith(b"\x89PNG")
    rows = [Row(f"row {number}", records, 10.0**number) for number in range(12)] + [Row("empty", [], None)]
    assert draw_comparison(rows, "many").startswith(b"\x89PNG")
    long = [Row(f"a name that is long, number {number}, 猫", records, 10.0**number) for number in range(16)]
    assert draw_comparison(long, "long names have room, for a layout without room warns").startswith(b"\x89PNG")
    assert draw_comparison([Row("empty", [], None)], "none").startswith(b"\x89PNG")
