"""Folders of images: every mode, broken pictures, and the cache of what was decoded."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from archc.runtime import EnvironmentProblem, SettingsError
from archc.runtime.data import cache, load
from archc.runtime.data.decode import BrokenImage, read_header, read_image
from tests.runtime.pictures import classes, picture


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "archc"


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def test_a_folder_of_classes_is_split(tmp_path: Path) -> None:
    data = load(str(classes(tmp_path / "pets", count=10)))
    assert (data.name, data.classes) == ("pets", ("cat", "dog"))
    assert data.train_labels.bincount().tolist() == [8, 8]
    assert data.test_labels.bincount().tolist() == [2, 2]
    assert data.train_images.shape == (16, 3, 6, 8)
    levels = [int(images[0, 0, 0]) for images in (*data.train_images, *data.test_images)]
    assert sorted(levels) == [*range(10), *range(50, 60)]
    for image, label in zip(data.train_images, data.train_labels, strict=True):
        assert int(image[0, 0, 0]) // 50 == int(label)
    assert torch.equal(load(str(tmp_path / "pets")).test_images, data.test_images)


def test_a_name_is_a_set_and_a_path_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes(tmp_path / "digits")
    classes(tmp_path / "root" / "pets")
    monkeypatch.chdir(tmp_path)
    assert load("digits").num_classes == 10
    assert load("./digits").num_classes == 2
    assert load("pets", tmp_path / "root").num_classes == 2
    with pytest.raises(EnvironmentProblem, match="there is no folder 'no/such'"):
        load("no/such")
    with pytest.raises(SettingsError, match="did you mean 'cifar10'"):
        load("cifar_10")
    for name in ("", "a\0b", "x" * 5000):
        with pytest.raises(SettingsError, match="no data set or folder"):
            load(name)


@pytest.mark.parametrize(
    ("mode", "suffix", "channels"),
    [
        ("L", "png", 1), ("1", "png", 1), ("I;16", "png", 1), ("LA", "png", 1), ("P", "png", 3), ("RGB", "jpg", 3),
        ("RGBA", "png", 3), ("CMYK", "jpg", 3), ("RGB", "bmp", 3), ("RGB", "webp", 3), ("L", "tif", 1), ("L", "pgm", 1),
    ],
)  # fmt: skip
def test_every_mode_becomes_grey_or_colour(mode: str, suffix: str, channels: int, tmp_path: Path) -> None:
    paths = [picture(tmp_path / "one" / f"{number}.{suffix}", mode=mode) for number in range(2)]
    picture(tmp_path / "two" / f"0.{suffix}", mode=mode)
    data = load(str(tmp_path))
    assert data.channels == channels
    images = torch.cat([data.train_images, data.test_images])
    assert len(images) == 3
    if mode == "I;16":
        wanted = torch.from_numpy(np.asarray(Image.open(paths[0])).astype(np.int64) // 257).to(torch.uint8)[None]
    else:
        wanted = torch.from_numpy(np.array(Image.open(paths[0]).convert("L" if channels == 1 else "RGB")))
        wanted = wanted[None] if channels == 1 else wanted.permute(2, 0, 1)
    assert any(torch.equal(image, wanted) for image in images)


def test_grey_among_colours_becomes_colour(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "0.png", mode="L", level=9)
    picture(tmp_path / "a" / "1.png", mode="L", level=9)
    picture(tmp_path / "b" / "0.png", level=80)
    data = load(str(tmp_path))
    assert data.channels == 3
    assert data.train_images[0].unique().tolist() == [9]


def test_images_of_different_sizes_keep_their_shape_and_show_their_middle(tmp_path: Path) -> None:
    for number, size in enumerate([(8, 8), (16, 8), (10, 30), (8, 8)]):
        picture(tmp_path / "a" / f"{number}.png", size=size, level=7)
        picture(tmp_path / "b" / f"{number}.png", size=size, level=70)
    data = load(str(tmp_path))
    assert data.train_images.shape[2:] == (8, 8)
    assert "images of different sizes brought to 8x8" in data.note
    wide = Image.new("RGB", (40, 10))
    wide.paste((200, 200, 200), (15, 0, 25, 10))
    wide.save(tmp_path / "wide.png")
    assert read_image(tmp_path / "wide.png", channels=3, size=(10, 10)).unique().tolist() == [200]


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda content: b"", "it is no picture"),
    "text": (lambda content: b"hello" * 50, "it is no picture"),
    "cut off": (lambda content: content[:-30], "(.*[Tt]runc|.*broken|.*incomplete)"),
    "2**31 pixels": (lambda content: claiming(1 << 16, 1 << 15), "it claims more than"),
    "2**27 pixels": (lambda content: claiming(1 << 14, 1 << 13), "it claims"),
    "a wrong checksum": (lambda content: content[:20] + b"\xff" + content[21:], "."),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_broken_image_is_left_out_and_counted_and_many_stop(name: str, tmp_path: Path) -> None:
    damage, reason = BROKEN[name]
    classes(tmp_path, count=15)
    path = tmp_path / "dog" / "3.png"
    path.write_bytes(damage(path.read_bytes()))
    data = load(str(tmp_path))
    assert len(data.train_images) + len(data.test_images) == 29
    assert "1 broken left out (3.png is one: " in data.note
    assert 53 not in [int(image[0, 0, 0]) for image in (*data.train_images, *data.test_images)]
    for number in (4, 5):
        other = tmp_path / "dog" / f"{number}.png"
        other.write_bytes(damage(other.read_bytes()))
    with pytest.raises(
        EnvironmentProblem, match=f"3 of 30 images are broken, among them .*dog/.*the first: .*{reason}"
    ):
        load(str(tmp_path))


def test_a_header_is_enough_to_refuse_a_claim(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(claiming(1 << 16, 1 << 15))
    with pytest.raises(BrokenImage, match="it claims more than 67,108,864 pixels"):
        read_header(path)


def test_no_image_can_be_read(tmp_path: Path) -> None:
    for name in ("a/x.jpg", "b/x.jpg", "b/y.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no")
    with pytest.raises(EnvironmentProblem, match=r"no image can be read, and .*a/x\.jpg is the first of them"):
        load(str(tmp_path))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_as_the_camera_was_held(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = Image.new("RGB", (16, 8))
    lying.paste((255, 255, 255), (0, 0, 8, 4))
    lying.save(tmp_path / "x.jpg", exif=exif, quality=100)
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "x.jpg"))
    size = (upright.height, upright.width)
    assert read_header(tmp_path / "x.jpg").size == size
    found = read_image(tmp_path / "x.jpg", channels=3, size=size)
    assert torch.equal(found, torch.from_numpy(np.array(upright)).permute(2, 0, 1))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_damaged_orientation_is_none(tmp_path: Path) -> None:
    picture(tmp_path / "x.jpg")
    Image.open(tmp_path / "x.jpg").save(tmp_path / "y.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert read_header(tmp_path / "y.jpg").size == (6, 8)


def test_pipes_hidden_files_and_other_files_are_not_opened(tmp_path: Path) -> None:
    classes(tmp_path)
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    (tmp_path / "cat" / ".hidden.png").write_text("x")
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / ".git").mkdir()
    picture(tmp_path / "cat" / "deeper" / "9.PNG")
    data = load(str(tmp_path))
    assert len(data.train_images) + len(data.test_images) == 11
    assert "; 1 other files not read (notes.txt is one)" in data.note


def test_names_that_a_terminal_would_obey_are_shown_harmlessly(tmp_path: Path) -> None:
    classes(tmp_path, count=15, names=("cat", "do\x1b[31mg"))
    os.rename(bytes(tmp_path / "cat"), bytes(tmp_path) + b"/c\xfft")
    (tmp_path / "do\x1b[31mg" / "a\nb.png").write_bytes(b"x")
    data = load(str(tmp_path))
    assert data.classes == ("c\\udcfft", "do\\x1b[31mg")
    assert r"1 broken left out (a\nb.png is one: it is no picture)" in data.note


def test_a_dead_link_is_a_broken_image(tmp_path: Path) -> None:
    classes(tmp_path, count=15)
    (tmp_path / "cat" / "x.png").symlink_to(tmp_path / "gone.png")
    assert "1 broken left out (x.png is one: No such file" in load(str(tmp_path)).note


# ---- the cache


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "FROM", 1)


def contents(data: Any) -> list[Any]:
    return [data.train_images.tolist(), data.train_labels.tolist(), data.test_images.tolist(), data.note, data.classes]


def test_few_images_are_not_cached(tmp_path: Path, own_cache: Path) -> None:
    load(str(classes(tmp_path / "pets")))
    assert not own_cache.exists()


@pytest.mark.usefixtures("small")
def test_a_second_reading_decodes_nothing(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes(tmp_path / "pets", count=15)
    (tmp_path / "pets" / "cat" / "3.png").write_text("no picture")
    first = load(str(tmp_path / "pets"))
    (made,) = own_cache.iterdir()
    with monkeypatch.context() as patched:
        patched.setattr("archc.runtime.data.folder._Plan.fill", None)
        assert contents(load(str(tmp_path / "pets"))) == contents(first)
    assert made.name.startswith("pets-")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("change", ["content", "time", "new", "removed"])
def test_a_changed_folder_is_noticed(change: str, tmp_path: Path, own_cache: Path) -> None:
    folder = classes(tmp_path / "pets")
    before = contents(load(str(folder)))
    path = folder / "cat" / "2.png"
    if change == "content":
        picture(path, level=99)
    elif change == "time":
        content, about = path.read_bytes(), path.stat()
        path.write_bytes(content.replace(content[-30:-12], content[-30:-12]))
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    elif change == "new":
        picture(folder / "cat" / "new.png", level=99)
    else:
        path.unlink()
    made = (own_cache / next(own_cache.iterdir()).name).stat().st_ino
    assert (contents(load(str(folder))) == before) == (change == "time")
    (entry,) = own_cache.iterdir()
    assert entry.stat().st_ino != made


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("damage", [b"", b"\xff" * 100, None])
def test_a_damaged_cache_is_made_anew(damage: bytes | None, tmp_path: Path, own_cache: Path) -> None:
    folder = classes(tmp_path / "pets")
    before = contents(load(str(folder)))
    (made,) = own_cache.iterdir()
    made.write_bytes(made.read_bytes()[:-9] if damage is None else damage)
    assert contents(load(str(folder))) == before


@pytest.mark.usefixtures("small")
def test_a_stop_while_decoding_leaves_nothing(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    folder = classes(tmp_path / "pets")
    monkeypatch.setattr("archc.runtime.data.folder.read_image", stop)
    with pytest.raises(KeyboardInterrupt):
        load(str(folder))
    assert list(own_cache.iterdir()) == []


@pytest.mark.usefixtures("small")
def test_without_room_on_the_disk_it_is_decoded_in_memory(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = classes(tmp_path / "pets")
    monkeypatch.setattr(cache, "SPARE", 1 << 60)
    assert len(load(str(folder)).train_images) == 8
    assert not own_cache.exists()
    monkeypatch.setattr(cache, "_memory", lambda: 1000)
    with pytest.raises(EnvironmentProblem, match=r"the decoded images take 1,451 bytes: .* set XDG_CACHE_HOME"):
        load(str(folder))


@pytest.mark.usefixtures("small")
def test_a_cache_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = classes(tmp_path / "pets")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert len(load(str(folder)).train_images) == 8


@pytest.mark.usefixtures("small")
def test_cached_images_are_mapped_not_read(tmp_path: Path) -> None:
    folder = classes(tmp_path / "pets")
    load(str(folder))
    data = load(str(folder))
    assert data.train_images.untyped_storage().data_ptr() == data.test_images.untyped_storage().data_ptr()


@pytest.mark.skipif("ARCHC_DATA" not in os.environ, reason="ARCHC_DATA names no folder with cifar10/")
def test_real_cifar_as_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (Path(os.environ["ARCHC_DATA"]) / "cifar10").is_dir():
        pytest.skip("there is no cifar10/ in ARCHC_DATA")
    monkeypatch.delenv("XDG_CACHE_HOME")
    data = load("cifar10/", os.environ["ARCHC_DATA"])
    assert (data.train_images.shape, data.test_images.shape) == ((50_000, 3, 32, 32), (10_000, 3, 32, 32))
    assert data.train_labels.bincount().tolist() == [5000] * 10
