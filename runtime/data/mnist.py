"""MNIST as torchvision lays it out on disk: ROOT/MNIST/raw/train-images-idx3-ubyte and three more files."""

from pathlib import Path

from archc.runtime.data.dataset import Data
from archc.runtime.errors import EnvironmentProblem

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read_mnist(root: Path) -> Data:
    """MNIST from `root`; files that are missing or damaged raise `EnvironmentProblem`, nothing is downloaded.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits" (1998).
    """
    folder = root / "MNIST" / "raw"
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise EnvironmentProblem(
            f"data set 'mnist': {folder} lacks {', '.join(missing)}. Give the folder that holds MNIST/raw/ with"
            " --data-root DIR, or fetch the set once with"
            f' python -c "import torchvision; torchvision.datasets.MNIST({str(root)!r}, download=True)"'
        )
    try:
        from torchvision.datasets import MNIST
    except ImportError as error:
        raise EnvironmentProblem(
            "data set 'mnist' is read by torchvision, which is not installed: pip install torchvision"
        ) from error
    try:
        train, test = MNIST(str(root), train=True, download=False), MNIST(str(root), train=False, download=False)
    except (OSError, ValueError, TypeError, RuntimeError, AssertionError, LookupError, OverflowError) as error:
        raise EnvironmentProblem(
            f"data set 'mnist': a file in {folder} is damaged or cannot be read ({error}); delete it and fetch it again"
        ) from error
    return Data(
        name="mnist",
        train_images=train.data.unsqueeze(1),
        train_labels=train.targets,
        test_images=test.data.unsqueeze(1),
        test_labels=test.targets,
        classes=tuple(str(digit) for digit in range(10)),
        note=f"MNIST from {folder}, its own test part",
    )
