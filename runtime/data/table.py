"""The table of data sets: one row each. Importing it imports neither torch nor a data set's package."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from archc.runtime.data.dataset import Data
from archc.runtime.errors import SettingsError


class Source(NamedTuple):
    """A row of the table: what the set is, whether it lies in a folder of the user's, and how it is read."""

    summary: str
    needs_root: bool
    read: Callable[[Path], Data]


def _digits(root: Path) -> Data:
    from archc.runtime.data.digits import read_digits

    return read_digits()


def _mnist(root: Path) -> Data:
    from archc.runtime.data.mnist import read_mnist

    return read_mnist(root)


SOURCES: dict[str, Source] = {
    "digits": Source("1,797 handwritten digits, 8x8, grey; comes with scikit-learn", False, _digits),
    "mnist": Source("70,000 handwritten digits, 28x28, grey; MNIST/raw/ in the data root", True, _mnist),
}


def load(name: str, root: Path | str | None = None) -> Data:
    """Reads the data set of that name; `root` is the folder that holds sets which come with no package.

    An unknown name raises `SettingsError`, a set that is not there `EnvironmentProblem`.

    >>> load("digits").train_images.shape
    torch.Size([1442, 1, 8, 8])
    >>> load("digit")
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: no data set is called 'digit'; did you mean 'digits'? There are: digits, mnist
    """
    if name not in SOURCES:
        close = get_close_matches(name, SOURCES, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise SettingsError(f"no data set is called {name!r}; {hint}There are: {', '.join(SOURCES)}")
    source = SOURCES[name]
    if source.needs_root and root is None:
        raise SettingsError(f"data set {name!r} needs the folder that holds it: --data-root DIR (in Python: root=DIR)")
    return source.read(Path(root or "."))
