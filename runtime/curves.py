"""Pictures of what runs measured: the curves of one, and several side by side; matplotlib draws, without a display."""

from __future__ import annotations

import io
import logging
import math
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from archc.runtime.errors import EnvironmentProblem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, float]
"""A line of `metrics.jsonl`: what was measured in an epoch."""
Style = dict[str, Any]
"""Arguments of matplotlib, whose own types change from version to version."""

# Okabe and Ito's colours, which colour-blind readers tell apart; training and test also differ in the line.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#767676"
COLORS = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
HOLLOW: Style = {"color": "white", "markeredgecolor": BLUE, "markeredgewidth": 2.2, "markersize": 10}
FULL: Style = {"color": ORANGE, "markersize": 10}
MARKERS = "osD^vPX"
DOTS = 120  # per inch
LONGEST = 32  # letters of a run's name
MARKED = 30  # epochs up to which each has a dot
STYLE: Any = {
    # The first comes with matplotlib: the same picture everywhere. The others are of systems, for letters it lacks.
    "font.family": ["DejaVu Sans", "Noto Sans CJK JP", "PingFang HK", "Microsoft YaHei", "WenQuanYi Micro Hei"],
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "text.parse_math": False,  # a name with dollars is a name
    "lines.linewidth": 2.4,
    "lines.markersize": 6,
}


class Curve(NamedTuple):
    """A measure of the records, its name for people, and how it is drawn."""

    measure: str
    name: str
    color: str
    line: str


LOSSES = (Curve("loss", "training", BLUE, "-"), Curve("test_loss", "test", ORANGE, "--"))
ACCURACIES = (
    Curve("train_accuracy", "training", BLUE, "-"),
    Curve("test_accuracy", "test", ORANGE, "--"),
    Curve("test_top5", "test, among the first five", GREEN, ":"),
    Curve("test_mean_iou", "test, mean IoU", GREEN, "-."),
)


class Row(NamedTuple):
    """A run beside others: its name, its records, and its training images per second."""

    name: str
    records: Sequence[Record]
    speed: float | None


def draw_run(records: Sequence[Record], title: str) -> bytes:
    """A PNG of a run of at least one epoch: its losses on the left, its accuracies on the right.

    >>> draw_run([{"epoch": 1, "loss": 1.2, "test_loss": 1.0, "train_accuracy": 0.5, "test_accuracy": 0.6}], "Net")[1:4]
    b'PNG'
    """
    with _panels(11, 4.6, title, count=2) as (figure, (left, right)):
        losses = _curves(left, records, LOSSES)
        lowest, highest = min(0.0, left.dataLim.y0), left.dataLim.y1
        left.set(title="loss", ylim=(lowest, highest + (0.05 * (highest - lowest) or 1)))
        accuracies = _curves(right, records, ACCURACIES)
        right.set(title="accuracy", ylim=(_floor(right.dataLim.y0), 1))
        for axes, ends in ((left, losses), (right, accuracies)):
            _last_values(axes, ends)
            _epochs(axes)
            axes.legend(loc="best")
        return _png(figure)


def draw_comparison(rows: Sequence[Row], title: str) -> bytes:
    """A PNG of several runs, a line each: accuracies, images per second, and the curves where there are epochs.

    >>> record = {"epoch": 1, "train_accuracy": 0.5, "test_accuracy": 0.6}
    >>> draw_comparison([Row("LeNet", [record], 1000.0), Row("AlexNet", [], None)], "two networks")[1:4]
    b'PNG'
    """
    with _drawing():
        from matplotlib.ticker import LogLocator
    several = any(len(row.records) > 1 for row in rows)
    size = (16.0, max(4.6, 2.4 + 0.42 * len(rows))) if several else (11.0, max(3.6, 2.2 + 0.42 * len(rows)))
    with _panels(*size, title, count=2 + several) as (figure, panels):
        if several:
            _over_epochs(panels[0], rows)
        dots, speeds = panels[-2:]
        for place, row in enumerate(rows):
            last: Record = row.records[-1] if row.records else {}
            training, test = last.get("train_accuracy"), last.get("test_accuracy")
            if training is not None and test is not None:
                dots.plot([training, test], [place, place], color="#BBBBBB", zorder=1)
                dots.plot(training, place, "o", **HOLLOW)
                dots.plot(test, place, "o", **FULL)
            if row.speed:
                speeds.plot(row.speed, place, "s", color=BLUE, markersize=9)
                speeds.annotate(
                    f"{row.speed:,.0f}", (row.speed, place), (9, 0), textcoords="offset points", va="center"
                )
        for panel in (dots, speeds):
            panel.set_yticks(range(len(rows)), [_short(row.name) if panel is dots else "" for row in rows])
            panel.set_ylim(len(rows) - 0.4, -0.6)  # the first run above
        if several:  # the names are the key of the lines too: a legend of many or long names has no room
            dots.tick_params(axis="y", length=0, pad=26)
            for place in range(len(rows)):
                dots.plot(-0.035, place, **_line_style(place), transform=dots.get_yaxis_transform(), clip_on=False)
        dots.plot([], [], "o", **HOLLOW, label="training")
        dots.plot([], [], "o", **FULL, label="test")
        dots.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
        dots.set_title("accuracy after the last epoch")
        dots.locator_params(axis="x", nbins=5)
        speeds.set(title="training images per second", xscale="log")
        speeds.xaxis.set_major_locator(LogLocator(numticks=4))  # more numbers would touch each other
        speeds.xaxis.set_major_formatter("{x:,.0f}")
        speeds.minorticks_off()  # each run has its number beside it
        speeds.margins(x=0.3)
        return _png(figure)


