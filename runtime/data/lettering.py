"""Letters of pictures that Pillow draws: a font for every name, whatever the script."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

SIZE = 16  # pixels
OTHER_FONTS = (
    "NotoSansCJK-Regular.ttc", "PingFang.ttc", "msyh.ttc", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf",
    "Arial Unicode.ttf", "seguisym.ttf",
)  # fmt: skip
"""Fonts of systems, by the names that Pillow looks for, for the scripts that DejaVu lacks."""
NOWHERE = "\U0010ffff"  # belongs to no letter: every font draws its sign for what it lacks


class Lettering:
    """Fonts of one size: DejaVu Sans, which comes with matplotlib, and what the system has for other scripts.

    >>> letters = Lettering()
    >>> letters.readable("кошка \ue000"), letters.shortened("a very long name", letters.length("a very…name"))
    ('кошка \\\\ue000', 'a very…name')
    """

    def __init__(self) -> None:
        self._fonts: list[FreeTypeFont | ImageFont] = [_dejavu()]
        self._others = list(OTHER_FONTS)

    def font(self, text: str) -> FreeTypeFont | ImageFont:
        """The first font that has all letters of a text; where none has, DejaVu."""
        return next((font for font in self._all() if all(has(font, letter) for letter in text)), self._fonts[0])

    def readable(self, text: str) -> str:
        """The text with what no font has as its number: two names that are not the same never look the same."""
        text = unicodedata.normalize("NFC", text)  # macOS gives names in pieces
        return "\n".join(map(self._readable, text.split("\n")))

    def length(self, text: str) -> float:
        """The width of a text in pixels."""
        return self.font(text).getlength(text)

    def shortened(self, text: str, room: float) -> str:
        """The text, its middle left out where it is wider than `room` pixels."""
        whole, kept = text, len(text)
        while self.length(text) > room and kept > 2:
            kept -= 1
            text = f"{whole[: (kept + 1) // 2].rstrip()}…{whole[len(whole) - kept // 2 :].lstrip()}"
        return text

    def _readable(self, line: str) -> str:
        font = self.font(line)
        return "".join(letter if has(font, letter) else letter.encode("unicode_escape").decode() for letter in line)

    def _all(self) -> Iterator[FreeTypeFont | ImageFont]:
        from PIL import ImageFont

        yield from self._fonts
        while self._others:  # looked for only when a letter asks for it
            try:
                self._fonts.append(ImageFont.truetype(self._others.pop(0), SIZE))
            except OSError:
                continue
            yield self._fonts[-1]


def has(font: FreeTypeFont | ImageFont, letter: str) -> bool:
    """Whether a font has a letter.

    >>> has(_dejavu(), "é"), has(_dejavu(), "\ue000")
    (True, False)
    """
    if letter == " ":
        return True
    missing, found = font.getmask(NOWHERE), font.getmask(letter)
    return (found.size, bytes(found)) != (missing.size, bytes(missing))


def _dejavu() -> FreeTypeFont | ImageFont:
    """DejaVu Sans; where matplotlib keeps its files elsewhere, Pillow's own font, which knows Latin letters only."""
    from PIL import ImageFont

    spec = find_spec("matplotlib")  # found, not imported, which takes as long as the picture
    place = Path(spec.origin if spec and spec.origin else "").parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    try:
        return ImageFont.truetype(str(place), SIZE)
    except OSError:
        return ImageFont.load_default(size=SIZE)
