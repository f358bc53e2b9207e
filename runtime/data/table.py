"""The table of data sets: one row each. Importing it imports neither torch nor a data set's package."""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from archc.runtime.data.dataset import Data
from archc.runtime.errors import EnvironmentProblem, SettingsError


class Source(NamedTuple):
    """A row of the table: what the set is, where it lies below the user's data root (`""`: nowhere), how it is read."""

    summary: str
    place: str
    read: Callable[[Path], Data]


def _digits(root: Path) -> Data:
    from archc.runtime.data.digits import read_digits

    return read_digits()


def _synthetic(root: Path) -> Data:
    from archc.runtime.data.generated import make_synthetic

    return make_synthetic()


def _shapes(root: Path) -> Data:
    from archc.runtime.data.generated import make_shapes

    return make_shapes()


def _idx(name: str) -> Callable[[Path], Data]:
    def read(root: Path) -> Data:
        from archc.runtime.data.idx import read_idx

        return read_idx(name, root)

    return read


def _cifar(name: str) -> Callable[[Path], Data]:
    def read(root: Path) -> Data:
        from archc.runtime.data.cifar import read_cifar

        return read_cifar(name, root)

    return read


def _svhn(root: Path) -> Data:
    from archc.runtime.data.street import read_svhn

    return read_svhn(root)


def _stl10(root: Path) -> Data:
    from archc.runtime.data.street import read_stl10

    return read_stl10(root)


SOURCES: dict[str, Source] = {
    "digits": Source("1,797 handwritten digits, 8x8, grey; comes with scikit-learn", "", _digits),
    "synthetic": Source("3,600 made images of 6 shapes on noise, 32x32, colour; needs no files", "", _synthetic),
    "shapes": Source("750 made images with the class of each pixel, 64x64, colour; needs no files", "", _shapes),
    "mnist": Source("70,000 handwritten digits, 28x28, grey; MNIST/raw/ in the data root", "MNIST/raw", _idx("mnist")),
    "fashion-mnist": Source(
        "70,000 clothes, 28x28, grey; FashionMNIST/raw/", "FashionMNIST/raw", _idx("fashion-mnist")
    ),
    "kmnist": Source("70,000 cursive Japanese characters, 28x28, grey; KMNIST/raw/", "KMNIST/raw", _idx("kmnist")),
    "emnist": Source("131,600 digits and letters, 47 classes, 28x28, grey; EMNIST/raw/", "EMNIST/raw", _idx("emnist")),
    "emnist-letters": Source(
        "145,600 letters, 26 classes, 28x28, grey; EMNIST/raw/", "EMNIST/raw", _idx("emnist-letters")
    ),
    "emnist-digits": Source("280,000 digits, 28x28, grey; EMNIST/raw/", "EMNIST/raw", _idx("emnist-digits")),
    "emnist-mnist": Source("70,000 digits, 28x28, grey; EMNIST/raw/", "EMNIST/raw", _idx("emnist-mnist")),
    "emnist-byclass": Source(
        "814,255 characters, 62 classes, 28x28, grey; EMNIST/raw/", "EMNIST/raw", _idx("emnist-byclass")
    ),
    "emnist-bymerge": Source(
        "814,255 characters, 47 classes, 28x28, grey; EMNIST/raw/", "EMNIST/raw", _idx("emnist-bymerge")
    ),
    "cifar10": Source("60,000 things, 32x32, colour; cifar-10-batches-py/", "cifar-10-batches-py", _cifar("cifar10")),
    "cifar100": Source(
        "60,000 things, 100 classes, 32x32, colour; cifar-100-python/", "cifar-100-python", _cifar("cifar100")
    ),
    "svhn": Source("99,289 house numbers, 32x32, colour; train_32x32.mat and test_32x32.mat", "train_32x32.mat", _svhn),
    "stl10": Source("13,000 labelled things, 96x96, colour; stl10_binary/", "stl10_binary", _stl10),
}


def load(name: str, root: Path | str | None = None) -> Data:
    """Reads the data set of that name, or the folder of images; `root` holds the sets that come with no package.

    A folder is meant where the name holds a `/` or no set is called so and a folder is; a relative one is looked up in
    `root` too. An unknown name raises `SettingsError`, a set that is not there `EnvironmentProblem`.

    >>> load("digits").train_images.shape
    torch.Size([1442, 1, 8, 8])
    >>> load("digit")
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: no data set or folder is called 'digit'; did you mean 'digits'? There are ...
    """
    if name in SOURCES:
        source = SOURCES[name]
        if source.place and root is None:
            raise EnvironmentProblem(
                f"data set {name!r} comes with no package. Give the folder that holds {source.place} with"
                f" --data-root DIR (in Python data_root=DIR), or fetch the set once:"
                f" archc data fetch {name} --data-root DIR"
            )
        return source.read(Path(root or "."))
    folder = _folder(name, root)
    if folder is None:
        raise _unknown(name)
    from archc.runtime.data.folder import read_folder

    return read_folder(folder)


def checked_name(name: str) -> str:
    """The name, if a data set is called so; else `SettingsError` says which there are.

    >>> checked_name("mnist")
    'mnist'
    """
    if name not in SOURCES:
        raise _unknown(name)
    return name


def _unknown(name: str) -> SettingsError:
    close = get_close_matches(name.lower().replace("_", "-"), SOURCES, n=1)
    hint = f"did you mean {close[0]!r}? There" if close else "there"
    return SettingsError(
        f"no data set or folder is called {name!r}; {hint} are {', '.join(SOURCES)}, and any folder of images"
    )


def _folder(name: str, root: Path | str | None) -> Path | None:
    """The folder or file that a name means, None where there is neither."""
    if not name or "\0" in name:
        return None
    places = [Path(name)] + ([Path(root) / name] if root is not None else [])
    try:
        found = next((place for place in places if place.exists()), None)
    except OSError:  # a name too long, a loop of links, a folder that may not be read
        found = None
    if found is None and (os.sep in name or "/" in name):
        raise EnvironmentProblem(f"there is no folder {name!r}; images lie in FOLDER/CLASS/ or FOLDER/train/CLASS/")
    return found
