"""`archc predict RUN IMAGE...`: what a trained network says of pictures."""

import os
from typing import TYPE_CHECKING, Any

import click

from archc.dsl.render import escape
from archc.options import run_argument, which_option
from archc.problems import EnvironmentProblem, UsageProblem

if TYPE_CHECKING:
    from torch import Tensor

    from archc.runtime.trained import Trained

MOST_SAMPLES = 2000


@click.command("predict")
@run_argument
@click.argument("images", metavar="[IMAGE]...", nargs=-1, type=click.Path())
@which_option
@click.option(
    "--top", type=click.IntRange(1), default=3, show_default=True, help="How many classes are named for each image."
)
@click.option("--samples", type=click.IntRange(1, MOST_SAMPLES), help="Draw a grid of so many test images instead.")
@click.option(
    "-o",
    "output",
    metavar="PATH",
    help="Where the grid is written, as PNG; by default predictions.png. Of pictures, for a network for masks.",
)
@click.option("--seed", type=click.IntRange(0, 2**62), default=0, help="Another number shows other samples.")
@click.option("--data", metavar="NAME", help="The set that --samples are of, or a folder; by default the run's own.")
@click.option("--data-root", metavar="DIR", help="The folder that holds the data set, for --samples.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How labels are written.",
)
def command(
    run: str,
    images: tuple[str, ...],
    which: str,
    top: int,
    samples: int | None,
    output: str | None,
    seed: int,
    data: str | None,
    data_root: str | None,
    form: str,
) -> int:
    """Say what a trained network takes pictures for, or draw test images with their true and predicted labels.

    \b
    Examples:
      archc predict runs/lenet-digits-1 seven.png
      archc predict lenet-digits-1 photos/*.jpg --top 1 --format json
      archc predict lenet-digits-1 --samples 20 -o grid.png
      archc predict unet-shapes-1 street.png -o street-classes.png

    A picture becomes grey or colour and gets the size of the images that the network was trained on, scaled to cover
    it, its middle taken. Broken pictures are named after the others are done, and the exit status is 3. In the grid a
    blue tick marks what is right, an orange cross what is wrong. Of a network for masks, -o draws each picture beside
    the classes found in it.
    """
    if bool(images) == (samples is not None):
        raise UsageProblem("give pictures, or --samples N for a grid of test images" + (", not both" if images else ""))
    if images and (data is not None or data_root is not None):
        raise UsageProblem("--data and --data-root say where --samples come from; pictures are files")
    from torch import cat

    from archc.atomic import write_bytes
    from archc.runs import data_of_run, run_folder, trained_run

    if output is not None and not output.lower().endswith(".png"):
        raise UsageProblem(f"the grid is written as PNG, and `{output}` does not end in .png")
    folder = run_folder(run)
    trained = trained_run(folder, which)
    if samples is None:
        if output is not None and not trained.segmentation:
            raise UsageProblem("-o is where --samples draws a grid; labels of pictures go to standard output")
        read = _label(trained, images, top=top, form=form)
        if output is not None and read:
            pictures, predicted = map(cat, zip(*read.values(), strict=True))
            names = [os.path.basename(name) for name in read]
            write_bytes(output, trained.found_grid(pictures, predicted, names=names))
        return 0 if len(read) == len(set(images)) else EnvironmentProblem.exit_status
    output = output or "predictions.png"
    picture, shown = trained.sample_grid(
        data_of_run(folder, data=data, data_root=data_root), samples=samples, seed=seed
    )
    write_bytes(output, picture)
    click.echo(f"{output}: {shown}")
    return 0


def _label(trained: "Trained", images: tuple[str, ...], *, top: int, form: str) -> "dict[str, tuple[Tensor, Tensor]]":
    """Label pictures one by one; return those that could be read, by name, with the classes predicted of them."""
    from pathlib import Path

    from archc.messages import say

    found: list[dict[str, Any]] = []
    read: dict[str, tuple[Tensor, Tensor]] = {}
    for name in images:
        try:
            picture = trained.read(Path(name))
        except EnvironmentProblem as error:
            say(f"error: {escape(str(error))}")
            continue
        probabilities = trained.probabilities(picture)
        predicted = probabilities.argmax(1)
        read[name] = picture, predicted
        shares = probabilities[0]
        if trained.segmentation:  # the part of the pixels that each class has
            shares = predicted.flatten().bincount(minlength=len(trained.classes)) / predicted.numel()
        values, places = shares.topk(min(top, len(trained.classes)))
        labels = [
            {"label": trained.classes[place], "probability": value}
            for value, place in zip(values.tolist(), places.tolist(), strict=True)
        ]
        found.append({"image": name, "labels": labels})
        if form == "text":
            words = ", ".join(f"{escape(each['label'])} {each['probability']:.1%}" for each in labels)
            click.echo(f"{name}: {words}" + (" of the pixels" if trained.segmentation else ""))
    if form == "json":
        import json

        click.echo(json.dumps(found, indent=2))
    return read
