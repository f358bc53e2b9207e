"""Fetching a known set from its public place, through torchvision, which checks what it gets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from archc.runtime.errors import EnvironmentProblem, SettingsError

PATIENCE = 30.0  # seconds without a byte


def _mnist_like(kind: str, **options: Any) -> Callable[[Any, str], None]:
    def fetch(sets: Any, root: str) -> None:
        getattr(sets, kind)(root, download=True, **options)

    return fetch


def _archive(kind: str) -> Callable[[Any, str], None]:
    def fetch(sets: Any, root: str) -> None:
        """Fetches the archive, compares its checksum and unpacks it; building the set would unpickle its files."""
        known = getattr(sets, kind)
        sets.utils.download_and_extract_archive(known.url, root, filename=known.filename, md5=known.tgz_md5)

    return fetch


def _svhn(sets: Any, root: str) -> None:
    for part in ("train", "test"):
        url, file, checksum = sets.SVHN.split_list[part]
        sets.utils.download_url(url, root, file, checksum)


FETCHES: dict[str, Callable[[Any, str], None]] = {
    "mnist": _mnist_like("MNIST"),
    "fashion-mnist": _mnist_like("FashionMNIST"),
    "kmnist": _mnist_like("KMNIST"),
    "emnist": _mnist_like("EMNIST", split="balanced"),
    "cifar10": _archive("CIFAR10"),
    "cifar100": _archive("CIFAR100"),
    "svhn": _svhn,
    "stl10": _archive("STL10"),
}


def fetch(name: str, root: Path) -> None:
    """Fetches a set into `root`, some hundred megabytes for the larger ones; what cannot be had is explained.

    >>> fetch("digits", Path("."))
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: data set 'digits' is not fetched: it comes with a package, or is made
    """
    name = "emnist" if name.startswith("emnist-") else name  # one archive holds every split
    if name not in FETCHES:
        raise SettingsError(f"data set {name!r} is not fetched: it comes with a package, or is made")
    try:
        from torchvision import datasets
    except ImportError as error:
        raise EnvironmentProblem(
            "torchvision fetches data sets and is not installed: pip install torchvision"
        ) from error
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with redirect_stdout(None):
            FETCHES[name](datasets, str(root))
    except (OSError, RuntimeError, ValueError) as error:  # no network, a wrong checksum, a damaged archive, a full disk
        raise EnvironmentProblem(
            f"data set {name!r} could not be fetched to {root} ({' '.join(str(error).split())}); where there is no"
            " network, bring its files there by hand: docs/data.md says which"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
