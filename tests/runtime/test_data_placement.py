"""Where images are held: on the device, or streamed by workers; both give the same batches."""

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from archc.runtime import RunStopped, Settings, SettingsError, fit
from archc.runtime.data import stream
from archc.runtime.data.augment import Augment
from archc.runtime.data.generated import make_shapes
from archc.runtime.data.resident import Finish, ResidentImages, normalisation, resize, shuffled
from archc.runtime.data.steps import read_steps
from archc.runtime.data.stream import StreamedImages, image_set
from archc.runtime.watch import Silent
from tests.runtime.toys import same, state_of, toy_data, toy_net

CPU = torch.device("cpu")
PLAIN: dict[str, Any] = {"mean": torch.tensor([100.0]), "deviation": torch.tensor([50.0]), "device": CPU}


def both(steps: str, *, channels: int = 1, workers: int = 0) -> tuple[ResidentImages, StreamedImages]:
    data = toy_data(23, channels=channels, size=6)
    augment = Augment(read_steps(steps), size=(8, 8))
    options: dict[str, Any] = {**PLAIN, "shape": (channels, 8, 8), "augment": augment}
    resident = ResidentImages(data.train_images, data.train_labels, **options, budget=1 << 20)
    finish = Finish(**options)
    return resident, StreamedImages(data.train_images, data.train_labels, finish=finish, workers=workers)


