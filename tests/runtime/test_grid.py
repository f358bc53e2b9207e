"""Grids of pictures: captions in every script, of every length."""

import io
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from archc.runtime.data import grid
from archc.runtime.data.grid import WIDEST, best_columns, draw_grid, found_grid
from archc.runtime.data.lettering import Lettering

TILE = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)  # white: only the caption is seen


def drawn(caption: str, *, right: tuple[bool, ...] = ()) -> Image.Image:
    return Image.open(io.BytesIO(draw_grid(TILE, [caption], right=right))).convert("L")


@pytest.mark.parametrize(("one", "other"), [("кошка", "собака"), ("é", "è"), ("\ue001", "\ue002"), ("猫", "犬")])
def test_two_names_never_look_the_same(one: str, other: str) -> None:
    assert drawn(one).tobytes() != drawn(other).tobytes()


def test_a_name_in_pieces_is_the_same_name() -> None:
    assert drawn("cafe\u0301").tobytes() == drawn("café").tobytes()


def test_long_captions_keep_their_ends_and_stay_in_their_cell() -> None:
    lettering = Lettering()
    short = lettering.shortened("species 017 of some genus  93%", 150)
    assert short.startswith("species")
    assert short.endswith("93%")
    assert lettering.length(short) <= 150
    assert drawn("x" * 500).width <= WIDEST + 2 * grid.MARGIN


def test_the_mark_stands_before_the_caption(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[float] = []
    strokes: list[float] = []

    class Spy(ImageDraw.ImageDraw):
        def text(self, xy: tuple[float, float], *others: Any, **named: Any) -> None:
            texts.append(xy[0])

        def line(self, xy: Any, *others: Any, **named: Any) -> None:
            strokes.extend(x for x, _ in xy)

    monkeypatch.setattr(ImageDraw, "Draw", Spy)
    drawn("a caption as wide as its cell is, or wider", right=(True,))
    assert 0 <= min(strokes) < max(strokes) < texts[0]


def test_what_is_found_has_its_class_colour_and_what_is_not_said_is_white() -> None:
    predicted = torch.full((1, 6, 6), 2)
    drawn = found_grid(TILE * 0, predicted, names=["a.png"], classes=["one", "two", "three"])
    with Image.open(io.BytesIO(drawn)) as sheet:
        cell = sheet.width // 2
        middle, edge = cell + cell // 2, cell + grid.MARGIN + 2
        assert sheet.getpixel((middle - cell, cell // 2)) == (0, 0, 0)
        assert sheet.getpixel((middle, cell // 2)) == grid.class_color(2)
        assert sheet.getpixel((edge, cell // 2)) == (255, 255, 255)


def test_a_long_legend_goes_on_in_the_next_line_and_shows_every_class_in_its_colour() -> None:
    names = [f"class {number}" for number in range(30)]
    few, all_of_them = (
        Image.open(io.BytesIO(draw_grid(TILE, ["a"], legend=legend))).convert("RGB") for legend in (names[:1], names)
    )
    assert all_of_them.width == few.width
    assert all_of_them.height > few.height + 20 * grid.LINE
    shown = {color for _, color in all_of_them.getcolors(1 << 20) or []}
    assert shown >= {grid.class_color(number) for number in range(30)}


@pytest.mark.parametrize("cells", range(1, 60))
def test_a_grid_is_wide_and_nearly_full(cells: int) -> None:
    columns = best_columns(cells)
    assert 1 <= columns <= cells
    assert columns * columns >= cells * 0.5
    assert -cells % columns <= columns / 2
