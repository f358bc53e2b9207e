"""The loop: it learns, it repeats itself bit for bit, and it stops where it must."""

import json
import math
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.runtime import RunInterrupted, RunStopped, Settings, SettingsError, fit, load_weights
from archc.runtime.optimise import OPTIMIZERS, GuardedOptimizer, build_optimizer, initialise, learning_rate
from archc.runtime.watch import Progress, Silent
from tests.runtime.toys import same, state_of, toy_data, toy_net

QUICK: dict[str, Any] = {"epochs": 6, "batch_size": 8, "lr": 1e-2, "device": "cpu", "lr_scaling": "none"}


def run_toy(out: Path, net: nn.Module | None = None, **settings: Any) -> Any:
    return fit(net or toy_net(), toy_data(), settings=Settings(**{**QUICK, **settings}), out=out, watch=Silent())


@pytest.mark.parametrize(("optimizer", "lr"), [("adamw", 0.01), ("adam", 0.01), ("sgd", 0.1)])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_it_learns_what_can_be_learnt(tmp_path: Path, optimizer: str, lr: float, precision: str) -> None:
    run = run_toy(tmp_path, optimizer=optimizer, lr=lr, precision=precision)
    assert run.metrics[-1].loss < 0.3 * run.metrics[0].loss
    assert run.best.test_accuracy == 1.0


def test_nothing_is_learnt_without_the_optimizer_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: it is the step that makes the loss fall."""
    monkeypatch.setattr(GuardedOptimizer, "step", lambda self, *loss, **how: self.optimizer.zero_grad())
    run = run_toy(tmp_path)
    assert run.metrics[-1].loss > 0.6 * run.metrics[0].loss


def test_two_runs_with_one_seed_are_equal_bit_for_bit(tmp_path: Path) -> None:
    """Whatever the caller's random state, and also for the biases, which keep torch's default."""
    nets, metrics = [toy_net() for _ in range(3)], []
    for number, (net, seed) in enumerate(zip(nets, (4, 4, 5), strict=True)):
        torch.manual_seed(number)
        run = run_toy(tmp_path / str(number), net, seed=seed, epochs=2)
        metrics.append([(record.loss, record.test_loss) for record in run.metrics])
    assert same(state_of(nets[0]), state_of(nets[1]))
    assert metrics[0] == metrics[1] != metrics[2]


def test_the_callers_random_numbers_go_on(tmp_path: Path) -> None:
    torch.manual_seed(9)
    wanted = torch.rand(1)
    torch.manual_seed(9)
    net = toy_net()
    torch.manual_seed(9)
    run_toy(tmp_path, net, epochs=1)
    assert torch.equal(torch.rand(1), wanted)


def test_metrics_hold_a_line_per_epoch(tmp_path: Path) -> None:
    run = run_toy(tmp_path, epochs=3)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [record.as_dict() for record in run.metrics]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert list(lines[0]) == [
        "epoch", "loss", "train_accuracy", "test_loss", "test_accuracy", "images_per_second", "train_seconds",
        "seconds", "learning_rate",
    ]  # fmt: skip
    assert lines[-1]["learning_rate"] == 0
    assert all(line["images_per_second"] * line["train_seconds"] == pytest.approx(40) for line in lines)


def test_reported_test_metrics_are_those_of_the_kept_weights(tmp_path: Path) -> None:
    run = run_toy(tmp_path, epochs=2, precision="fp32")
    data, net = toy_data(), toy_net()
    load_weights(net, tmp_path, "last")
    pixels = data.train_images.float()
    images = (data.test_images.float() - pixels.mean()) / pixels.std(correction=0)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(net.eval()(images), data.test_labels)
    assert run.metrics[-1].test_loss == pytest.approx(float(loss), rel=1e-4)
    assert same(state_of(net), state_of(run.model("last")))
    assert not run.model().training


def test_a_single_left_over_image_does_not_meet_batch_norm_alone(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    run = fit(net, toy_data(17), settings=Settings(**{**QUICK, "epochs": 1}), out=tmp_path, watch=Silent())
    assert run.metrics[0].images_per_second * run.metrics[0].train_seconds == pytest.approx(17)
    for count, size in ((17, 1), (1, 8)):
        with pytest.raises(
            SettingsError, match=r"batch norm has one value per channel .* must be at least 2, and there"
        ):
            fit(net, toy_data(count), settings=Settings(batch_size=size), out=tmp_path / "next", watch=Silent())
    assert not (tmp_path / "next").exists()


@pytest.mark.parametrize(
    ("net", "freeze"), [(toy_net(), ()), (nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 2)), "1")]
)
def test_a_batch_norm_of_maps_or_a_frozen_one_takes_images_one_by_one(
    tmp_path: Path, net: nn.Module, freeze: Any
) -> None:
    run = run_toy(tmp_path, net, batch_size=1, epochs=2, freeze=freeze)
    assert run.metrics[-1].loss < run.metrics[0].loss


class Table(nn.Module):
    """Computes a table at its first call, and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.table = nn.Linear(16, 2), list[Tensor]()

    def forward(self, x: Tensor) -> Tensor:
        self.table = self.table or [torch.arange(2.0) + 1]
        scores: Tensor = self.layer(x.flatten(1))
        return scores * self.table[0]


