"""Rows as a table for people, as Markdown, JSON or CSV."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from archc.dsl.render import columns_of, escape

FORMATS = ("table", "markdown", "json", "csv")


class Column(NamedTuple):
    """A column: the key of its value, its heading, and how people read a value; numbers stand on the right."""

    key: str
    heading: str
    show: Callable[[Any], str] = str
    number: bool = False


def listed(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], form: str) -> str:
    """The rows in one of the formats; a value that is None is an empty cell, in JSON null.

    A row may hold more than the columns: JSON has all of it.

    >>> columns = [Column("name", "run"), Column("loss", "loss", "{:.2f}".format, number=True)]
    >>> print(listed(columns, [{"name": "lenet", "loss": 0.5}, {"name": "nin", "loss": None}], "table"))
    run    loss
    -----------
    lenet  0.50
    nin
    >>> listed(columns, [{"name": "lenet", "loss": 0.5}], "csv")
    'name,loss\\nlenet,0.5'
    """
    if form == "json":
        import json

        return json.dumps([dict(row) for row in rows], indent=2)
    if form == "csv":
        return _csv(columns, rows)
    cells = [
        [column.heading for column in columns],
        *([_shown(column, row[column.key]) for column in columns] for row in rows),
    ]
    if form == "markdown":
        marks = ["---:" if column.number else "---" for column in columns]
        first, *rest = ([cell.replace("|", "\\|") for cell in line] for line in cells)
        return "\n".join(f"| {' | '.join(line)} |" for line in (first, marks, *rest))
    head, *lines = aligned(cells, [column.number for column in columns])
    return "\n".join([head, "-" * max(map(columns_of, (head, *lines))), *lines])


def aligned(lines: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Lines whose cells stand below each other; `right` says which columns stand on the right.

    >>> aligned([["猫", "1"], ["cat", "20"]], [False, True])
    ['猫    1', 'cat  20']
    """
    widths = [max(map(columns_of, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            " " * gap + cell if on_right else cell + " " * gap
            for cell, gap, on_right in zip(
                line, (width - columns_of(cell) for cell, width in zip(line, widths, strict=True)), right, strict=True
            )
        ).rstrip()
        for line in lines
    ]


def _csv(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.key for column in columns)
    writer.writerows([row[column.key] for column in columns] for row in rows)
    return text.getvalue().rstrip("\n")


def _shown(column: Column, value: object) -> str:
    return "" if value is None else escape(column.show(value))  # what a damaged run holds is shown, never obeyed


def count(value: float) -> str:
    """A number with its thousands apart.

    >>> count(61706)
    '61,706'
    """
    return f"{value:,.0f}"


def share(value: float) -> str:
    """An accuracy.

    >>> share(0.95)
    '0.9500'
    """
    return f"{value:.4f}"


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(8.25), duration(75), duration(3661)
    ('8.2 s', '1:15', '1:01:01')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"
