"""Each setting of the loop, beside the same in plain torch."""

import io
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archc.runtime import Settings, SettingsError, fit, load_weights
from archc.runtime.evaluate import shown
from archc.runtime.trained import as_trained_in
from archc.runtime.watch import Lines, Progress, Silent
from tests.runtime.toys import Weights, same, state_of, toy_data, toy_net

PLAIN: dict[str, Any] = {
    "epochs": 3, "batch_size": 8, "optimizer": "sgd", "lr": 0.1, "schedule": "constant", "weight_decay": 0, "clip": 0,
    "init": "module", "device": "cpu", "precision": "fp32",
}  # fmt: skip


def simple_net(*more: nn.Module) -> nn.Module:
    """A network whose step does not depend on how a batch is cut: no batch norm, no dropout."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 2), *more)


def run_toy(out: Path, net: nn.Module | None = None, watch: Any = None, **settings: Any) -> Any:
    settings = {**PLAIN, **settings}
    return fit(net or simple_net(), toy_data(), settings=Settings(**settings), out=out, watch=watch or Silent())


def close(left: dict[str, Tensor], right: dict[str, Tensor], *, tolerance: float = 1e-5) -> bool:
    return all(torch.allclose(left[name], right[name], atol=tolerance) for name in left)


def test_a_run_is_the_plain_loop(tmp_path: Path) -> None:
    """The whole of it, written out: normalised images, smoothed labels, momentum, a rate that falls in steps."""
    net, plain, data = simple_net(), simple_net(), toy_data()
    run = run_toy(
        tmp_path, net, normalize={"mean": [0.4], "std": [0.2]}, label_smoothing=0.1, seed=5,
        optimizer={"name": "sgd", "momentum": 0.5}, schedule={"name": "step", "step_size": 1, "gamma": 0.5},
    )  # fmt: skip
    images, labels = (data.train_images / 255 - 0.4) / 0.2, data.train_labels
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    order = torch.Generator().manual_seed(5)
    for epoch in range(3):
        total = 0.0
        for rows in torch.randperm(40, generator=order).split(8):
            loss = F.cross_entropy(plain(images[rows]), labels[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        assert run.metrics[epoch].loss == pytest.approx(total / 40, rel=1e-5)
        assert run.metrics[epoch].learning_rate == scheduler.get_last_lr()[0]
        with torch.no_grad():
            scores = plain((data.test_images / 255 - 0.4) / 0.2)
        assert run.metrics[epoch].test_loss == pytest.approx(F.cross_entropy(scores, data.test_labels).item(), rel=1e-4)
        scheduler.step()
    assert close(state_of(net), state_of(plain))


def test_nll_of_a_log_softmax_is_cross_entropy(tmp_path: Path) -> None:
    ends, scores = simple_net(nn.LogSoftmax(dim=1)), simple_net()
    nll = run_toy(tmp_path / "nll", ends, loss="nll")
    cross_entropy = run_toy(tmp_path / "cross_entropy", scores)
    assert close(state_of(ends), state_of(scores))
    for one, other in zip(nll.metrics, cross_entropy.metrics, strict=True):
        assert (one.loss, one.test_loss) == (pytest.approx(other.loss), pytest.approx(other.test_loss))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_accumulating_is_a_larger_batch(tmp_path: Path, optimizer: str) -> None:
    """Also in the last step of an epoch, whose batches are fewer and smaller: 40 images are 12 + 12 + 12 + 4."""
    settings = {"optimizer": optimizer, "lr": 0.01, "clip": 0.5}
    parts, whole = simple_net(), simple_net()
    some = run_toy(tmp_path / "parts", parts, batch_size=4, accumulate=3, **settings)
    one = run_toy(tmp_path / "whole", whole, batch_size=12, **settings)
    assert close(state_of(parts), state_of(whole))
    assert some.metrics[-1].loss == pytest.approx(one.metrics[-1].loss, rel=1e-5)
    single = simple_net()
    run_toy(tmp_path / "single", single, batch_size=4, **settings)
    assert not close(state_of(parts), state_of(single))


def test_the_mean_of_the_weights_is_what_is_tested_and_kept(tmp_path: Path) -> None:
    net, kept = toy_net(), toy_net()
    watch = Weights(net)
    run = run_toy(tmp_path, net, watch, ema=0.8, lr=0.05)
    mean = watch.steps[0]
    for weights in watch.steps[1:]:
        for name, value in weights.items():
            mean[name] = 0.8 * mean[name] + 0.2 * value if value.is_floating_point() else value
    load_weights(kept, tmp_path, "last")
    assert close(state_of(kept), mean)
    assert same(state_of(kept), state_of(net))
    assert not close(state_of(kept), watch.steps[-1])
    data = toy_data()
    pixels = data.train_images.float()
    images = (data.test_images.float() - pixels.mean()) / pixels.std(correction=0)
    with torch.no_grad():
        loss = F.cross_entropy(kept.eval()(images), data.test_labels).item()
    assert run.metrics[-1].test_loss == pytest.approx(loss, rel=1e-3)


class Odd(nn.Module):
    """Weights that are complex, a mask with infinities, a buffer that is no mean of anything."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(16, 2, dtype=torch.complex64))
        self.mask, self.calls = nn.Buffer(torch.tensor([0.0, -math.inf]), persistent=False), nn.Buffer(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(int(self.training))
        scores = (x.flatten(1).to(self.weight.dtype) @ self.weight).abs()
        return scores * (self.mask.softmax(0)[0])


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_the_mean_is_one_of_weights_and_not_of_other_buffers(tmp_path: Path, optimizer: str) -> None:
    torch.manual_seed(3)
    net = Odd()
    nn.init.normal_(net.weight)
    watch = Weights(net)
    run = run_toy(tmp_path, net, watch, ema=0.5, optimizer=optimizer, lr=0.01)
    mean = watch.steps[0]["weight"]
    for weights in watch.steps[1:]:
        mean = 0.5 * mean + 0.5 * weights["weight"]
    assert torch.allclose(net.weight, mean, atol=1e-6)
    assert net.calls == 15
    assert run.metrics[-1].loss < 0.9 * run.metrics[0].loss


def test_patience_ends_a_run_that_gets_no_better(tmp_path: Path) -> None:
    stream = io.StringIO()
    run = run_toy(tmp_path / "still", watch=Lines(stream), epochs=9, lr=1e-9, patience=2)
    assert [record.epoch for record in run.metrics] == [1, 2, 3]
    assert stream.getvalue().splitlines()[-1].startswith("stopped: no better test accuracy in 2 epochs; best test")
    assert len(run_toy(tmp_path / "on", epochs=9, lr=1e-9).metrics) == 9


def test_the_size_of_test_batches_changes_no_result(tmp_path: Path) -> None:
    losses = [run_toy(tmp_path / str(size), test_batch_size=size).metrics[-1].test_loss for size in (None, 1, 3, 1000)]
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-6)


