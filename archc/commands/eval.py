"""`archc eval RUN`: tests a trained network."""

from typing import TYPE_CHECKING, Any

import click

from archc.dsl.render import columns_of, escape
from archc.listing import aligned
from archc.options import run_argument, which_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

WIDEST = 20
"""Classes up to which the whole confusion matrix is shown as text."""
WORST = 10
"""Pairs of classes that are listed instead."""
LONGEST = 16  # letters of a class name in the matrix


@click.command("eval")
@run_argument
@which_option
@click.option(
    "--data", metavar="NAME", help="Another set of `archc data list`, or a folder of images; by default the run's own."
)
@click.option("--data-root", metavar="DIR", help="The folder that holds data sets which come with no package.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True,
    help="Text, everything as JSON, or the confusion matrix as CSV.",
)  # fmt: skip
def command(run: str, which: str, data: str | None, data_root: str | None, form: str) -> None:
    """Test a trained network on the test images of its data set, or of another one with the same classes.

    \b
    Examples:
      archc eval runs/lenet-digits-1
      archc eval lenet-digits-1 --which last --format json
      archc eval lenet-mnist-1 --data photos/

    Architecture, settings and the numbers that images are normalised with are those the run kept. The confusion matrix
    has a row for each true class and a column for what the network said.
    """
    from archc.messages import say
    from archc.runs import data_of_run, run_folder, trained_run

    folder = run_folder(run)
    trained = trained_run(folder, which)
    images = data_of_run(folder, data=data, data_root=data_root)
    found = trained.test(images)
    assert found.confusion is not None
    about = {
        "run": folder.as_posix(),
        "which": which,
        "data": images.name,
        "test_images": len(images.test_images),
        "loss": found.loss,
        "accuracy": found.accuracy,
        "top5": found.top5,
        "mean_iou": found.mean_iou,
        "classes": list(trained.classes),
    }
    if form == "json":
        import json

        click.echo(json.dumps({**about, "confusion": found.confusion.tolist()}))
    elif form == "csv":
        click.echo(matrix_csv(trained.classes, found.confusion))
    else:
        say(f"data {images.name}: {images.note}")
        click.echo(
            headline(about) + "\n\n" + matrix_text(trained.classes, found.confusion, pixels=trained.segmentation)
        )


def headline(about: dict[str, Any]) -> str:
    """What was measured, in one line."""
    measures = ("loss", "accuracy", "top5", "mean_iou")
    names = {"top5": "top-5 accuracy", "mean_iou": "mean IoU"}
    said = [f"{names.get(key, key)} {about[key]:.4f}" for key in measures if about[key] is not None]
    return (
        f"{about['run']} ({about['which']}) on {about['test_images']:,} test images of {about['data']}: "
        + ", ".join(said)
    )


def matrix_text(classes: "Sequence[str]", confusion: "Tensor", *, pixels: bool = False) -> str:
    """The confusion matrix [classes, classes + 1], or of many classes the pairs that are taken for each other most.

    Of `pixels` it has the intersection / union of each class too.

    >>> import torch
    >>> print(matrix_text(("cat", "dog"), torch.tensor([[8, 2, 0], [1, 9, 0]])))
    true \\ said  cat  dog  right
    cat            8    2  80.0%
    dog            1    9  90.0%
    """
    if len(classes) > WIDEST:
        return _worst(classes, confusion)
    others = int(confusion[:, len(classes)].sum()) > 0  # a network with more scores than classes
    names = [_short(escape(name)) for name in classes]
    headings = ["true \\ said", *names, *(["none"] if others else []), "right", *(["IoU"] if pixels else [])]
    lines = [
        [name, *map(str, row[: len(classes) + others]), share, *([iou] if pixels else [])]
        for name, row, share, iou in zip(names, confusion.tolist(), *_shares(confusion), strict=True)
    ]
    return "\n".join(aligned([headings, *lines], [False, *[True] * (len(headings) - 1)]))


def _shares(confusion: "Tensor") -> tuple[list[str], list[str]]:
    """Of each class the part that is right, and intersection / union; a dash where there is nothing of it."""
    right = confusion.diagonal().tolist()
    there = confusion.sum(1).tolist()
    either = [count + said - good for count, said, good in zip(there, confusion.sum(0).tolist(), right, strict=False)]
    shares, ious = (
        [f"{good / whole:.1%}" if whole else "-" for good, whole in zip(right, wholes, strict=True)]
        for wholes in (there, either)
    )
    return shares, ious


def _short(name: str) -> str:
    """The beginning of a name that is too long for the matrix."""
    short = name
    while columns_of(short) > LONGEST:
        short = short.removesuffix("…")[:-1] + "…"
    return short


def _worst(classes: "Sequence[str]", confusion: "Tensor") -> str:
    """The pairs of classes that are mixed up most, and the classes that are right least often."""
    names = [*map(escape, classes), "none of them"]
    wrong = confusion.clone()
    wrong.fill_diagonal_(0)
    values, places = wrong.flatten().topk(min(WORST, wrong.numel()))
    lines = [f"{len(classes)} classes; taken for each other most (--format csv is the whole matrix):"]
    for value, place in zip(values.tolist(), places.tolist(), strict=True):
        true, said = divmod(place, wrong.shape[1])
        if value:
            total = int(confusion[true].sum())
            lines.append(f"  {names[true]} taken for {names[said]}: {value:,} of {total:,} ({value / total:.1%})")
    counts = zip(names, confusion.diagonal().tolist(), confusion.sum(1).tolist(), strict=False)
    least = sorted((good / total, name, good, total) for name, good, total in counts if 0 < total != good)
    if least:
        lines.append("right least often:")
    lines += [f"  {name}: {good:,} of {total:,} ({part:.1%})" for part, name, good, total in least[:WORST]]
    return "\n".join(lines)


def matrix_csv(classes: "Sequence[str]", confusion: "Tensor") -> str:
    """The whole confusion matrix with a header; the last column counts what was taken for no class."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true", *classes, "none"])
    writer.writerows([name, *row] for name, row in zip(classes, confusion.tolist(), strict=True))
    return text.getvalue().rstrip("\n")
