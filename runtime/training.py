"""`fit`: from a module, a data set and settings to a run on disk."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import nn

from archc.runtime.data.augment import MIXING, Augment
from archc.runtime.data.dataset import Data, with_validation
from archc.runtime.data.fingerprint import fingerprint
from archc.runtime.data.resident import normalisation
from archc.runtime.data.steps import read_steps
from archc.runtime.data.stream import ImageSet, image_set
from archc.runtime.errors import SettingsError
from archc.runtime.first_look import look
from archc.runtime.freeze import frozen
from archc.runtime.guards import deterministic, memory_explained, seeded
from archc.runtime.history import History
from archc.runtime.loop import train_loop
from archc.runtime.machine import Machine, choose_machine, image_budget, keep_freed_memory
from archc.runtime.objective import Objective
from archc.runtime.opening import Reopened, new_run_folder, open_run, refuse_taken, reopen
from archc.runtime.optimise import initialise
from archc.runtime.request import refuse_other_types, requested
from archc.runtime.resume import refuse_changed, refuse_with_resume, resumed
from archc.runtime.run import Run
from archc.runtime.settings import Normalize, Settings
from archc.runtime.signals import stop_requests
from archc.runtime.state import new_state
from archc.runtime.tuning import tune
from archc.runtime.watch import Watch, chosen_watch
from archc.runtime.wording import closing, opening, result, title

WHITE = 255.0  # the largest byte; `normalize` speaks of images from 0 to 1


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
    kept = resume if isinstance(resume, Reopened) else None
    if resume is not None and not isinstance(resume, Reopened):
        given = {"recipe": recipe, "settings": settings, "out": out, "files": files, "facts": facts, **changes}
        refuse_with_resume(name for name, value in given.items() if value is not None)
        with reopen(Path(resume)) as kept:
            return fit(module, data, data_root=data_root, input_size=input_size, watch=watch, resume=kept)
    if kept is not None and kept.finished:
        return finished(kept, module, watch)
    if kept is None:
        request = requested(data, recipe=recipe, data_root=data_root, settings=settings, changes=changes)
    else:
        request = resumed(kept, data, data_root=data_root)
    data, settings, origin = request.data, request.settings, origin or request.origin
    files = {**request.files, **(files or {})}
    if settings.validation:
        data = with_validation(data, settings.validation, seed=settings.seed)
    shape = _image_shape(data, input_size, settings, module)
    levels = _levels(settings.normalize, data)
    machine = choose_machine(settings, module)
    _check_trainable(module, data, settings)
    if out is not None:
        refuse_taken(Path(out))  # before the work; the folder is made once the network has proved to fit
    about = {
        "data": {"name": data.name, "note": data.note, "classes": list(data.classes), "image_size": list(shape),
                 "segmentation": data.segmentation, "own_size": list(data.train_images.shape[1:]),
                 "byte_mean": levels[0].tolist(), "byte_std": levels[1].tolist(),
                 "training_images": len(data.train_images), "test_images": len(data.test_images),
                 "fingerprint": fingerprint(data)},
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
    }  # fmt: skip
    if kept is not None:
        refuse_changed(kept, about)
    with (
        ExitStack() as opened,
        deterministic(settings),
        seeded(settings.seed, machine.device),
        memory_explained(settings),
        stop_requests() as stop_requested,
        frozen(module, settings.freeze) as frozen_text,
    ):
        last_line, figures = "", dict[str, object]()
        try:
            keep_freed_memory()
            initialise(module, settings.init)
            module.to(machine.device, memory_format=machine.memory_format)  # type: ignore[call-overload]  # undeclared
            train, test = _resident(data, shape, machine, settings, levels=levels)
            objective = Objective(settings, classes=data.num_classes, segmentation=data.segmentation)
            try:
                seen = look(module, test, settings=settings, objective=objective)
            except RuntimeError as error:  # of the module itself
                shown = "x".join(map(str, shape))
                error.add_note(f"the network was shown images of {shown}; image_size sets their size")
                raise
            tuned = tune(module, train, test, objective=objective, machine=machine)
            machine = tuned.machine
            about |= {"machine": machine.text, "chosen": tuned.chosen}
            state = new_state(module, objective, machine.device)
            if kept is None:
                name = f"{name or type(module).__name__.lower()}-{data.name}"
                folder = new_run_folder(Path("runs"), name) if out is None else Path(out)
                facts = {**(facts or {}), **about}
                run = opened.enter_context(open_run(folder, module, settings, files=files, facts=facts))
                run.keep_last(state)
            else:
                run, facts = kept.run(module), kept.about
                kept.restore(state)
            watch = History(run, watch, title=title(module, data, about=facts))
            warnings = (*(() if kept is None else kept.warnings), *seen.warnings)
            lines = [opening(run, data, placement=train.placement, shape=shape, machine=machine, origin=origin)]
            lines += [note for note in (*notes, frozen_text, seen.results) if note]
            lines += [f"warning: {warning}" for warning in warnings]
            said = {"run": str(run.folder), "origin": origin, "settings": settings.as_dict(), "warnings": warnings}
            watch.run_begins("\n".join(lines), {**said, **facts})
            train_loop(
                run,
                train,
                test,
                state=state,
                forward=tuned.forward,
                machine=machine,
                watch=watch,
                stop_requested=stop_requested,
            )
            last_line, figures = closing(run), result(run)
        finally:
            watch.run_ends(last_line, figures)
    return run


def finished(kept: Reopened, module: nn.Module, watch: Watch) -> Run:
    """The run as it is, for one that has nothing left to do; the module gets the last weights."""
    run = kept.run(module)
    run.model("last")
    watch.run_begins(f"{run.folder} is finished: nothing is left to do", {"run": str(run.folder), **kept.about})
    watch.run_ends(closing(run), result(run))
    return run


def _image_shape(
    data: Data, input_size: tuple[int, ...] | None, settings: Settings, module: nn.Module
) -> tuple[int, int, int]:
    channels, height, width = data.train_images.shape[1:]
    if input_size is None:
        stem = next((layer for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)
        if channels == 1 and stem is not None and stem.in_channels == 3:
            channels = 3  # a network for colour is shown grey images in colour
        height, width = settings.image_size or (height, width)
        return channels, height, width
    if settings.image_size is not None and settings.image_size != input_size[1:]:
        takes, asked = "x".join(map(str, input_size)), "x".join(map(str, settings.image_size))
        raise SettingsError(f"the network takes {takes}, and image_size asks for {asked}")
    fitting = (1, 3) if channels == 1 else (channels,)  # a grey image can be shown in three channels
    if len(input_size) != 3 or min(input_size) < 1 or input_size[0] not in fitting:
        takes = "x".join(map(str, input_size)) or "one number"
        fits = " or ".join(f"{count}xHxW" for count in fitting)
        raise SettingsError(f"the network takes {takes}; data set {data.name!r} fits networks that take {fits}")
    return input_size[0], input_size[1], input_size[2]


def _check_trainable(module: nn.Module, data: Data, settings: Settings) -> None:
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise SettingsError("the network has no weights to train")
    norm = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in module.modules())
    if norm and settings.batch_size == 1:
        raise SettingsError("batch_size must be at least 2 for a network with batch norm, found 1")
    mixing = [step.name for step in read_steps(settings.augment) if step.name in MIXING]
    if mixing and settings.loss == "nll":
        raise SettingsError(f"augment: {mixing[0]} mixes labels, which takes loss cross_entropy, and the loss is nll")
    if mixing and data.segmentation:
        raise SettingsError(
            f"augment: {mixing[0]} mixes labels of whole images, and data set {data.name!r} labels each pixel"
        )


def _resident(
    data: Data,
    shape: tuple[int, int, int],
    machine: Machine,
    settings: Settings,
    *,
    levels: tuple[torch.Tensor, torch.Tensor],
) -> tuple[ImageSet, ImageSet]:
    """Training and test images on the device, normalised by mean and deviation."""
    mean, deviation = levels
    parts = ((data.train_images, data.train_labels), (data.test_images, data.test_labels))
    augment = Augment(read_steps(settings.augment), size=shape[1:])
    budget = image_budget(machine.device) // len(parts)
    train, test = (
        image_set(
            images,
            labels,
            shape=shape,
            mean=mean,
            deviation=deviation,
            device=machine.device,
            budget=budget,
            memory_format=machine.memory_format,
            augment=augment,
        )
        for images, labels in parts
    )
    return train, test


def _levels(normalize: Normalize | None, data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation on the scale of bytes: as the settings say, or those of the training images."""
    if normalize is None:
        return normalisation(data.train_images)
    if len(normalize.mean) not in (1, data.channels):
        raise SettingsError(
            f"normalize has {len(normalize.mean)} numbers, one per channel; the images of data set {data.name!r} have"
            f" {data.channels} channel{'s' if data.channels > 1 else ''}"
        )
    mean, deviation = (torch.tensor(numbers).expand(data.channels) for numbers in (normalize.mean, normalize.std))
    return WHITE * mean, WHITE * deviation
