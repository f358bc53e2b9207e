"""The zoo is torchvision's: keys of every builder, numbers of the smallest of each family.

`python -m tests.campaigns.zoo` compares the numbers of all.
"""

import pytest
from torch import nn

import archc
from tests.torchvision_peer import CLASSIFICATION, FAMILIES, SEGMENTATION, Compared, compare

NETWORKS = (*FAMILIES, "deeplabv3_resnet50")
SETTINGS = (
    ("deeplabv3_mobilenet_v3_large", {"aux_loss": True}),
    ("fcn_resnet50", {"aux_loss": True}),
    ("googlenet", {"aux_heads": False}),
    ("googlenet", {"transform_input": True}),
    ("inception_v3", {"aux_heads": False, "transform_input": True}),
    ("resnet18", {"num_classes": 10}),
)
EQUAL = Compared(keys=True, outputs=True, training=True)


def test_all_builders_are_there() -> None:
    assert (len(CLASSIFICATION), len(SEGMENTATION)) == (80, 6)


@pytest.mark.parametrize("name", sorted({*CLASSIFICATION, *SEGMENTATION} - {*NETWORKS}))
def test_keys(name: str) -> None:
    assert compare(name, outputs=False) == Compared(keys=True)


@pytest.mark.parametrize("name", NETWORKS)
def test_numbers(name: str) -> None:
    assert compare(name) == EQUAL


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=[f"{name}-{next(iter(s))}" for name, s in SETTINGS])
def test_settings(name: str, settings: dict[str, object]) -> None:
    assert compare(name, settings=settings) == EQUAL


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("ReLU", Compared(keys=True, note="results differ")),
        ("Dropout", Compared(keys=True, outputs=True, note="results differ")),
    ],
)
def test_what_differs_is_seen(monkeypatch: pytest.MonkeyPatch, changed: str, expected: Compared) -> None:
    def loaded(name: str, params: object) -> nn.Module:
        network = load(name)
        for parent in network.modules():
            for key, child in parent.named_children():
                if type(child).__name__ == changed:
                    setattr(parent, key, nn.Identity())
        return network

    load = archc.load
    monkeypatch.setattr(archc, "load", loaded)
    assert compare("squeezenet1_1") == expected


def test_another_key_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    load = archc.load
    monkeypatch.setattr(archc, "load", lambda name, params: load("resnet34"))
    assert compare("resnet18", outputs=False).note.startswith("found ('layer1.2.conv1.weight'")
