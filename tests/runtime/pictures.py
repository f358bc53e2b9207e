"""Folders of small pictures, for tests of image folders."""

from pathlib import Path

import numpy as np
from PIL import Image

RANDOM = np.random.default_rng(1)


def picture(path: Path, *, mode: str = "RGB", size: tuple[int, int] = (8, 6), level: int | None = None) -> Path:
    """A picture of noise, or of one level, in the file format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = len(Image.new(mode, (1, 1)).getbands())
    shape = (size[1], size[0]) if channels == 1 else (size[1], size[0], channels)
    pixels = RANDOM.integers(0, 256, shape, dtype=np.uint8) if level is None else np.full(shape, level, np.uint8)
    if mode == "I;16":
        Image.fromarray(pixels.astype(np.uint16) * 257).save(path)
    elif mode in ("1", "P"):
        Image.fromarray(pixels).convert(mode).save(path)
    else:
        Image.fromarray(pixels, mode).save(path) if mode != "CMYK" else Image.new(mode, size, (0, 255, 255, 0)).save(
            path
        )
    return path


def classes(folder: Path, *, count: int = 5, names: tuple[str, ...] = ("cat", "dog")) -> Path:
    for level, name in enumerate(names):
        for number in range(count):
            picture(folder / name / f"{number}.png", level=50 * level + number)
    return folder


def scene(folder: Path, *, count: int = 5, mask: str = "L", levels: tuple[int, ...] = (0, 1, 2)) -> Path:
    for number in range(count):
        picture(folder / "images" / f"{number}.jpg")
        numbers = np.resize(np.array(levels, np.uint8), (6, 8))
        image = Image.fromarray(numbers)
        if mask == "P":
            image.putpalette([value % 256 for value in range(768)])
        (folder / "masks").mkdir(exist_ok=True)
        image.save(folder / "masks" / f"{number}.png")
    return folder