def test_what_a_network_keeps_from_its_first_call_can_be_trained_with(tmp_path: Path) -> None:
    run = run_toy(tmp_path, Table())
    assert run.metrics[-1].loss < 0.5 * run.metrics[0].loss


class Poison(nn.Module):
    """Gives back what it gets, until the step from which it gives NaN, or a gradient that is not finite."""

    def __init__(self, at: int, *, forward: bool) -> None:
        super().__init__()
        self.at, self.in_forward, self.calls = at, forward, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        if self.training and self.calls == self.at:
            if self.in_forward:
                return x * math.nan
            x.register_hook(lambda gradient: gradient * math.inf)
        return x


@pytest.mark.parametrize("forward", [True, False])
def test_a_loss_or_gradient_that_is_not_finite_stops_the_run(tmp_path: Path, *, forward: bool) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), Poison(8, forward=forward))
    with pytest.raises(RunStopped, match=r"epoch 2 is not finite .*; the checkpoint of epoch 1 is kept in .*last"):
        run_toy(tmp_path, net)
    kept = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.Identity())
    assert load_weights(kept, tmp_path, "last").epoch == 1
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1
    assert all(tensor.isfinite().all() for tensor in (*state_of(kept).values(), *state_of(net).values()))


def test_a_run_that_stops_in_its_first_epoch_leaves_its_first_weights(tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match="the checkpoint of step 0 is kept in"):
        run_toy(tmp_path, nn.Sequential(nn.Flatten(), nn.Linear(16, 2), Poison(1, forward=True)))
    kept = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.Identity())
    assert load_weights(kept, tmp_path, "last").step == 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_no_step_is_taken_from_the_first_bad_gradient_on(optimizer: str) -> None:
    layer = nn.Linear(2, 2)
    guarded = GuardedOptimizer(
        layer, Settings(optimizer={"name": "sgd", "momentum": 0.9} if optimizer == "sgd" else optimizer)
    )

    def step(value: float) -> dict[str, Tensor]:
        loss = layer(torch.full((1, 2), value)).sum()
        loss.backward()
        guarded.step(loss.detach(), lr=0.1)
        return state_of(layer)

    first, second, bad, after = step(1.0), step(1.0), step(math.nan), step(1.0)
    assert not same(first, second)
    assert same(second, bad)
    assert same(second, after)


class Signals(Silent):
    """Raises a signal after a step, and notes how many steps follow."""

    def __init__(self, number: signal.Signals, after: int) -> None:
        self.number, self.after, self.steps, self.ended = number, after, 0, False

    def step(self, progress: Progress) -> None:
        self.steps += 1
        if self.steps == self.after:
            signal.raise_signal(self.number)

    def run_ends(self, text: str, facts: Mapping[str, object]) -> None:
        self.ended = text == ""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_and_writes_last(tmp_path: Path, number: signal.Signals, status: int) -> None:
    net, kept, watch = toy_net(), toy_net(), Signals(number, 7)
    before = signal.getsignal(number)
    with pytest.raises(
        RunInterrupted,
        match=rf"{number.name} in epoch 2: the step was finished, and .*last is written;"
        r" fit\(..., resume='.*'\) goes on",
    ) as caught:
        fit(net, toy_data(), settings=Settings(**QUICK), out=tmp_path, watch=watch)
    assert (caught.value.exit_status, watch.steps, watch.ended) == (status, 7, True)
    checkpoint = load_weights(kept, tmp_path, "last")
    assert (checkpoint.epoch, checkpoint.step) == (1, 7)
    assert same(state_of(kept), state_of(net))
    assert signal.getsignal(number) is before


