"""The runs of architectures: the folder that RUN names, its network with the weights, its data."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from archc.compiler.problems import did_you_mean
from archc.problems import EnvironmentProblem, UsageProblem
from archc.training import load_run

if TYPE_CHECKING:
    from archc.runtime.data.dataset import Data
    from archc.runtime.trained import Trained

RUNS = "runs"


def run_folder(name: str) -> Path:
    """The folder of a run, by its path or, below `runs/`, its name.

    Raises:
        UsageProblem: there is no such run.
    """
    from archc.runtime.runs import is_run

    folder = Path(name)
    if "\0" not in name:
        for place in (folder, Path(RUNS) / name):
            if is_run(place):
                return place
    if folder.is_dir():
        raise UsageProblem(f"`{name}` is a folder without a run in it; `archc runs` lists the runs")
    near = did_you_mean(name, known_runs()) or "`archc runs` lists the runs"
    raise UsageProblem(f"there is no run `{name}`; {near}")


def known_runs() -> list[str]:
    """The runs below `runs/`, as RUN takes them: their folders."""
    from archc.runtime.runs import find_runs

    return [folder.as_posix() for folder in find_runs(Path(RUNS))] if os.path.isdir(RUNS) else []


def trained_run(folder: Path, which: str = "best") -> "Trained":
    """The network of a run with its `best` or `last` weights, and how its images were prepared.

    Raises what `archc.load` does of a run; where it has no `best` weights the message says whether it has the last.
    """
    from archc.runtime.checkpoint import holds_checkpoint
    from archc.runtime.trained import as_trained_in

    try:
        return as_trained_in(folder, load_run(str(folder), which))
    except EnvironmentProblem as error:
        if which == "last" or holds_checkpoint(folder / "best") or not holds_checkpoint(folder / "last"):
            raise
        raise EnvironmentProblem(f"{error}; `--which last` takes the last weights") from None


def data_of_run(folder: Path, *, data: str | None = None, data_root: str | None = None) -> "Data":
    """The data set that a run was trained on, or another one.

    Raises:
        SettingsError, EnvironmentProblem: there is no such set, or the run has lost its recipe.
    """
    from archc.runtime.data import load
    from archc.runtime.errors import SettingsError
    from archc.runtime.recipe import resolve
    from archc.runtime.recipe_text import read_recipe
    from archc.runtime.runs import read_text

    if data is not None:
        return load(data, data_root)
    path = folder / "recipe.yaml"
    task = resolve([read_recipe(read_text(path), str(path))], recipe=str(path)).task
    try:
        return load(task.data, data_root or task.data_root)
    except SettingsError as error:
        raise SettingsError(f"{error}; the run was trained on {task.data!r}: --data says where that is now") from None
