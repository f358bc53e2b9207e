"""Layouts of image folders: parts, classes, images with masks, and what cannot be meant."""

from pathlib import Path

import pytest
from PIL import Image

from archc.runtime import EnvironmentProblem, SettingsError
from archc.runtime.data import load
from tests.runtime.pictures import classes, picture, scene


@pytest.mark.parametrize("test", ["test", "val", "validation"])
def test_a_folder_with_its_own_test_part(test: str, tmp_path: Path) -> None:
    classes(tmp_path / "train", count=3)
    classes(tmp_path / test, count=2, names=("cat",))
    data = load(f"{tmp_path}/")
    assert (len(data.train_images), len(data.test_images), data.test_labels.tolist()) == (6, 2, [0, 0])
    assert f"its own part {test}" in data.note


def test_folders_that_cannot_be_right(tmp_path: Path) -> None:
    def refused(path: Path, message: str, error: type[Exception] = EnvironmentProblem) -> None:
        with pytest.raises(error, match=message):
            load(str(path))

    (tmp_path / "nothing").mkdir()
    refused(tmp_path / "nothing", "nothing holds no folder of a class; images lie in FOLDER/CLASS/")
    picture(tmp_path / "flat" / "a.png")
    refused(tmp_path / "flat", "flat holds 1 images and no folder of a class")
    (classes(tmp_path / "empty") / "emu").mkdir()
    refused(tmp_path / "empty", "emu holds no image of class 'emu'.*ppm .pgm\\); fill the folder or delete it")
    (tmp_path / "empty" / "emu" / "0.heic").write_text("x")
    refused(tmp_path / "empty", "emu holds no image of class 'emu'.*, but 0.heic; fill the folder or delete it")
    (tmp_path / "bare" / "a").mkdir(parents=True)
    refused(tmp_path / "bare", "there is no image in .*bare/a/")
    classes(tmp_path / "other" / "train")
    classes(tmp_path / "other" / "test", names=("cat", "emu"))
    refused(tmp_path / "other", "there is no class 'emu' in the training part, whose classes are cat, dog")
    (tmp_path / "set.zip").write_bytes(b"PK")
    refused(tmp_path / "set.zip", "set.zip is a file, and a data set is a folder of images", SettingsError)
    classes(tmp_path / "alone", count=1)
    refused(tmp_path / "alone", "alone holds one image of each class, and one of two or more is held out for testing")
    classes(tmp_path / "one", names=("cat",))
    refused(tmp_path / "one", "one holds one class, 'cat', .*; add a folder of another one")
    classes(tmp_path / "above" / "pets")
    refused(tmp_path / "above", "above holds one class, 'pets', .*; is .*above/pets the folder that is meant?")


@pytest.mark.parametrize("names", [("Images", "Masks"), ("images", "labels"), ("training", "testing"), ("cat", "test")])
def test_a_part_of_another_layout_is_no_class(names: tuple[str, str], tmp_path: Path) -> None:
    classes(tmp_path, names=names)
    with pytest.raises(EnvironmentProblem, match=r" is no class by its name, .* all in lower case; rename it"):
        load(str(tmp_path))


def test_parts_that_are_not_used_are_named(tmp_path: Path) -> None:
    for part in ("train", "val", "test", "more"):
        classes(tmp_path / part)
    assert load(str(tmp_path)).note.endswith("its own part test for testing; more, val not used")
    classes(tmp_path / "only" / "train")
    (tmp_path / "only" / "Test").mkdir()
    with pytest.raises(EnvironmentProblem, match=r"Test is no class by its name"):
        load(str(tmp_path / "only"))


# ---- masks


@pytest.mark.parametrize("mask", ["L", "P"])
def test_images_with_masks(mask: str, tmp_path: Path) -> None:
    data = load(str(scene(tmp_path, mask=mask, levels=(0, 1, 2, 255))))
    assert data.segmentation
    assert (len(data.train_images), len(data.test_images), data.classes) == (4, 1, ("0", "1", "2"))
    assert data.train_labels[0].flatten()[:5].tolist() == [0, 1, 2, 255, 0]
    (tmp_path / "classes.txt").write_text("ground\nroad\nsky\ntree\n")
    assert load(str(tmp_path)).classes == ("ground", "road", "sky", "tree")
    (tmp_path / "classes.txt").write_text("ground\nroad\n")
    with pytest.raises(
        EnvironmentProblem, match=r"the mask .*/0\.png holds class 2, but .*classes.txt names 2 classes"
    ):
        load(str(tmp_path))


def test_masks_with_their_own_test_part_and_of_two_values(tmp_path: Path) -> None:
    scene(tmp_path / "train", levels=(0, 255))
    scene(tmp_path / "test", count=2, levels=(0, 255))
    data = load(str(tmp_path))
    assert (len(data.test_images), data.num_classes) == (2, 2)
    assert data.train_labels.unique().tolist() == [0, 1]
    assert "taken as classes 0 and 1" in data.note
    Image.new("L", (8, 6)).save(tmp_path / "train" / "masks" / "0.png")
    (tmp_path / "classes.txt").write_text("ground\n")
    with pytest.raises(EnvironmentProblem, match=r"the mask .*/masks/1\.png holds class 1, but"):
        load(str(tmp_path))


def test_wrong_masks_stop_and_are_named(tmp_path: Path) -> None:
    def refused(message: str) -> None:
        with pytest.raises(EnvironmentProblem, match=message):
            load(str(tmp_path))

    mask = scene(tmp_path) / "masks" / "3.png"
    picture(mask, mode="L", size=(9, 6))
    refused(r"3\.png: the mask is 9x6 and its image 8x6 \(width x height\)")
    picture(mask, mode="RGB")
    refused(r"3\.png: a mask holds class numbers.* its mode is RGB")
    picture(mask.with_suffix(".jpg"), mode="L").rename(mask)
    refused(r"3\.png: a mask holds class numbers, and JPEG changes them")
    mask.write_bytes(b"x")
    refused(r"3\.png: it is no picture")
    mask.unlink()
    refused(r"images/3\.jpg has no mask: .*masks/3\.png is not there; .* masks/ holds 0\.png, 1\.png, 2\.png, \.\.\.")


@pytest.mark.parametrize("levels", [(0, 128, 255), (0, 1, 250), (0,), (7, 255)])
def test_masks_of_grey_levels_are_no_class_numbers(levels: tuple[int, ...], tmp_path: Path) -> None:
    scene(tmp_path, levels=levels)
    wanted = ", ".join(str(level) for level in levels if level != 255)
    with pytest.raises(EnvironmentProblem, match=f"its masks hold {wanted}, and classes are numbered 0, 1, 2"):
        load(str(tmp_path))
    (tmp_path / "classes.txt").write_text("".join(f"{number}\n" for number in range(251)))
    assert load(str(tmp_path)).num_classes == 251


def test_the_mask_of_a_broken_image_counts_for_nothing(tmp_path: Path) -> None:
    scene(tmp_path, count=30)
    (tmp_path / "images" / "3.jpg").write_bytes(b"x")
    Image.new("L", (8, 6), 9).save(tmp_path / "masks" / "3.png")
    data = load(str(tmp_path))
    assert data.classes == ("0", "1", "2")
