"""The known sets, each read from small files in its own format, and what is said of damaged ones."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat

from archc.runtime import EnvironmentProblem, SettingsError
from archc.runtime.data import SOURCES, Data, load
from archc.runtime.data import fetch as fetching
from archc.runtime.data.cifar import entries
from archc.runtime.data.dataset import with_validation
from archc.runtime.data.fetch import FETCHES, fetch
from archc.runtime.data.generated import make_shapes, make_synthetic
from archc.runtime.data.idx import SETS as IDX_SETS
from tests.runtime.toys import toy_data

RANDOM = np.random.default_rng(0)


def noise(*shape: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def write_idx(path: Path, values: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = b"".join(struct.pack(">I", size) for size in values.shape)
    path.write_bytes(bytes((0, 0, 8, values.ndim)) + sizes + values.astype(np.uint8).tobytes())


def python2_pickle(**entries: Any) -> bytes:
    """A dictionary as Python 2 pickled CIFAR's batches: byte strings, and an array of numpy's."""

    def string(text: bytes) -> bytes:
        return b"U" + bytes([len(text)]) + text if len(text) < 256 else b"T" + struct.pack("<i", len(text)) + text

    def value(it: Any) -> bytes:
        if isinstance(it, np.ndarray):
            dtype = (
                b"cnumpy\ndtype\n"
                + string(b"u1")
                + b"K\x00K\x01\x87R(K\x03"
                + string(b"|")
                + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
            )
            shape = b"M" + struct.pack("<H", it.shape[0]) + b"M" + struct.pack("<H", it.shape[1]) + b"\x86"
            made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + string(b"b") + b"\x87R"
            return made + b"(K\x01" + shape + dtype + b"\x89" + string(it.tobytes()) + b"tb"
        if isinstance(it, list):
            return b"](" + b"".join(map(value, it)) + b"e"
        return string(it) if isinstance(it, bytes) else b"K" + bytes([it])

    return b"\x80\x02}(" + b"".join(string(key.encode()) + value(it) for key, it in entries.items()) + b"u."


def test_the_test_files_are_pickles_as_python_2_wrote_them() -> None:
    pixels = noise(3, 3072)
    content = python2_pickle(data=pixels, labels=[1, 2, 3], filenames=[b"a.png", b"b.png", b"c.png"])
    found = pickle.loads(content, encoding="latin1")  # noqa: S301  # this test's own bytes
    assert (found["data"] == pixels).all()
    assert (found["labels"], found["filenames"]) == ([1, 2, 3], ["a.png", "b.png", "c.png"])


@pytest.mark.parametrize("name", IDX_SETS)
def test_mnist_and_its_kin(name: str, tmp_path: Path) -> None:
    row = IDX_SETS[name]
    parts = {}
    for part, count in (("train", 70), (row.test, 65)):
        images, labels = noise(count, 28, 28), np.arange(count) % len(row.classes)
        write_idx(tmp_path / row.folder / "raw" / f"{row.prefix}{part}-images-idx3-ubyte", images)
        write_idx(tmp_path / row.folder / "raw" / f"{row.prefix}{part}-labels-idx1-ubyte", labels + row.first)
        parts[part] = images.transpose(0, 2, 1) if name.startswith("emnist") else images, labels
    data = load(name, tmp_path)
    for found, numbers, part in (
        (data.train_images, data.train_labels, "train"),
        (data.test_images, data.test_labels, row.test),
    ):
        assert np.array_equal(found[:, 0].numpy(), parts[part][0])
        assert np.array_equal(numbers.numpy(), parts[part][1])
    sizes = {"letters": 26, "byclass": 62, "bymerge": 47, "emnist": 47}
    assert data.num_classes == sizes.get(name.removeprefix("emnist-"), 10)
    assert len(set(data.classes)) == data.num_classes


def cifar(folder: Path, name: str, *, binary: bool) -> dict[str, Any]:
    """A small CIFAR in either version; returns the pixels and labels of its files."""
    hundred = name == "cifar100"
    place = folder / {
        (False, False): "cifar-10-batches-py", (False, True): "cifar-10-batches-bin",
        (True, False): "cifar-100-python", (True, True): "cifar-100-binary",
    }[hundred, binary]  # fmt: skip
    place.mkdir()
    kept = {}
    for file in ("train", "test") if hundred else (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        pixels, labels = noise(4, 3072), [int(n) for n in RANDOM.integers(0, 100 if hundred else 10, 4)]
        kept[file] = pixels, labels
        if binary:
            coarse = b"\x07" if hundred else b""
            records = (coarse + bytes([label]) + row.tobytes() for row, label in zip(pixels, labels, strict=True))
            (place / f"{file}.bin").write_bytes(b"".join(records))
        else:
            names = {"coarse_labels": [7] * 4, "fine_labels": labels} if hundred else {"labels": labels}
            content = python2_pickle(batch_label=b"batch 1 of 5", **names, data=pixels, filenames=[b"x.png"] * 4)
            (place / file).write_bytes(content)
    classes = [f"fine {number}".encode() for number in range(100)]
    if hundred and binary:
        (place / "fine_label_names.txt").write_bytes(b"\n".join(name.replace(b" ", b"_") for name in classes))
    elif hundred:
        (place / "meta").write_bytes(python2_pickle(fine_label_names=classes, coarse_label_names=[b"fish"]))
    return kept


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_in_both_versions(name: str, binary: bool, tmp_path: Path) -> None:
    kept = cifar(tmp_path, name, binary=binary)
    data = load(name, tmp_path)
    *train, test = kept.values()
    assert np.array_equal(data.train_images.flatten(1).numpy(), np.concatenate([pixels for pixels, _ in train]))
    assert data.train_labels.tolist() == [label for _, labels in train for label in labels]
    assert np.array_equal(data.test_images.numpy().reshape(4, -1), test[0])
    assert data.test_labels.tolist() == test[1]
    assert data.num_classes == (100 if name == "cifar100" else 10)


def test_a_pickle_is_never_carried_out(tmp_path: Path) -> None:
    """A batch that would run a command when unpickled is read as data, and the command is not run."""
    cifar(tmp_path, "cifar10", binary=False)
    flag = tmp_path / "run"
    path = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    attack = f"cos\nsystem\n(Vtouch {flag}\ntR0".encode()
    path.write_bytes(path.read_bytes()[:2] + attack + path.read_bytes()[2:])
    load("cifar10", tmp_path)
    assert not flag.exists()
    pickle.loads(b"\x80\x02" + attack + b"}.")  # noqa: S301  # the attack works where pickles are carried out
    assert flag.exists()


def test_entries_of_newer_pickles() -> None:
    content = pickle.dumps({"data": b"xyz", "labels": [1, 70_000]}, protocol=4)
    assert entries(content, ("data", "labels")) == {"data": ["xyz"], "labels": [1, 70_000]}


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[:-700],
    "no pickle": lambda content: b"\xff" * 5000,
    "no pixels": lambda content: python2_pickle(labels=[1]),
    "no labels": lambda content: python2_pickle(data=noise(2, 3072)),
    "fewer labels": lambda content: python2_pickle(data=noise(2, 3072), labels=[1]),
    "a label out of range": lambda content: python2_pickle(data=noise(2, 3072), labels=[1, 10]),
    "a huge label": lambda content: pickle.dumps({"data": bytes(3072), "labels": [1 << 70]}, protocol=2),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_cifar(damage: str, tmp_path: Path) -> None:
    cifar(tmp_path, "cifar10", binary=False)
    path = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(EnvironmentProblem, match="data set 'cifar10'"):
        load("cifar10", tmp_path)


def test_damaged_binary_cifar_and_a_missing_file(tmp_path: Path) -> None:
    cifar(tmp_path, "cifar10", binary=True)
    folder = tmp_path / "cifar-10-batches-bin"
    (folder / "test_batch.bin").write_bytes(b"x" * 3072)
    with pytest.raises(EnvironmentProblem, match=r"test_batch.bin is damaged \(3,072 bytes are no whole number"):
        load("cifar10", tmp_path)
    (folder / "data_batch_2.bin").unlink()
    with pytest.raises(EnvironmentProblem, match=r"lacks data_batch_2\.bin"):
        load("cifar10", tmp_path)


def svhn(folder: Path, **changed: Any) -> None:
    for part in ("train", "test"):
        values = {"X": noise(32, 32, 3, 6), "y": np.array([[10], [1], [2], [10], [9], [3]], dtype=np.uint8), **changed}
        savemat(folder / f"{part}_32x32.mat", values)


@pytest.mark.parametrize("inside", [False, True])
def test_svhn(inside: bool, tmp_path: Path) -> None:
    folder = tmp_path / "svhn" if inside else tmp_path
    folder.mkdir(exist_ok=True)
    images = noise(32, 32, 3, 6)
    svhn(folder, X=images)
    data = load("svhn", tmp_path)
    assert np.array_equal(data.train_images.numpy(), images.transpose(3, 2, 0, 1))
    assert data.test_labels.tolist() == [0, 1, 2, 0, 9, 3]


@pytest.mark.parametrize("changed", [{"X": noise(32, 32, 3, 5)}, {"X": np.zeros((4, 4))}, {"y": np.array([[11]] * 6)}])
def test_wrong_svhn(changed: dict[str, Any], tmp_path: Path) -> None:
    svhn(tmp_path, **changed)
    with pytest.raises(EnvironmentProblem, match="data set 'svhn'"):
        load("svhn", tmp_path)


def test_damaged_svhn(tmp_path: Path) -> None:
    svhn(tmp_path)
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(EnvironmentProblem, match=r"train_32x32.mat is damaged \(scipy cannot read it"):
        load("svhn", tmp_path)


def stl10(folder: Path) -> np.ndarray[Any, Any]:
    place = folder / "stl10_binary"
    place.mkdir()
    images = noise(3, 3, 96, 96)
    for part in ("train", "test"):
        (place / f"{part}_X.bin").write_bytes(images.transpose(0, 1, 3, 2).tobytes())
        (place / f"{part}_y.bin").write_bytes(bytes((1, 10, 4)))
    return images


def test_stl10(tmp_path: Path) -> None:
    images = stl10(tmp_path)
    data = load("stl10", tmp_path)
    assert np.array_equal(data.train_images.numpy(), images)
    assert data.test_labels.tolist() == [0, 9, 3]


@pytest.mark.parametrize(("file", "content"), [("train_X.bin", b"x"), ("test_y.bin", b""), ("test_y.bin", b"\0\0\0")])
def test_damaged_stl10(file: str, content: bytes, tmp_path: Path) -> None:
    stl10(tmp_path)
    (tmp_path / "stl10_binary" / file).write_bytes(content)
    with pytest.raises(EnvironmentProblem, match="data set 'stl10'"):
        load("stl10", tmp_path)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.place])
def test_a_missing_set_says_where_and_how(name: str, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=f"(lacks|there is no) .*--data-root DIR, .* data fetch {name} --data"):
        load(name, tmp_path)
    with pytest.raises(EnvironmentProblem, match="--data-root DIR"):
        load(name)


@pytest.mark.parametrize("given", ["stl10_binary", "stl10_binary/deeper"])
def test_a_root_that_lies_too_deep_is_put_right(given: str, tmp_path: Path) -> None:
    stl10(tmp_path)
    with pytest.raises(EnvironmentProblem, match=f"'stl10' lies in .*/stl10_binary: give --data-root {tmp_path}$"):
        load("stl10", tmp_path / given)


def test_every_set_that_needs_files_can_be_fetched() -> None:
    wanted = {"emnist" if name.startswith("emnist") else name for name, source in SOURCES.items() if source.place}
    assert set(FETCHES) == wanted


@pytest.mark.parametrize("error", [OSError("no route to host"), RuntimeError("File not found or corrupted.")])
def test_a_set_that_cannot_be_fetched(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(sets: Any, root: str) -> None:
        raise error

    monkeypatch.setitem(fetching.FETCHES, "mnist", fail)
    with pytest.raises(EnvironmentProblem, match=rf"'mnist' could not be fetched to .* \({error}\).*docs/data.md"):
        fetch("mnist", tmp_path)


def test_fetching_cifar_unpacks_without_unpickling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        datasets.utils, "download_and_extract_archive", lambda url, root, filename, md5: asked.append((filename, md5))
    )
    fetch("cifar10", tmp_path)
    fetch("stl10", tmp_path)
    assert asked == [
        (datasets.CIFAR10.filename, datasets.CIFAR10.tgz_md5),
        (datasets.STL10.filename, datasets.STL10.tgz_md5),
    ]


def test_made_sets_are_the_same_bytes_each_time_and_differ_by_seed() -> None:
    for make in (make_synthetic, make_shapes):
        one, again, other = (make(training=24, test=12, seed=seed) for seed in (1, 1, 2))
        assert torch.equal(one.train_images, again.train_images)
        assert torch.equal(one.test_labels, again.test_labels)
        assert not torch.equal(one.train_images, other.train_images)
    assert load("shapes").segmentation
    assert not load("synthetic").segmentation


def test_made_classes_can_be_learnt_and_masks_show_what_is_seen() -> None:
    """The shapes stand out from the noise, and the area of each kind is what its outline says."""
    data = make_shapes(training=40, test=20)
    images, masks = data.train_images.float().mean(1), data.train_labels
    assert float(images[masks > 0].mean()) > float(images[masks == 0].mean()) + 60
    assert set(masks.unique().tolist()) == {0, 1, 2, 3}
    data = make_synthetic(training=600, test=60)
    assert data.train_labels.bincount().tolist() == [100] * 6
    bright = (data.train_images.float().mean(1) > 140).flatten(1).float().mean(1)
    means = torch.stack([bright[data.train_labels == label].mean() for label in range(6)])
    assert int(means.argmax()) == data.classes.index("disc")
    assert int(means.argmin()) == data.classes.index("bar")


def test_a_validation_part_is_cut_from_the_training_part() -> None:
    data = toy_data(40)
    cut = with_validation(data, 0.2, seed=3)
    again, other = with_validation(data, 0.2, seed=3), with_validation(data, 0.2, seed=4)
    assert (len(cut.train_images), len(cut.test_images)) == (32, 8)
    assert cut.test_labels.bincount().tolist() == [4, 4]
    assert "validation" in cut.note
    whole = torch.cat([cut.train_images, cut.test_images]).flatten(1).tolist()
    assert sorted(whole) == sorted(data.train_images.flatten(1).tolist())
    assert torch.equal(again.test_images, cut.test_images)
    assert not torch.equal(other.test_images, cut.test_images)
    assert len(with_validation(make_shapes(training=20, test=4), 0.1, seed=0).test_images) == 2


@pytest.mark.parametrize("share", [0, 1, -0.1, 0.01, float("nan")])
def test_wrong_validation_parts(share: float) -> None:
    with pytest.raises(SettingsError, match="validation"):
        with_validation(toy_data(10), share, seed=0)


def test_masks_are_checked() -> None:
    images, masks = torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, 4, 4, dtype=torch.uint8)

    def made(masks: torch.Tensor) -> Data:
        return Data(
            name="m", train_images=images, train_labels=masks, test_images=images, test_labels=masks,
            classes=("a", "b"), note="",
        )  # fmt: skip

    masks[1, 2, 3] = 255
    assert made(masks).segmentation
    masks[1, 2, 3] = 2
    with pytest.raises(EnvironmentProblem, match="a pixel of the mask of image 1 is 2, but the 2 classes"):
        made(masks)
    with pytest.raises(EnvironmentProblem, match=r"masks must be uint8 of shape \[2, 4, 4\], found int64"):
        made(masks.long())