def test_xavier_weights_are_within_their_bound_and_biases_are_torchs() -> None:
    net = nn.Sequential(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.Linear(50, 70))
    norm = state_of(net[1])
    initialise(net, "xavier")
    for layer, bound in ((net[0], math.sqrt(6 / (9 * 10))), (net[2], math.sqrt(6 / 120))):
        assert isinstance(layer.weight, Tensor)
        assert 0.9 * bound < layer.weight.abs().max() <= bound
    assert isinstance(net[2].bias, Tensor)
    assert 0 < net[2].bias.abs().max() <= 1 / math.sqrt(50)
    assert same(norm, state_of(net[1]))
    before = state_of(net)
    initialise(net, "module")
    assert same(before, state_of(net))


class Patches(nn.Module):
    """The parameters of a vision transformer that are no plain weights, and two layers with a single row."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.maps = nn.Conv2d(1, 1, 4, 4), nn.LayerNorm(4), nn.LayerNorm([2, 3, 4])
        self.token, self.positions = nn.Parameter(torch.zeros(1, 1, 4)), nn.Parameter(torch.zeros(1, 5, 4))
        self.scale, self.table = nn.Parameter(torch.ones(4, 1, 1)), nn.Parameter(torch.zeros(9, 4))
        self.attention, self.head = nn.MultiheadAttention(4, 2), nn.Linear(4, 1)


@pytest.mark.parametrize("decay_all", [False, True])
def test_biases_norms_and_vectors_do_not_decay(*, decay_all: bool) -> None:
    net = Patches()
    groups = build_optimizer(net, Settings(weight_decay=0.3, decay_all=decay_all)).param_groups
    found = {p: (group["weight_decay"], group["scale"]) for group in groups for p in group["params"]}
    weights = [name for name, p in net.named_parameters() if found[p][0]]
    scaled = [name for name, p in net.named_parameters() if found[p][1] != 1]
    assert scaled == ["table", "stem.weight", "attention.in_proj_weight", "attention.out_proj.weight", "head.weight"]
    assert weights == ([name for name, _ in net.named_parameters()] if decay_all else scaled)
    assert {decay for decay, _ in found.values()} == ({0.3} if decay_all else {0.3, 0.0})


def test_rates_follow_the_fan_for_adam_and_not_for_sgd() -> None:
    def scales(**settings: Any) -> dict[int, float]:
        groups = build_optimizer(nn.Linear(300, 200), Settings(**settings)).param_groups
        return {p.ndim: group["scale"] for group in groups for p in group["params"]}

    assert scales() == {2: pytest.approx(math.sqrt(2 / 500) / 0.02), 1: 1.0}
    assert scales(lr_scaling="none") == scales(optimizer="sgd") == {2: 1.0, 1: 1.0}


@pytest.mark.parametrize("steps", [7, 101])
@pytest.mark.parametrize("warmup", [0.1, 0.3, 0.77])
def test_one_cycle_is_torchs(warmup: float, steps: int) -> None:
    layer = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    # The peak of torch's is one step before that part of all steps, ours at that part of the way to the last one.
    part = (warmup * (steps - 1) + 1) / steps
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.5, total_steps=steps, pct_start=part, final_div_factor=1e9
    )
    settings = Settings(lr=0.5, schedule={"name": "one_cycle", "warmup": warmup})
    for step in range(steps):
        assert learning_rate(step, steps, settings) == pytest.approx(theirs.get_last_lr()[0], abs=1e-7)
        optimizer.step()
        if step < steps - 1:
            theirs.step()


def test_outputs_that_are_no_scores_are_refused(tmp_path: Path) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, 2)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.layer(x.flatten(1)), x

    with pytest.raises(SettingsError, match=r"the network's result '1' leaves \[1, 4, 4\] \(aux_weights.1=0 leaves"):
        run_toy(tmp_path / "two", Two())
    with pytest.raises(SettingsError, match=r"2 numbers per image; the network leaves \[1\]"):
        run_toy(tmp_path / "few", nn.Sequential(nn.Flatten(), nn.Linear(16, 1)))
    with pytest.raises(SettingsError, match="no weights to train"):
        run_toy(tmp_path / "none", nn.Flatten())
