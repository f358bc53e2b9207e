"""`fit`: from a module, a data set and settings to a run on disk."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from archc.runtime.data.dataset import Data
from archc.runtime.freeze import frozen
from archc.runtime.guards import deterministic, memory_explained, seeded
from archc.runtime.history import History
from archc.runtime.loop import train_loop
from archc.runtime.machine import keep_freed_memory
from archc.runtime.opening import Reopened, open_run, refuse_taken, reopen
from archc.runtime.prepare import place, prepare
from archc.runtime.request import refuse_other_types, requested
from archc.runtime.resume import refuse_changed, refuse_with_resume, resumed
from archc.runtime.run import Run
from archc.runtime.settings import Settings
from archc.runtime.signals import stop_requests
from archc.runtime.state import TrainState, new_state
from archc.runtime.watch import Watch, chosen_watch
from archc.runtime.wording import closing, opening, result, title


def fit(
    module: nn.Module,
    data: Data | str | None = None,
    *,
    recipe: Path | str | None = None,
    data_root: Path | str | None = None,
    settings: Settings | None = None,
    out: Path | str | None = None,
    files: Mapping[str, str] | None = None,
    facts: Mapping[str, object] | None = None,
    input_size: tuple[int, ...] | None = None,
    name: str = "",
    origin: str = "",
    notes: Sequence[str] = (),
    quiet: bool = False,
    watch: Watch | None = None,
    resume: Path | str | Reopened | None = None,
    **changes: object,
) -> Run:
    """Trains any module that maps images [B, C, H, W] to scores [B, classes], and keeps everything in the folder `out`.

    `data` is a set, or the name of one (None: that of the recipe, else "digits") that lies in `data_root`; `recipe` a
    YAML file. Settings are given by name (`epochs=3`), or all as `settings`; those by name win. `out` is by default a
    new folder under `runs/` that begins with `name`, by default the module's class. `input_size` is the shape (C, H, W)
    the module takes (None: that of the data, in the settings' `image_size`); images are resized to it. `files`
    (relative name: text) and `facts` (for `run.json`) are stored with the run. `origin` says where the settings come
    from, `notes` are further lines, for people. The run reports to `watch`, by default to stderr, with `quiet` to
    nobody. The module is trained in place and ends on the device, in eval mode, with the last weights.

    `resume` is the folder of a run to go on with, as if it had never been stopped: nothing else may be given but what
    the run does not keep, the `module` as it was made then and the `data` (None: the set of that name).

    Raises `SettingsError`, `EnvironmentProblem`, `RunStopped` (a loss or gradient was not finite) or `RunInterrupted`
    (SIGINT, SIGTERM); the checkpoints written before stay.

    >>> import tempfile
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = fit(net, "digits", epochs=2, lr=0.01, out=folder, quiet=True)
    ...     run.best.test_accuracy > 0.8
    True
    """
    refuse_other_types(module, data, settings)
    watch = chosen_watch(sys.stderr, quiet=quiet, watch=watch)
    given = {"recipe": recipe, "settings": settings, "out": out, "files": files, "facts": facts, **changes}
    if resume is not None:
        refuse_with_resume(name for name, value in given.items() if value is not None)
    with _reopened(resume) as kept:
        if kept is not None and kept.finished:
            return _finished(kept, module, watch)
        if kept is None:
            request = requested(data, recipe=recipe, data_root=data_root, settings=settings, changes=changes)
        else:
            request = resumed(kept, data, data_root=data_root)
        origin = origin or request.origin
        ready = prepare(module, request, input_size=input_size)
        if kept is not None:
            refuse_changed(kept, ready.facts)
        elif out is not None:
            refuse_taken(Path(out))  # before the work; the folder is made once the network has proved to fit
        with (
            deterministic(ready.settings),
            seeded(ready.settings.seed, ready.machine.device),
            memory_explained(ready.settings),
            stop_requests() as stop_requested,
            frozen(module, ready.settings.freeze) as frozen_text,
        ):
            keep_freed_memory()
            placed = place(module, ready)
            machine, forward, chosen = placed.tuned
            state = new_state(module, placed.objective, machine.device)
            found = {**ready.facts, "machine": machine.text, "chosen": chosen}
            facts = {**(facts or {}), **found} if kept is None else kept.about
            begun = _begun(
                kept, state, ready.settings, out=out, name=f"{name or type(module).__name__.lower()}-{ready.data.name}",
                files={**request.files, **(files or {})}, facts=facts,
            )  # fmt: skip
            with begun as run:
                warnings = (*(() if kept is None else kept.warnings), *placed.seen.warnings)
                text = opening(
                    run,
                    ready.data,
                    placement=placed.train.placement,
                    shape=ready.shape,
                    machine=machine,
                    origin=origin,
                    notes=(*notes, frozen_text, placed.seen.results),
                    warnings=warnings,
                )
                said = {"run": str(run.folder), "origin": origin, "settings": ready.settings.as_dict()}
                watch, last_line, figures = History(run, watch, title=title(module, ready.data, about=facts)), "", {}
                try:
                    watch.run_begins(text, {**said, "warnings": warnings, **facts})
                    train_loop(
                        run,
                        placed.train,
                        placed.test,
                        state=state,
                        forward=forward,
                        machine=machine,
                        watch=watch,
                        stop_requested=stop_requested,
                    )
                    last_line, figures = closing(run), result(run)
                finally:
                    watch.run_ends(last_line, figures)
    return run


@contextmanager
def _reopened(resume: Path | str | Reopened | None) -> Iterator[Reopened | None]:
    """The run to go on with: none, one that the caller has opened, or that of a folder."""
    if resume is None or isinstance(resume, Reopened):
        yield resume
    else:
        with reopen(Path(resume)) as kept:
            yield kept


@contextmanager
def _begun(
    kept: Reopened | None,
    state: TrainState,
    settings: Settings,
    *,
    out: Path | str | None,
    name: str,
    files: Mapping[str, str],
    facts: Mapping[str, object],
) -> Iterator[Run]:
    """A new run with its first checkpoint, or the one that goes on; the state is then as that run left it."""
    if kept is None:
        with open_run(out, state.module, settings, name=name, files=files, facts=facts) as run:
            run.keep_last(state)
            yield run
    else:
        kept.restore(state)
        yield kept.run(state.module)


def _finished(kept: Reopened, module: nn.Module, watch: Watch) -> Run:
    """The run as it is, for one that has nothing left to do; the module gets the last weights."""
    run = kept.run(module)
    run.model("last")
    watch.run_begins(f"{run.folder} is finished: nothing is left to do", {"run": str(run.folder), **kept.about})
    watch.run_ends(closing(run), result(run))
    return run
