"""The folder of a run, and who watches."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from archc.runtime import EnvironmentProblem, Settings, SettingsError, fit, new_run_folder
from archc.runtime.bar import Bar
from archc.runtime.run import Run, open_run
from archc.runtime.watch import Lines, Progress, Silent, watch_for
from tests.runtime.toys import toy_data, toy_net

SETTINGS = Settings(epochs=2, batch_size=8, device="cpu", precision="fp32")


def toy_run(out: Path, **more: object) -> Run:
    return fit(toy_net(), toy_data(), settings=SETTINGS, out=out, watch=Silent(), **more)  # type: ignore[arg-type]


def test_the_folder_holds_what_rebuilds_the_run(tmp_path: Path) -> None:
    facts = {"arch": {"file": "toy.arch", "name": "Toy", "params": {"width": 4}}}
    run = toy_run(tmp_path / "run", files={"arch/toy.arch": "arch Toy {}\n", "toy.py": "# généré\n"}, facts=facts)
    names = sorted(str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file())
    weights = [name for name in names if name.endswith(".safetensors")]
    assert [name for name in names if name not in weights] == [
        "arch/toy.arch", "best/manifest.json", "last/manifest.json", "metrics.jsonl", "run.json", "settings.json",
        "toy.py",
    ]  # fmt: skip
    assert len(weights) == 2
    assert (run.folder / "toy.py").read_text(encoding="utf-8") == "# généré\n"
    assert Settings(**json.loads((run.folder / "settings.json").read_text())) == SETTINGS
    about = json.loads((run.folder / "run.json").read_text())
    assert about["arch"] == facts["arch"]
    assert about["data"] == {
        "name": "toy", "note": "two made-up classes", "classes": ["left", "right"], "image_size": [1, 4, 4],
        "training_images": 40, "test_images": 10,
    }  # fmt: skip
    assert about["machine"] == "cpu, fp32, channels last"
    assert about["parameters"] == sum(p.numel() for p in toy_net().parameters())


def test_a_folder_that_holds_anything_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="exists and is not empty; a run never writes over it"):
        toy_run(tmp_path)
    with pytest.raises(SettingsError, match="is a file; a run needs a folder"):
        toy_run(tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_of_two_runs_that_start_at_once_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(()))  # both have looked before either wrote
    open_run(tmp_path, toy_net(), SETTINGS, files={}, facts={})
    with pytest.raises(SettingsError, match="another run has just begun in"):
        open_run(tmp_path, toy_net(), SETTINGS, files={}, facts={})


def test_a_folder_that_cannot_be_made_is_an_environment_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="Not a directory"):
        toy_run(tmp_path / "file" / "run")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "run.json", "last/x", "", "a\\b", "C:x"])
def test_files_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="relative name"):
        toy_run(tmp_path / "run", files={name: "text"})
    assert not (tmp_path / "run").exists()


def test_facts_that_are_no_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="writable as JSON"):
        toy_run(tmp_path / "run", facts={"arch": object()})


def test_new_run_folders_are_numbered(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    assert [new_run_folder(root, "toy-digits").name for _ in range(3)] == [
        "toy-digits-1",
        "toy-digits-2",
        "toy-digits-3",
    ]
    (root / "toy-digits-2").rmdir()
    assert new_run_folder(root, "toy-digits") == root / "toy-digits-2"


@pytest.mark.parametrize("size", [(16,), (3, 4), (2, 8, 8), (1, 0, 8)])
def test_inputs_that_no_resize_can_reach_are_refused(tmp_path: Path, size: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match="fits networks that take 1xHxW or 3xHxW"):
        toy_run(tmp_path / "run", input_size=size)


def test_plain_lines_say_settings_data_machine_epochs_and_result(tmp_path: Path) -> None:
    stream = io.StringIO()
    run = fit(toy_net(), toy_data(size=2), settings=SETTINGS, out=tmp_path, input_size=(1, 4, 4), watch=Lines(stream))
    lines = stream.getvalue().splitlines()
    assert lines[:3] == [
        "no recipe: the default for every network with epochs=2, batch_size=8, precision=fp32, device=cpu:"
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
    Lines(stream).run_begins("café")
    assert raw.getvalue() == b"caf\\xe9\n"


def test_the_bar_shows_loss_accuracy_speed_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(float(second) for second in range(100))
    monkeypatch.setattr("archc.runtime.bar.time.perf_counter", lambda: next(now))
    stream = io.StringIO()
    bar = Bar(stream)
    bar.console = bar.progress.live.console = Console(file=stream, force_terminal=True, width=100, _environ={})
    bar.run_begins("settings")
    reads = []

    def read() -> tuple[float, float]:
        reads.append(1)
        return 0.25, 0.875

    for images in (8, 16, 24):
        bar.step(Progress(1, 2, images, 40, read))
    bar.run_ends("the end")
    shown = stream.getvalue()
    assert "settings" in shown
    assert "epoch 1/2" in shown
    assert "loss 0.2500  accuracy 0.875" in shown
    assert "images/s" in shown
    assert "left" in shown
    assert "the end" in shown
    assert len(reads) == 2  # the first step of an epoch is never looked at


def test_bar_on_a_terminal_lines_elsewhere() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(watch_for(Terminal()), Bar)
    assert isinstance(watch_for(io.StringIO()), Lines)
