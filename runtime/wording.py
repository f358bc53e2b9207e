"""What a run says of itself at its beginning and at its end, for people and for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import yaml
from torch import nn

from archc.runtime.data.dataset import Data
from archc.runtime.machine import Machine
from archc.runtime.run import Run
from archc.runtime.settings import describe


def opening(
    run: Run,
    data: Data,
    *,
    placement: str,
    shape: tuple[int, int, int],
    machine: Machine,
    origin: str,
    notes: Sequence[str],
    warnings: Sequence[str],
) -> str:
    """The first lines of a run: the settings and why, the data, the machine, what else there is to say."""
    changed = ", ".join(f"{name}={written(value)}" for name, value in run.settings.changed().items())
    default = origin or "no recipe: the default for every network" + (f" with {changed}" if changed else "")
    given, taken = ("x".join(map(str, size)) for size in (data.train_images.shape[1:], shape))
    part = "validation" if run.settings.validation else "test"
    lines = (
        f"{default}: {describe(run.settings)}",
        f"data {data.name}: {data.note}; {len(data.train_images):,} training and {len(data.test_images):,} {part}"
        f" images, {data.num_classes} classes, {given}{f' brought to {taken}' if taken != given else ''}, {placement}",
        f"on {machine.text}; run folder {run.folder}",
        *filter(None, notes),
        *(f"warning: {warning}" for warning in warnings),
    )
    return "\n".join(lines)


def written(value: object) -> str:
    """A setting's value on one line, as `--set` takes it.

    >>> written({"name": "sgd", "nesterov": True}), written([224, 224]), written(0.1)
    ('{name: sgd, nesterov: true}', '[224, 224]', '0.1')
    """
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=math.inf)
    return text.removesuffix("...\n").strip()


def title(module: nn.Module, data: Data, *, about: Mapping[str, object]) -> str:
    """What stands above a picture of the run."""
    arch = about.get("arch")
    return f"{arch['name'] if isinstance(arch, Mapping) else type(module).__name__} on {data.name}"


def closing(run: Run) -> str:
    """The last line of a run that ended."""
    best = run.best
    assert best is not None  # a run that ended has at least one epoch
    measure, highest = best.measure
    early = f"stopped: no better test {measure} in {run.settings.patience} epochs; "
    return (
        f"{early if len(run.metrics) < run.settings.epochs else ''}"
        f"best test {measure} {highest:.4f} after epoch {best.epoch},"
        f" last {run.metrics[-1].measure[1]:.4f}; run folder {run.folder}"
    )


def result(run: Run) -> dict[str, object]:
    """What `closing` says, for programs."""
    best = run.best
    assert best is not None
    early = len(run.metrics) < run.settings.epochs
    return {"run": str(run.folder), "stopped_early": early, "best": best.as_dict(), "last": run.metrics[-1].as_dict()}
