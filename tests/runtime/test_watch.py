"""Who watches a run: lines, the bar, JSON; on every stream."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from archc.runtime import EnvironmentProblem, RunInterrupted, RunStopped, Settings, SettingsError, fit
from archc.runtime.bar import Bar
from archc.runtime.measures import Measures
from archc.runtime.watch import JsonLines, Lines, Progress, json_lines, watch_for
from tests.checkout import ROOT
from tests.runtime.toys import toy_data, toy_net

SETTINGS = Settings(epochs=2, batch_size=8, device="cpu", precision="fp32", layout="channels_last")


def test_plain_lines_say_settings_data_machine_epochs_and_result(tmp_path: Path) -> None:
    stream = io.StringIO()
    run = fit(toy_net(), toy_data(size=2), settings=SETTINGS, out=tmp_path, input_size=(1, 4, 4), watch=Lines(stream))
    lines = stream.getvalue().splitlines()
    assert lines[:3] == [
        "no recipe: the default for every network with epochs=2, batch_size=8, precision=fp32, layout=channels_last,"
        " device=cpu:"
        " AdamW lr 0.001 scaled by fan weight decay 0.01, one-cycle, gradient norm at most 1, batch 8, 2 epochs,"
        " Xavier-uniform weights, seed 0",
        "data toy: two made-up classes; 40 training and 10 test images, 2 classes, 1x2x2 brought to 1x4x4,"
        " held on cpu (640 bytes)",
        f"on cpu, fp32, channels last; run folder {tmp_path}",
    ]
    first, best = run.metrics[0], run.best
    assert best is not None
    assert lines[3] == (
        f"epoch 1/2  loss {first.loss:.4f}  train accuracy {first.train_accuracy:.4f}"
        f"  test accuracy {first.test_accuracy:.4f}  {first.images_per_second:,.0f} images/s  {first.seconds:.1f} s"
    )
    assert lines[5] == (
        f"best test accuracy {best.test_accuracy:.4f} after epoch {best.epoch},"
        f" last {run.metrics[-1].test_accuracy:.4f}; run folder {tmp_path}"
    )
    assert len(lines) == 6


def test_a_stream_that_closes_does_not_stop_the_run(tmp_path: Path) -> None:
    stream = io.StringIO()
    stream.close()
    assert len(fit(toy_net(), toy_data(), settings=SETTINGS, out=tmp_path, watch=watch_for(stream)).metrics) == 2


def test_a_stream_that_knows_only_ascii_gets_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Lines(stream).run_begins("café", {})
    assert raw.getvalue() == b"caf\\xe9\n"


def test_the_bar_shows_loss_accuracy_speed_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(float(second) for second in range(100))
    monkeypatch.setattr("archc.runtime.bar.time.perf_counter", lambda: next(now))
    stream = io.StringIO()
    bar = Bar(stream)
    bar.console = bar.progress.live.console = Console(file=stream, force_terminal=True, width=100, _environ={})
    bar.run_begins("settings", {})
    reads = []

    def read() -> Measures:
        reads.append(1)
        return Measures(0.25, 0.875)

    for images in (8, 16, 24):
        bar.step(Progress(1, 2, images, 40, read))
    bar.run_ends("the end", {})
    shown = stream.getvalue()
    assert "settings" in shown
    assert "epoch 1/2" in shown
    assert "loss 0.2500  accuracy 0.875" in shown
    assert "images/s" in shown
    assert "left" in shown
    assert "the end" in shown
    assert len(reads) == 2  # the first step of an epoch is never looked at


@pytest.mark.parametrize(
    ("width", "numbers"),
    [
        (100, " loss 0.2500  accuracy 0.875  4 images/s  0:16 left"),
        (64, "loss 0.2500  accuracy 0.875  4 images/s  0:16 left"),
        (55, "loss 0.2500  accuracy 0.875  0:16 left"),
        (45, "accuracy 0.875  0:16 left"),
        (24, " 0:16 left"),
        (20, " "),
    ],
)
def test_a_narrow_terminal_has_a_shorter_bar_and_fewer_numbers(
    width: int, numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(float(second) for second in range(100))
    monkeypatch.setattr("archc.runtime.bar.time.perf_counter", lambda: next(now))
    stream = io.StringIO()
    bar = Bar(stream)
    bar.console = bar.progress.live.console = Console(
        file=stream, force_terminal=True, no_color=True, width=width, _environ={}
    )
    bar.run_begins("", {})
    for images in (8, 16):
        bar.step(Progress(1, 2, images, 40, lambda: Measures(0.25, 0.875)))
    last = re.sub(r"\x1b\[[\d;]*m", "", re.split(r"\x1b\[2K", stream.getvalue())[-1])
    bar.run_ends("", {})
    assert last.startswith("epoch 1/2 ")
    assert last.endswith(numbers)
    assert {"╸", "━"} & set(last)
    assert len(last) <= width


def test_bar_on_a_terminal_lines_elsewhere() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(watch_for(Terminal()), Bar)
    assert isinstance(watch_for(io.StringIO()), Lines)


def test_json_has_an_event_per_line_with_every_fact(tmp_path: Path) -> None:
    stream = io.StringIO()
    run = fit(toy_net(), toy_data(), settings=SETTINGS, out=tmp_path / "run", watch=JsonLines(stream))
    begin, *epochs, end = map(json.loads, stream.getvalue().splitlines())
    assert [event["event"] for event in (begin, *epochs, end)] == ["begin", "epoch", "epoch", "end"]
    assert Settings(**begin["settings"]) == SETTINGS
    kept = json.loads((run.folder / "run.json").read_text())
    for fact in ("data", "machine", "parameters"):
        assert begin[fact] == kept[fact]
    records = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert epochs == [{"event": "epoch", "epochs": 2, **record} for record in records]
    best = max(records, key=lambda record: float(record["test_accuracy"]))
    assert end == {
        "event": "end", "run": str(run.folder), "stopped_early": False, "best": best, "last": records[-1]
    }  # fmt: skip


def test_the_page_names_every_field_of_every_event(tmp_path: Path) -> None:
    stream = io.StringIO()
    with contextlib.suppress(SettingsError), json_lines(stream) as watch:
        fit(toy_net(), toy_data(), settings=SETTINGS, out=tmp_path / "run", watch=watch)
        fit(toy_net(), toy_data(), settings=SETTINGS, out=tmp_path / "run", watch=watch)  # the folder is taken
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (.*) \|$", (ROOT / "docs/training.md").read_text(), re.MULTILINE)
    named = {event: set(re.findall(r"`(\w+)`", fields)) for event, fields in rows}
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["begin", "epoch", "epoch", "end", "failed"]
    optional = {"arch", "train_mean_iou", "test_mean_iou", "test_top5", "trouble"}  # not of every run
    for event in events:
        assert set(event) - {"event"} == named[event["event"]] - optional


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (RunStopped("not finite"), "stopped"),
        (RunInterrupted("stopped", signal_number=2), "stopped"),
        (KeyboardInterrupt(), "stopped"),
        (EnvironmentProblem("the disk is full"), "failed"),
        (ZeroDivisionError("a mistake of archc"), "failed"),
    ],
)
def test_the_last_line_says_how_a_run_ended_that_did_not_reach_its_end(error: BaseException, event: str) -> None:
    stream = io.StringIO()
    with pytest.raises(type(error)), json_lines(stream):
        raise error
    assert json.loads(stream.getvalue()) == {"event": event, "message": str(error) or "KeyboardInterrupt"}


def test_quiet_is_silent_and_a_watch_beside_it_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fit(toy_net(), toy_data(), settings=SETTINGS, out=tmp_path / "run", quiet=True)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(SettingsError, match="give quiet or watch, not both"):
        fit(toy_net(), toy_data(), settings=SETTINGS, out=tmp_path / "no", quiet=True, watch=Lines(io.StringIO()))
    assert not (tmp_path / "no").exists()


class Gone(io.StringIO):
    """A terminal that somebody closes after its first lines."""

    writes = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.writes += 1
        if self.writes > 3:
            raise OSError(5, "Input/output error")
        return super().write(text)


def test_a_terminal_that_goes_away_does_not_stop_the_run(tmp_path: Path) -> None:
    watch = watch_for(Gone())
    run = fit(toy_net(), toy_data(), settings=SETTINGS.but(epochs=4), out=tmp_path, watch=watch)
    assert len(run.metrics) == 4
    assert isinstance(watch, Bar)
    assert watch.gone


def test_the_bar_moves_where_epochs_are_short_and_knows_a_run_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(0.3 * number for number in range(1000))
    monkeypatch.setattr("archc.runtime.bar.time.perf_counter", lambda: next(now))
    stream = io.StringIO()
    bar = Bar(stream)
    bar.console = bar.progress.live.console = Console(file=stream, force_terminal=True, width=100, _environ={})
    bar.run_begins("settings", {})
    for epoch in (51, 52, 53):
        for images in (20, 40):
            bar.step(Progress(epoch, 100, images, 40, lambda: Measures(0.25, 0.875)))
    bar.run_ends("", {})
    shown = stream.getvalue()
    assert "epoch 53/100" in shown
    assert "0:45 left" in shown  # 2.4 s, by the clock of this test, from half of epoch 51 to the end of epoch 53
