"""Self-tuning: what is chosen for which times, what is said of it, and that trials leave no trace."""

import io
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.runtime import RunInterrupted, Settings, fit, tuning
from archc.runtime.machine import Machine, ways_to_compute
from archc.runtime.optimise import GuardedOptimizer
from archc.runtime.trials import Trials, untouched
from archc.runtime.tuning import explore, tune
from archc.runtime.watch import Lines, Silent
from tests.runtime.resuming import StopAt
from tests.runtime.toys import same, state_of, toy_data, toy_net
from tests.runtime.tuning_toys import CPU, fake_times, prepared, tuned

LAST, FLAT = torch.channels_last, torch.contiguous_format

pytestmark = pytest.mark.usefixtures("ruled")


class FakeClock:
    """Ways that take given seconds; of several the next one at each trial, the last one for ever."""

    def __init__(self, **seconds: list[float]) -> None:
        self.now, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        return self.now

    def trial(self, way: Machine) -> float:
        times = self.seconds[way.text.replace(", ", "_").replace(" ", "_")]
        taken = times.pop(0) if len(times) > 1 else times[0]
        self.now += taken
        return taken


def explored(batches: int = 10_000, **seconds: list[float]) -> tuning.Explored:
    machine = Machine(CPU, None, FLAT, im2col=False, text="")
    ways = [machine._replace(text=name) for name in seconds]
    clock = FakeClock(**seconds)
    return explore(ways, clock.trial, batches=batches, clock=clock)


def shortest(found: tuning.Explored) -> dict[str, float]:
    return {way.text: seconds for way, seconds in found.shortest.items()}


def test_each_way_is_tried_three_times_and_its_shortest_time_counts() -> None:
    found = explored(slow=[0.9, 0.2, 0.2], fast=[2.0, 0.1, 0.1])
    assert shortest(found) == {"slow": 0.2, "fast": 0.1}
    assert found.trials == 6


def test_a_disturbed_trial_is_repeated() -> None:
    """The first trial of each is cold, the second of `fast` disturbed: only then do two agree."""
    found = explored(slow=[0.9, 0.2], fast=[2.0, 0.9, 0.1, 0.1])
    assert shortest(found) == {"slow": 0.2, "fast": 0.1}
    assert found.trials == 8


def test_on_a_busy_machine_nothing_is_decided() -> None:
    found = explored(slow=[0.2], fast=[0.1 * 2**number for number in range(9)])
    assert not found.shortest
    assert found.why == tuning.BUSY
    assert found.trials == 12


@pytest.mark.parametrize(("seconds", "trials"), [(0.009, 1), (0.011, 6)])
def test_a_run_of_nine_seconds_is_not_tuned(seconds: float, trials: int) -> None:
    found = explored(batches=1000, one=[seconds], two=[seconds])
    assert found.trials == trials
    assert bool(found.shortest) == (trials == 6)
    assert found.why == ("" if found.shortest else tuning.TOO_SHORT)


def test_trials_end_where_they_have_taken_two_percent() -> None:
    found = explored(batches=1000, one=[0.1], two=[5.0])  # 2 % of 100 s
    assert found.why == "too short a run to try others"


TIMES = {"fp32_contiguous": 0.4, "fp32_channels_last": 0.3, "bf16_contiguous": 0.1, "bf16_channels_last": 0.2}


def test_the_fastest_way_is_taken_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = fake_times(monkeypatch, **TIMES)
    found = tuned()
    assert found.machine.text == ("cpu, bf16, contiguous: 4.00 times as fast as fp32, contiguous, in 12 trial steps")
    assert found.chosen == {"precision": "bf16", "layout": "contiguous", "im2col": False, "compile": False}
    assert (found.machine.autocast, found.machine.memory_format) == (torch.bfloat16, FLAT)
    assert tried == 3 * [name.replace("_", ", ", 1).replace("_", " ") for name in TIMES]


@pytest.mark.parametrize(("seconds", "im2col"), [(0.1, True), (0.3, False)])
def test_products_are_tried_beside_convolutions(monkeypatch: pytest.MonkeyPatch, seconds: float, im2col: bool) -> None:
    """In bf16 and channels last only, the way of the rule."""
    tried = fake_times(monkeypatch, **{**TIMES, "bf16_contiguous": 0.4, "bf16_channels_last_im2col": seconds})
    found = tuned(im2col="auto")
    assert list(dict.fromkeys(tried)) == [
        "fp32, contiguous", "fp32, channels last", "bf16, contiguous", "bf16, channels last",
        "bf16, channels last, im2col",
    ]  # fmt: skip
    assert found.chosen["im2col"] is found.machine.im2col is im2col