@pytest.mark.parametrize(("loss", "end"), [("cross_entropy", []), ("nll", [nn.LogSoftmax(1)])])
def test_a_mirrored_test_takes_the_mean_of_both_scores(tmp_path: Path, loss: str, end: list[nn.Module]) -> None:
    """And what is made of the run later, an evaluation or a prediction, does so too."""
    net, data = simple_net(*end), toy_data()
    run = run_toy(tmp_path, net, test_mirrored=True, loss=loss, lr=0.01)
    pixels = data.train_images.float()
    images = (data.test_images.float() - pixels.mean()) / pixels.std(correction=0)
    with torch.no_grad():
        mean = (net(images) + net(images.flip(3))) / 2
    assert run.metrics[-1].test_loss == pytest.approx(F.cross_entropy(mean, data.test_labels).item(), rel=1e-5)
    plain = F.cross_entropy(net(images), data.test_labels).item()
    assert run.metrics[-1].test_loss != pytest.approx(plain, rel=1e-3)
    later = as_trained_in(tmp_path, net)
    assert later.test(data).loss == pytest.approx(run.metrics[-1].test_loss, rel=1e-5)
    torch.testing.assert_close(later.probabilities(data.test_images), mean.softmax(1))


def test_mirrored_scores_of_pixels_are_mirrored_back() -> None:
    images = torch.rand(2, 3, 4, 6)
    torch.testing.assert_close(shown(lambda batch: batch, images, Settings(test_mirrored=True)), images)
    named = shown(lambda batch: {"out": batch, "aux": -batch}, images, Settings(test_mirrored=True))
    torch.testing.assert_close(named, images)


