"""scikit-learn's handwritten digits: 1,797 grey images of 8x8 that come with the installed package."""

import torch

from archc.runtime.data.dataset import Data
from archc.runtime.errors import EnvironmentProblem

LEVEL = 15  # the set has the levels 0 to 16; 15 is the largest whole factor that keeps them all within a byte, exactly
FOLD = 5


def read_digits() -> Data:
    """The digits with a held-out fifth: of every class, in the set's own order, each fifth image is a test image.

    Source: the test part of Alpaydin and Kaynak's "Optical Recognition of Handwritten Digits" (1998).

    >>> data = read_digits()
    >>> len(data.train_images), len(data.test_images)
    (1442, 355)
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise EnvironmentProblem(
            "data set 'digits' comes with scikit-learn, which is not installed: pip install scikit-learn"
        ) from error
    bunch = load_digits()
    labels = torch.from_numpy(bunch.target.astype("int64"))
    images = (torch.from_numpy(bunch.images) * LEVEL).to(torch.uint8).unsqueeze(1)
    test = held_out(labels)
    return Data(
        name="digits",
        train_images=images[~test],
        train_labels=labels[~test],
        test_images=images[test],
        test_labels=labels[test],
        classes=tuple(str(name) for name in bunch.target_names),
        note="scikit-learn's handwritten digits, every fifth image of each class held out for testing",
    )


def held_out(labels: torch.Tensor) -> torch.Tensor:
    """True for every fifth label of each class: a split that is stratified and depends on no random number.

    >>> held_out(torch.tensor([7, 7, 7, 7, 7, 8, 8, 8, 8, 8])).tolist()
    [False, False, False, False, True, False, False, False, False, True]
    """
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        test[(labels == label).nonzero().flatten()[FOLD - 1 :: FOLD]] = True
    return test