def test_module_and_images_are_brought_into_the_chosen_order(monkeypatch: pytest.MonkeyPatch) -> None:
    net, images, objective, machine = prepared(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 2), nn.Flatten()))
    for flat, last, order in ((0.1, 0.2, FLAT), (0.2, 0.1, LAST)):
        fake_times(monkeypatch, **{**TIMES, "bf16_contiguous": flat, "bf16_channels_last": last})
        tune(net, images, images, objective=objective, machine=machine)
        assert images.finish.memory_format is order
        assert net[1].weight.is_contiguous(memory_format=order)  # type: ignore[index]


@pytest.mark.parametrize(("flat", "layout"), [(0.2 / 1.02, "channels_last"), (0.2 / 1.04, "contiguous")])
def test_the_rule_stays_where_nothing_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, flat: float, layout: str
) -> None:
    fake_times(monkeypatch, **{**TIMES, "bf16_contiguous": flat})
    assert tuned().chosen["layout"] == layout


@pytest.mark.parametrize("wrong", [1.3, math.nan])
def test_a_type_with_another_loss_is_not_taken(monkeypatch: pytest.MonkeyPatch, wrong: float) -> None:
    fake_times(monkeypatch, **TIMES)
    monkeypatch.setattr(Trials, "loss", lambda self, way: 1.0 if way.autocast is None else wrong)
    found = tuned()
    assert found.machine.text == (
        "cpu, fp32, channels last: 1.33 times as fast as fp32, contiguous, in 12 trial steps;"
        f" with bf16 the first loss is {wrong:.4g}, not 1"
    )
    assert found.machine.autocast is None


def test_the_reference_may_be_the_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_times(monkeypatch, **{**TIMES, "fp32_contiguous": 0.05})
    assert tuned().machine.text == "cpu, fp32, contiguous: no other of 4 ways faster, in 12 trial steps"


@pytest.mark.parametrize(
    ("settings", "count"),
    [({"precision": "fp32"}, 2), ({"layout": "contiguous"}, 2), ({"precision": "bf16", "layout": "contiguous"}, 0)],
)
def test_what_the_settings_say_is_not_tried(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], count: int
) -> None:
    tried = fake_times(monkeypatch, **TIMES)
    found = tuned(**settings)
    assert len(set(tried)) == count
    assert found.chosen.items() >= settings.items()


def test_a_deterministic_run_tunes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = fake_times(monkeypatch, **TIMES)
    found = tuned(deterministic=True, compile="auto")
    assert not tried
    assert found.machine.text == "cpu, bf16 (the processor has AMX), channels last"
    assert found.chosen == {"precision": "bf16", "layout": "channels_last", "im2col": False, "compile": False}


def test_a_run_of_few_steps_is_not_tuned_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """2 % of 600 steps are the 12 trials: there is no room for anything else."""
    tried = fake_times(monkeypatch, **TIMES)
    assert tuned(epochs=120).machine.text == (
        "cpu, bf16 (the processor has AMX), channels last (too short a run to try others)"
    )
    assert not tried
    assert "12 trial steps" in tuned(epochs=121).machine.text


