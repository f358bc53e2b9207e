"""One picture of any usual kind to bytes: what is accepted, how its mode becomes grey or colour, what is refused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from archc.runtime.errors import EnvironmentProblem

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MOST_PIXELS = 1 << 26
"""A picture that claims more (8,192 x 8,192) is not decoded: a few bytes of a file can claim any number."""

GREY = ("1", "L", "LA", "I", "I;16", "I;16L", "I;16B", "I;16N")
MASK = ("1", "L", "P")


ORIENTATION = 0x0112  # the EXIF tag with which a camera says how it was held
TURNS = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
         7: "TRANSVERSE", 8: "ROTATE_90"}  # fmt: skip


class BrokenImage(Exception):
    """A picture cannot be read; the text is the reason."""


class Header(NamedTuple):
    """What a picture says of itself before it is decoded."""

    size: tuple[int, int]
    """Height and width."""
    grey: bool


def read_header(path: Path) -> Header:
    """Size and colour of a picture as it is seen, without decoding it; raises `BrokenImage`."""
    with _opened(path) as image:
        lies = _orientation(image) >= 5
        return Header((image.width, image.height) if lies else (image.height, image.width), image.mode in GREY)


def read_image(path: Path, *, channels: int, size: tuple[int, int]) -> Tensor:
    """A picture as uint8 [channels, height, width]; one of another size is scaled to cover `size`, its middle taken.

    It is turned upright as its EXIF orientation says. Transparency is dropped, 16 bits become 8, palettes and CMYK
    become RGB. Raises `BrokenImage`.
    """
    from PIL import Image

    with _opened(path) as image:
        try:
            picture = _eight_bits(image) if image.mode.startswith("I") or image.mode == "F" else image
            picture = picture.convert("L" if channels == 1 else "RGB")
            if turn := TURNS.get(_orientation(image)):
                picture = picture.transpose(Image.Transpose[turn])
            picture = _covering(picture, size, Image.Resampling.BILINEAR)
        except (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, OverflowError, MemoryError) as error:
            raise BrokenImage(str(error) or type(error).__name__) from error
        return _bytes(picture).reshape(*size, channels).permute(2, 0, 1)


def read_mask(path: Path, *, size: tuple[int, int], expected: tuple[int, int]) -> Tensor:
    """The class numbers of a mask as uint8 [height, width]: grey levels, or the indices of a palette.

    `expected` is the size of its image, from which it may not differ. Raises `BrokenImage`.
    """
    from PIL import Image

    with _opened(path) as image:
        if image.format == "JPEG":
            raise BrokenImage("a mask holds class numbers, and JPEG changes them; save it as PNG")
        if image.mode not in MASK:
            raise BrokenImage(
                f"a mask holds class numbers, as grey levels or a palette of 8 bits; its mode is {image.mode}"
                " (where all channels are equal, Pillow's .convert('L') makes one of them)"
            )
        if (image.height, image.width) != expected:
            found, wanted = f"{image.width}x{image.height}", f"{expected[1]}x{expected[0]}"
            raise BrokenImage(f"the mask is {found} and its image {wanted} (width x height)")
        try:
            picture = image.convert("L") if image.mode == "1" else image.copy()
            picture = _covering(picture, size, Image.Resampling.NEAREST)
        except (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, MemoryError) as error:
            raise BrokenImage(str(error) or type(error).__name__) from error
        return _bytes(picture).reshape(size)


def _opened(path: Path) -> Image:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise EnvironmentProblem("pictures are read by Pillow, which is not installed: pip install pillow") from error
    try:
        image = Image.open(path, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BrokenImage(f"it claims more than {MOST_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise BrokenImage("it is no picture") from error
    except (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, OverflowError) as error:
        raise BrokenImage(getattr(error, "strerror", None) or str(error) or type(error).__name__) from error
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise BrokenImage(f"it claims {image.width}x{image.height} pixels, more than {MOST_PIXELS:,}")
    return image


def _orientation(image: Image) -> int:
    """The EXIF orientation, from 1 for upright to 8; what cannot be read is upright. TIFF's Pillow heeds itself."""
    if "exif" not in image.info:
        return 1
    try:
        number = image.getexif().get(ORIENTATION)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError, struct.error):
        return 1
    return number if isinstance(number, int) else 1


def _eight_bits(image: Image) -> Image:
    """Sixteen bits to eight by the nearest level, where Pillow would cut everything above 255 off."""
    from PIL import Image

    if image.mode == "F":
        raise ValueError("floating-point levels have no fixed range")
    levels = torch.frombuffer(bytearray(image.convert("I").tobytes()), dtype=torch.int32)
    if int(levels.min()) < 0 or int(levels.max()) > 65_535:
        raise ValueError(f"mode {image.mode} has levels beyond 16 bits")
    eight = ((levels * 255 + 32_767) // 65_535).to(torch.uint8)
    return Image.frombytes("L", image.size, eight.numpy().tobytes())


def _covering(picture: Image, size: tuple[int, int], resampling: int) -> Image:
    height, width = size
    if (picture.height, picture.width) == size:
        return picture
    scale = max(height / picture.height, width / picture.width)
    tall, wide = max(height, round(picture.height * scale)), max(width, round(picture.width * scale))
    picture = picture.resize((wide, tall), resampling)
    top, left = (tall - height) // 2, (wide - width) // 2
    return picture.crop((left, top, left + width, top + height))


def _bytes(picture: Image) -> Tensor:
    return torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