@contextmanager
def _panels(width: float, height: float, title: str, *, count: int) -> Iterator[tuple[Figure, Sequence[Axes]]]:
    """A figure in this file's style, `width` x `height` inches, with panels side by side; outside nothing changes."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its caches
    with _drawing():
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    with rc_context(STYLE):
        figure = Figure((width, height), layout="constrained")
        figure.suptitle(textwrap.fill(title, int(7 * width)), fontsize=16, fontweight="bold")
        yield figure, figure.subplots(1, count)


@contextmanager
def _drawing() -> Iterator[None]:
    """What is imported inside comes from matplotlib, which may be missing."""
    try:
        yield
    except ImportError as error:
        raise EnvironmentProblem("pictures of runs are drawn by matplotlib: pip install matplotlib") from error


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in a script that no font here has
        figure.savefig(content, format="png", dpi=DOTS)
    return content.getvalue()


def _curves(axes: Axes, records: Sequence[Record], curves: Sequence[Curve]) -> list[tuple[float, str]]:
    """Draws those of the curves that were measured in every epoch; their last values with their colours."""
    ends = []
    for curve in curves:
        values = [record[curve.measure] for record in records if curve.measure in record]
        if len(values) == len(records):
            marker = "o" if len(records) <= MARKED else ""
            style: Style = {"color": curve.color, "marker": marker, "label": curve.name, "clip_on": False}
            axes.plot([record["epoch"] for record in records], values, curve.line, **style)
            ends.append((values[-1], curve.color))
    return ends


def _last_values(axes: Axes, ends: Sequence[tuple[float, str]]) -> None:
    """Writes the last value beside each curve, apart from each other."""
    bottom, top = axes.get_ylim()
    ends = sorted(ends)
    heights = apart([(value - bottom) / (top - bottom) for value, _ in ends], 0.06)
    for (value, color), height in zip(ends, heights, strict=True):
        style: Style = {"textcoords": "offset points", "color": color, "va": "center", "annotation_clip": False}
        axes.annotate(f"{value:.3f}", (axes.dataLim.x1, bottom + height * (top - bottom)), (9, 0), **style)


def apart(heights: Sequence[float], least: float) -> list[float]:
    """Heights in rising order, moved so that they are at least so far from each other and not above 1.

    >>> apart([0.5, 0.5, 1.0], 0.25)
    [0.5, 0.75, 1.0]
    >>> apart([0.9, 1.0], 0.25)
    [0.75, 1.0]
    """
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + least) if moved else height)
    ceiling = 1.0
    for number in reversed(range(len(moved))):
        moved[number] = min(moved[number], ceiling)
        ceiling = moved[number] - least
    return moved


def _over_epochs(axes: Axes, rows: Sequence[Row]) -> None:
    """Draws the test accuracy of each run over its epochs; where all are of masks, the mean IoU."""
    pixels = all("test_mean_iou" in record for row in rows for record in row.records)
    measure, name = ("test_mean_iou", "test mean IoU") if pixels else ("test_accuracy", "test accuracy")
    for number, row in enumerate(rows):
        epochs = [record["epoch"] for record in row.records]
        axes.plot(epochs, [record[measure] for record in row.records], **_line_style(number))
    axes.set(title=name, ylim=(_floor(axes.dataLim.y0), 1))
    _epochs(axes)


def _line_style(number: int) -> Style:
    """Colour and marker of the line of a run; the eighth has the first one's colour and another marker."""
    again, place = divmod(number, len(COLORS))
    return {"color": COLORS[place], "marker": MARKERS[(place + again) % len(MARKERS)]}


def _short(name: str) -> str:
    """A name that leaves room for what it names, its middle left out.

    >>> _short("lenet"), _short("a name that is longer than any that is needed")
    ('lenet', 'a name that is lo… that is needed')
    """
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2 + 1]}…{name[-(LONGEST // 2) + 1 :]}"


def _epochs(axes: Axes) -> None:
    first, last = axes.dataLim.x0, axes.dataLim.x1
    margin = 0.04 * (last - first) or 0.5
    axes.set(xlabel="epoch", xlim=(first - margin, last + margin))
    axes.locator_params(axis="x", integer=True) if first < last else axes.set_xticks([first])


def _floor(lowest: float) -> float:
    """Where an axis of accuracies begins: at a tenth below all of them.

    >>> _floor(0.93), _floor(0.2)
    (0.9, 0.1)
    """
    return max(0.0, math.floor(10 * lowest - 0.3) / 10) if math.isfinite(lowest) else 0.0