def test_trials_without_a_processor_of_their_own_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all are slowed down alike, their times agree."""
    fake_times(monkeypatch, **TIMES)
    monkeypatch.setattr(tuning, "LEAST_PROCESSOR", math.inf)
    assert tuned().machine.text == (
        "cpu, bf16 (the processor has AMX), channels last (the machine is too busy for trial steps to tell more)"
    )


def test_where_a_trial_fails_the_rule_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    """fp32 may need more memory than there is, where bf16 does not."""

    def fail(self: Trials, way: Machine) -> float:
        raise RuntimeError("can't allocate memory: 9 bytes\nand so on")

    monkeypatch.setattr(Trials, "seconds", fail)
    assert tuned().machine.text == (
        "cpu, bf16 (the processor has AMX), channels last (a trial step failed: can't allocate memory: 9 bytes)"
    )


class Restless(nn.Module):
    """Changes whatever a pass may change: weights, buffers that are replaced, modes, random numbers."""

    calls: Tensor
    none: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.net = toy_net()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("none", None)

    def forward(self, images: Tensor) -> Tensor:
        """Scores [B, 2]."""
        random.random()
        torch.rand(3)
        self.calls = self.calls + 1
        self.none = torch.zeros(())
        with torch.no_grad():
            self.net[5].weight.mul_(0.5)  # type: ignore[index]
        self.net[1].eval()  # type: ignore[index]
        scores: Tensor = self.net(images)
        return scores


def test_trials_leave_no_trace() -> None:
    """Weights, gradients, buffers, the optimizer's state, modes and random numbers are those before, bit for bit."""
    net, images, objective, machine = prepared(Restless().train(), precision="bf16", layout="channels_last")
    optimizer = GuardedOptimizer(net, objective.settings)

    def loss() -> Tensor:
        return nn.functional.cross_entropy(net(torch.rand(8, 1, 4, 4)), torch.arange(8) % 2)

    loss().backward()
    optimizer.step(loss().detach(), lr=0.1)
    loss().backward()

    def trace() -> list[Any]:
        held = optimizer.optimizer.state_dict()["state"]
        tensors = [
            *net.state_dict().values(),
            *(torch.zeros(0) if p.grad is None else p.grad for p in net.parameters()),
        ]
        tensors += [tensor for values in held.values() for tensor in values.values()]
        strides = [tensor.stride() for tensor in tensors]
        return [[tensor.tolist() for tensor in tensors], strides, torch.get_rng_state().tolist(), random.getstate(),
                [layer.training for layer in net.modules()], net.none]  # fmt: skip

    net.register_buffer("none", None)
    before = trace()
    kept = list(net.parameters())
    with untouched(net, CPU):
        trials = Trials(net, images, objective=objective, device=CPU)
        for way in ways_to_compute(machine._replace(im2col=True), Settings(device="cpu"), net):
            assert trials.seconds(way) > 0
            assert math.isfinite(trials.loss(way))
        assert trace() != before
    assert trace() == before
    assert all(left is right for left, right in zip(kept, net.parameters(), strict=True))


@pytest.mark.parametrize("chosen", [{"precision": "bf16", "layout": "contiguous"},
                                    {"precision": "fp32", "layout": "channels_last"}])  # fmt: skip
def test_a_tuned_run_is_bit_for_bit_the_run_with_what_it_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str]
) -> None:
    """The trials are real, only their times are made up."""
    real, name = Trials.seconds, "_".join(chosen.values())

    def trial(self: Trials, way: Machine, forward: Callable[..., object] | None = None) -> float:
        real(self, way)
        return 20.0 if way.way.replace(", ", "_").replace(" ", "_") == name else 40.0

    monkeypatch.setattr(Trials, "seconds", trial)
    monkeypatch.setattr(tuning, "SHARE", 1.0)
    states = []
    for number, settings in enumerate(({}, {**chosen, "compile": False})):
        torch.manual_seed(5)
        net = toy_net()
        common = {"epochs": 3, "batch_size": 8, "device": "cpu", "ema": 0.9}
        fit(net, toy_data(), settings=Settings(**{**common, **settings}), out=tmp_path / str(number), watch=Silent())
        about = json.loads((tmp_path / str(number) / "run.json").read_text())
        assert about["chosen"] == {**chosen, "im2col": False, "compile": False}
        assert ("trial steps" in about["machine"]) == (number == 0)
        states.append(state_of(net))
    assert same(*states)


def test_a_run_that_goes_on_does_not_tune_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = fake_times(monkeypatch, **{**TIMES, "bf16_contiguous": 1.0, "fp32_channels_last": 0.1})
    monkeypatch.setattr(tuning, "SHARE", 1.0)
    monkeypatch.setattr(tuning, "SHORT", 0.0)
    settings = Settings(epochs=4, batch_size=8, device="cpu", compile=False)
    with pytest.raises(RunInterrupted):
        fit(toy_net(), toy_data(), settings=settings, out=tmp_path / "run", watch=StopAt(7))
    assert len(tried) == 12
    stream = io.StringIO()
    fit(toy_net(), toy_data(), resume=tmp_path / "run", watch=Lines(stream))
    assert len(tried) == 12
    assert "cpu, fp32, channels last; run folder" in stream.getvalue()
