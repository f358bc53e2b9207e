"""A run of an architecture goes on: its network from the text that it kept, its data from its recipe."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from archc.compiler.elaboration.builder import MOST_LAYERS
from archc.problems import EnvironmentProblem
from archc.training import first_module, kept_network

if TYPE_CHECKING:
    from archc.runtime.run import Run
    from archc.runtime.watch import Watch


def resume_run(
    folder: str | os.PathLike[str],
    *,
    data: str | None = None,
    data_root: str | os.PathLike[str] | None = None,
    max_layers: int = MOST_LAYERS,
    quiet: bool = False,
    watch: "Watch | None" = None,
) -> "Run":
    """Go on with the run of a folder as if it had never been stopped, and return it; a finished one comes at once.

    `data` and `data_root` say where the data lies now, if not where it lay; the images must be the same ones.

    Raises:
        SettingsError: the folder holds no run, or another process uses it.
        EnvironmentProblem: a file of the run was changed or is damaged, or the data is not what it was.

    >>> import tempfile, archc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = archc.train("d2l/lenet", epochs=1, out=folder, quiet=True)
    ...     len(resume_run(folder, quiet=True).metrics)
    1
    """
    from archc.runtime import fit
    from archc.runtime.opening import reopen
    from archc.runtime.resume import recipe_of
    from archc.runtime.watch import chosen_watch

    watch = chosen_watch(sys.stderr, quiet=quiet, watch=watch)
    with reopen(Path(folder)) as kept:
        built = kept_network(os.fspath(folder), max_layers=max_layers)
        recipe = recipe_of(kept)
        if kept.opened is not None:  # it holds the weights, and those that the run began with may be gone
            recipe = recipe._replace(task=recipe.task.model_copy(update={"weights": None}))
        module, notes = first_module(built, recipe)
        try:
            size = tuple(int(side) for side in kept.about["data"]["image_size"])
        except (KeyError, TypeError, ValueError) as error:
            raise EnvironmentProblem(f"{kept.folder}: run.json is damaged in what it says of the data") from error
        root = None if data_root is None else os.fspath(data_root)
        return fit(module, data, data_root=root, input_size=size, notes=notes, watch=watch, resume=kept)