def equal(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> bool:
    return torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


@pytest.mark.parametrize("steps", ["", "crop, flip, erase", "resized_crop", "permute", "crop, permute"])
def test_streamed_batches_are_the_resident_ones(steps: str) -> None:
    resident, streamed = both(steps)
    batches = shuffled(23, 5, generator=Generator().manual_seed(1), device=CPU)
    chance, again = Generator().manual_seed(2), Generator().manual_seed(2)
    streamed.plan(batches)
    resident.plan(batches)
    for rows in batches:
        assert equal(resident.batch(rows, chance), streamed.batch(rows, again))
    for one, other in zip(resident.in_order(7), streamed.in_order(7), strict=True):
        assert equal(one, other)
    assert len(streamed) == len(resident) == 23


def test_workers_read_what_was_planned_in_that_order_and_use_no_number_of_the_run() -> None:
    resident, streamed = both("", workers=2)
    batches = shuffled(23, 5, generator=Generator().manual_seed(1), device=CPU)
    torch.manual_seed(4)
    wanted = torch.rand(1)
    torch.manual_seed(4)
    streamed.plan(batches)
    extra = torch.tensor([3, 1])
    assert equal(streamed.batch(extra), resident.batch(extra))  # not planned: read at once
    for rows in batches:
        assert equal(streamed.batch(rows), resident.batch(rows))
    assert torch.equal(torch.rand(1), wanted)


def test_a_worker_that_dies_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    _, streamed = both("", workers=1)

    def die(self: object, rows: list[int]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(stream._Rows, "__getitems__", die)
    with pytest.raises(RunStopped, match=r"a worker that reads the images died or hangs \(.*exited unexpectedly"):
        list(streamed.in_order(4))


def test_another_error_is_not_mistaken_for_a_dead_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    _, streamed = both("")

    def fail(self: object, rows: list[int]) -> Iterator[None]:
        raise RuntimeError("something else")

    monkeypatch.setattr(stream._Rows, "__getitems__", fail)
    with pytest.raises(RuntimeError, match="something else"):
        list(streamed.in_order(4))


def test_the_budget_decides_and_the_choice_is_said() -> None:
    data = toy_data(20)
    options: dict[str, Any] = {**PLAIN, "shape": (1, 4, 4)}
    held = image_set(data.train_images, data.train_labels, **options, budget=320)
    assert isinstance(held, ResidentImages)
    assert held.placement == "held on cpu (320 bytes)"
    streamed = image_set(data.train_images, data.train_labels, **options, budget=319)
    assert isinstance(streamed, StreamedImages)
    assert streamed.placement.startswith("streamed by ")
    assert streamed.placement.endswith("(320 bytes of images do not fit cpu)")


@pytest.mark.parametrize("budget", [0, 1 << 20])
@pytest.mark.parametrize("steps", ["", "flip", "{permute: 1}"])
def test_images_are_resized_before_they_are_normalised(budget: int, steps: str) -> None:
    data = toy_data(channels=3)
    augment = Augment(read_steps(steps if steps != "{permute: 1}" else {"permute": 1}), size=(8, 8))
    mean, deviation = normalisation(data.train_images)
    held = ResidentImages(
        data.train_images, data.train_labels, shape=(3, 8, 8), mean=mean, deviation=deviation, device=CPU,
        budget=budget, augment=augment, memory_format=torch.channels_last,
    )  # fmt: skip
    images, _ = held.batch(torch.tensor([5, 0]))
    wanted = augment.fixed(resize(data.train_images[[5, 0]], (8, 8))).float()
    torch.testing.assert_close(images, (wanted - mean[:, None, None]) / deviation[:, None, None])
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_evaluation_takes_the_middle_of_larger_images() -> None:
    data = toy_data(5, size=12)
    options: dict[str, Any] = {**PLAIN, "shape": (1, 8, 8)}
    augment = Augment(read_steps({"crop": {"resize": 12, "padding": 0}}), size=(8, 8))
    held = ResidentImages(data.train_images, data.train_labels, **options, augment=augment, budget=1 << 20)
    images, _ = held.batch(torch.arange(5))
    torch.testing.assert_close(images, (data.train_images[:, :, 2:10, 2:10].float() - 100) / 50)
    with pytest.raises(SettingsError, match=r"crop\.resize is 12, and images of 16x16 are cut out of it"):
        Augment(read_steps({"crop": {"resize": 12}}), size=(16, 16))


@pytest.mark.parametrize("steps", ["", "crop, flip", "resized_crop"])
def test_masks_come_with_their_images(steps: str) -> None:
    data = make_shapes(training=6, test=2)
    augment = Augment(read_steps(steps), size=(32, 32))
    options: dict[str, Any] = {
        "mean": torch.zeros(3), "deviation": torch.ones(3), "device": CPU, "shape": (3, 32, 32), "augment": augment,
    }  # fmt: skip
    held = ResidentImages(data.train_images, data.train_labels, **options, budget=1 << 30)
    streamed = StreamedImages(data.train_images, data.train_labels, finish=Finish(**options), workers=0)
    rows = torch.tensor([4, 1])
    images, masks = held.batch(rows, Generator().manual_seed(3))
    assert (images.shape, masks.shape, masks.dtype) == ((2, 3, 32, 32), (2, 32, 32), torch.int64)
    assert equal((images, masks), streamed.batch(rows, Generator().manual_seed(3)))
    assert set(masks.unique().tolist()) <= {0, 1, 2, 3, 255}
    assert held.batch(rows)[1].shape == (2, 32, 32)


def test_a_streamed_run_is_the_resident_run_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(epochs=2, batch_size=8, device="cpu", precision="fp32", augment={"crop": 1, "flip": True})
    nets, said = [toy_net(), toy_net()], []

    class Listener(Silent):
        def run_begins(self, text: str, facts: Mapping[str, object]) -> None:
            said.append(text)

    for number, (net, budget) in enumerate(zip(nets, (1 << 20, 0), strict=True)):
        monkeypatch.setattr("archc.runtime.prepare.image_budget", lambda device, budget=budget: budget)
        fit(net, toy_data(), settings=settings, out=tmp_path / str(number), watch=Listener())
    assert same(state_of(nets[0]), state_of(nets[1]))
    assert ", held on cpu (640 bytes)" in said[0]
    assert ", streamed by " in said[1]


def test_levels_of_a_large_set_are_counted_on_some_images(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(10, 1, 4, 4, dtype=torch.uint8)
    images[::2] = 100
    monkeypatch.setattr("archc.runtime.data.resident.MOST_COUNTED", 80)
    assert normalisation(images)[0].item() == 100