def test_images_are_brought_to_the_size_that_is_asked_for(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    run_toy(tmp_path / "run", net, image_size=[6, 8])
    data = toy_data()
    with pytest.raises(SettingsError, match="the network takes 1x8x8, and image_size asks for 6x6"):
        fit(net, data, settings=Settings(image_size=6), out=tmp_path / "no", input_size=(1, 8, 8), watch=Silent())


def test_normalisation_has_a_number_for_each_channel(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"normalize has 2 numbers, one per channel; .* 'toy' have 1 channel$"):
        run_toy(tmp_path, normalize={"mean": [0, 0], "std": [1, 1]})


def test_one_number_stands_for_all_channels(tmp_path: Path) -> None:
    states = []
    for name, count in (("one", 1), ("three", 3)):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
        settings = Settings(epochs=1, normalize={"mean": [0.25] * count, "std": [0.5] * count})
        fit(net, toy_data(channels=3), settings=settings, out=tmp_path / name, watch=Silent())
        states.append(state_of(net))
    assert same(*states)


def test_augmented_runs_repeat_themselves(tmp_path: Path) -> None:
    nets = [toy_net() for _ in range(3)]
    for number, (net, augment) in enumerate(zip(nets, ["crop, flip, mixup", "crop, flip, mixup", "flip"], strict=True)):
        run_toy(tmp_path / str(number), net, augment=augment, init="xavier", seed=1)
    assert same(state_of(nets[0]), state_of(nets[1]))
    assert not same(state_of(nets[0]), state_of(nets[2]))
    with pytest.raises(SettingsError, match="mixup mixes labels, which takes loss cross_entropy, and the loss is nll"):
        run_toy(tmp_path / "nll", augment="mixup", loss="nll")


@pytest.mark.parametrize(
    ("end", "loss", "warning"),
    [
        (nn.Softmax(dim=1), "cross_entropy", "the network ends with a softmax"),
        (nn.Identity(), "nll", "loss nll takes log-probabilities"),
        (nn.Softmax(dim=1), "nll", "loss nll takes log-probabilities"),
        (nn.Identity(), "cross_entropy", None),
        (nn.LogSoftmax(dim=1), "cross_entropy", None),
        (nn.LogSoftmax(dim=1), "nll", None),
        (nn.Sigmoid(), "cross_entropy", None),
    ],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_output_that_does_not_fit_the_loss_is_told(
    tmp_path: Path, end: nn.Module, loss: str, warning: str | None, precision: str
) -> None:
    stream = io.StringIO()
    run_toy(tmp_path, simple_net(end), Lines(stream), loss=loss, epochs=1, precision=precision)
    said = [line for line in stream.getvalue().splitlines() if line.startswith("warning: ")]
    assert [line[9 : 9 + len(warning or "")] for line in said] == ([warning] if warning else [])


def test_a_batch_of_more_images_than_there_are_is_told(tmp_path: Path) -> None:
    stream = io.StringIO()
    run_toy(tmp_path, simple_net(), Lines(stream), batch_size=9_999, epochs=1)
    assert "warning: batch_size is 9,999, and there are " in stream.getvalue()


def test_rounding_is_no_misfit(tmp_path: Path) -> None:
    """In bf16 ten log-probabilities of a right network no longer add up to 1."""
    stream = io.StringIO()
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 10), nn.LogSoftmax(dim=1))
    run_toy(tmp_path, net, Lines(stream), loss="nll", epochs=1, precision="bf16")
    assert "warning" not in stream.getvalue()


def test_compiled_runs_give_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the backend that only captures the graph: the others need a compiler and round otherwise."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    stream, compiled, plain = io.StringIO(), simple_net(), simple_net()
    run_toy(tmp_path / "compiled", compiled, Lines(stream), compile=True)
    run_toy(tmp_path / "plain", plain)
    assert same(state_of(compiled), state_of(plain))
    assert "cpu, fp32, contiguous, compiled; run folder" in stream.getvalue()


def test_where_nothing_compiles_the_run_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_later(module: nn.Module, mode: str | None) -> Any:
        def fail(images: Tensor) -> Tensor:
            raise RuntimeError("no compiler\nfor many reasons")

        return fail

    monkeypatch.setattr(torch, "compile", compile_later)
    stream, net, plain = io.StringIO(), simple_net(), simple_net()
    run_toy(tmp_path / "compiled", net, Lines(stream), compile=True)
    run_toy(tmp_path / "plain", plain)
    assert same(state_of(net), state_of(plain))
    assert "contiguous, not compiled (RuntimeError: no compiler); run folder" in stream.getvalue()


class Deterministic(Silent):
    """Notes whether torch is deterministic while a run is on."""

    def __init__(self) -> None:
        self.seen: set[bool] = set()

    def step(self, progress: Progress) -> None:
        self.seen.add(torch.are_deterministic_algorithms_enabled())


class Sampled(nn.Module):
    """A network with an operation of which torch has no repeatable form; it fails as torch does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        if torch.are_deterministic_algorithms_enabled():
            raise RuntimeError("put_ does not have a deterministic implementation, but you set ...")
        scores: Tensor = self.layer(x.flatten(1))
        return scores


def test_deterministic_holds_for_the_run_and_no_longer(tmp_path: Path) -> None:
    for wanted in (True, False):
        watch = Deterministic()
        run_toy(tmp_path / str(wanted), watch=watch, deterministic=wanted)
        assert watch.seen == {wanted}
        assert not torch.are_deterministic_algorithms_enabled()
    torch.set_deterministic_debug_mode("warn")
    try:
        run_toy(tmp_path / "warn", deterministic=True)
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.set_deterministic_debug_mode("default")
    with pytest.raises(SettingsError, match="deterministic: torch's put_ does not repeat itself bit for bit here"):
        run_toy(tmp_path / "put", Sampled(), deterministic=True)
    assert not torch.are_deterministic_algorithms_enabled()
