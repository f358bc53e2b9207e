"""The folder of a run."""

import json
from pathlib import Path

import pytest

from archc.runtime import EnvironmentProblem, Settings, SettingsError, fit, new_run_folder
from archc.runtime.data.fingerprint import fingerprint
from archc.runtime.opening import open_run
from archc.runtime.run import Run
from archc.runtime.watch import Silent
from tests.runtime.toys import toy_data, toy_net

SETTINGS = Settings(epochs=2, batch_size=8, device="cpu", precision="fp32")


def toy_run(out: Path, **more: object) -> Run:
    return fit(toy_net(), toy_data(), settings=SETTINGS, out=out, watch=Silent(), **more)  # type: ignore[arg-type]


def test_the_folder_holds_what_rebuilds_the_run(tmp_path: Path) -> None:
    facts = {"arch": {"file": "toy.arch", "name": "Toy", "params": {"width": 4}}}
    run = toy_run(tmp_path / "run", files={"arch/toy.arch": "arch Toy {}\n", "toy.py": "# généré\n"}, facts=facts)
    names = sorted(str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file())
    tensors = sorted(Path(name).name.split("-")[0] for name in names if name.endswith(".safetensors"))
    assert [name for name in names if "tfevents" not in name and not name.endswith(".safetensors")] == [
        ".lock", "arch/toy.arch", "best/manifest.json", "curves.png", "history.csv", "last/manifest.json",
        "last/previous.json", "metrics.jsonl", "run.json", "settings.json", "toy.py",
    ]  # fmt: skip
    assert tensors == ["state", "state", "weights", "weights", "weights"]
    assert (run.folder / "toy.py").read_text(encoding="utf-8") == "# généré\n"
    assert Settings(**json.loads((run.folder / "settings.json").read_text())) == SETTINGS
    about = json.loads((run.folder / "run.json").read_text())
    assert about["arch"] == facts["arch"]
    assert about["data"] == {
        "name": "toy", "note": "two made-up classes", "classes": ["left", "right"], "image_size": [1, 4, 4],
        "training_images": 40, "test_images": 10, "segmentation": False, "own_size": [1, 4, 4],
        "byte_mean": [104.546875], "byte_std": [78.05029296875], "fingerprint": fingerprint(toy_data()),
    }  # fmt: skip
    assert about["machine"].startswith("cpu, fp32, channels last")
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
    first, second = (open_run(tmp_path, toy_net(), SETTINGS, name="", files={}, facts={}) for _ in range(2))
    with first, pytest.raises(SettingsError, match="is in use by a run of this process"), second:
        pass


def test_a_folder_that_cannot_be_made_is_an_environment_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="Not a directory"):
        toy_run(tmp_path / "file" / "run")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "run.json", "last/x", "", "a\\b", "C:x"])
def test_files_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="relative name"):
        toy_run(tmp_path / "run", files={name: "text"})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("made", [True, False])
def test_a_run_that_cannot_begin_leaves_only_a_folder_that_was_there(
    tmp_path: Path, made: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    if made:
        folder.mkdir()

    def full(path: Path, content: bytes) -> None:
        if path.name == "run.json":
            raise EnvironmentProblem("the disk is full")
        path.write_bytes(content)

    monkeypatch.setattr("archc.runtime.opening.write_whole", full)
    with pytest.raises(EnvironmentProblem, match="disk is full"):
        toy_run(folder, files={"arch/main.arch": "text"})
    assert folder.exists() == made
    assert not made or not [*folder.iterdir()]


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
