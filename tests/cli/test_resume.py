"""`archc train --resume RUN` and `archc.train(resume=RUN)`: from the run's own text, settings and recipe."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

import archc
from archc.cli import main
from archc.problems import UsageProblem
from archc.runtime import RunInterrupted, SettingsError

NET = """
from "parts.arch" import head

arch Net(num_classes = 2) {
    input x: [1, 8, 8]
    flatten -> dropout(0.2)
    head(num_classes)
}
"""
PARTS = "block head(classes) { linear(classes) }\n"
STEPS = 23  # of an epoch of the digits in batches of 64


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.arch").write_text(NET)
    Path("parts.arch").write_text(PARTS)


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Runs get SIGTERM after so many steps, as far as the loop can tell."""
    left = steps

    def requested() -> int:
        nonlocal left
        left -= 1
        return 0 if left else signal.SIGTERM

    @contextmanager
    def stop_requests() -> Iterator[Callable[[], int]]:
        yield requested

    monkeypatch.setattr("archc.runtime.training.stop_requests", stop_requests)


def train(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["train", *arguments])


def stopped(monkeypatch: pytest.MonkeyPatch, *more: str) -> Result:
    with monkeypatch.context() as patch:
        stop_after(patch, STEPS + 6)  # it is asked after every step and after every epoch
        return train("net.arch", "--epochs", "2", "--set", "lr=0.01", "--out", "my runs/one", *more)


def metrics(folder: str) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "second" not in name} for line in lines]


def test_the_command_that_a_stopped_run_names_goes_on_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    result = stopped(monkeypatch, "--data", "digits")
    assert result.exit_code == 143
    assert result.stderr.splitlines()[-1] == (
        "error: SIGTERM in epoch 2: the step was finished, and my runs/one/last is written;"
        " `archc train --resume 'my runs/one'` goes on from there"
    )
    assert train("net.arch", "--epochs", "2", "--set", "lr=0.01", "--out", "whole").exit_code == 0
    Path("net.arch").unlink()  # the run has its own
    Path("parts.arch").unlink()
    result = train("--resume", "my runs/one")
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    assert lines[0].startswith("my runs/one goes on after step 28 (1 of 2 epochs are done): AdamW lr 0.01 ")
    assert lines[3].startswith("epoch 2/2 ")
    assert result.stdout == 'model = archc.load("my runs/one")\n'
    assert metrics("my runs/one") == metrics("whole")
    one, other = (archc.load(folder).state_dict() for folder in ("my runs/one", "whole"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    result = train("--resume", "my runs/one")
    assert result.exit_code == 0
    assert result.stderr.startswith("my runs/one is finished: nothing is left to do\nbest test accuracy ")


def test_from_python(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = archc.train("net.arch", epochs=2, out="whole", quiet=True)
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(RunInterrupted):
            archc.train("net.arch", epochs=2, out="one", quiet=True)
    archc.train(resume="one", data="digits", quiet=True)
    assert metrics("one") == metrics("whole") != []
    assert whole.settings == archc.train(resume=Path("one"), quiet=True).settings
    with pytest.raises(SettingsError, match="its own settings, and file and epochs would change"):
        archc.train("net.arch", resume="one", epochs=3)
    with pytest.raises(UsageProblem, match="`file` names what to train, or `resume`"):
        archc.train()


def test_a_run_in_runs_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        assert train("net.arch", "--epochs", "1").exit_code == 143
    assert train("--resume", "net-digits-1").exit_code == 0


@pytest.mark.parametrize(
    "words", [["net.arch"], ["--epochs", "9"], ["--set", "lr=1"], ["-p", "a=1"], ["--recipe", "x"]]
)
def test_what_would_change_the_past_is_refused(words: list[str]) -> None:
    result = train(*words, "--resume", "one")
    assert result.exit_code == 2
    name = "FILE" if words == ["net.arch"] else words[0]
    assert result.stderr == (
        f"error: --resume goes on with the run as it began, and {name} would change what it has done; for a new run:"
        " archc train FILE --recipe one/recipe.yaml (and --weights one, to begin with what this one learned)\n"
    )


def test_neither_file_nor_run() -> None:
    result = train()
    assert (result.exit_code, result.stderr.splitlines()[0]) == (2, "error: Missing argument 'FILE'.")
    result = train("--resume", "nowhere")
    assert (result.exit_code, result.stderr) == (2, "error: there is no run `nowhere`; `archc runs` lists the runs\n")


def test_a_text_that_was_changed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(monkeypatch)
    path = Path("my runs/one/arch/parts.arch")
    path.write_text(PARTS.replace("linear(classes)", "linear(classes, bias=false)"))
    result = train("--resume", "my runs/one")
    assert result.exit_code == 3
    assert "parts.arch was changed since the run began, and a run goes on as it began" in result.stderr


def test_weights_that_the_run_began_with_may_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(archc.load("net.arch", num_classes=10).state_dict(), "first.pt")
    assert train("net.arch", "--weights", "first.pt", "--epochs", "1", "--out", "whole").exit_code == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        train("net.arch", "--weights", "first.pt", "--epochs", "1", "--out", "one")
    Path("first.pt").unlink()
    assert train("--resume", "one").exit_code == 0
    assert metrics("one") == metrics("whole")
