"""Optimizers and schedules, beside torch's own."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from archc.runtime import Settings
from archc.runtime.optimise import OPTIMIZERS, GuardedOptimizer, LossScale, build_optimizer, learning_rate
from tests.runtime.toys import same, state_of

PLAIN: dict[str, Any] = {"lr_scaling": "none", "weight_decay": 0, "clip": 0, "schedule": "constant"}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.9, "nesterov": True},
    "adam": {"betas": (0.8, 0.95), "amsgrad": True},
    "adamw": {"betas": (0.8, 0.95), "eps": 1e-4},
    "nadam": {"momentum_decay": 0.01},
    "radam": {"betas": (0.7, 0.9)},
    "adamax": {"eps": 1e-3},
    "rmsprop": {"alpha": 0.9, "momentum": 0.5, "centered": True},
    "adagrad": {"lr_decay": 0.1, "initial_accumulator_value": 0.2},
    "adadelta": {"rho": 0.8},
    "muon": {"momentum": 0.8, "nesterov": False, "betas": (0.8, 0.95), "eps": 1e-4},
}

MUONS = ("momentum", "nesterov"), ("betas", "eps")


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def losses(module: nn.Module, step: int) -> Tensor:
    images = torch.rand(8, 6, generator=torch.Generator().manual_seed(step))
    return nn.functional.cross_entropy(module(images), torch.arange(8) % 3)


def three_steps(settings: Settings) -> dict[str, Tensor]:
    """The weights after three steps with rates that change, as a run takes them."""
    module = net()
    guarded = GuardedOptimizer(module, settings)
    for step in range(3):
        loss = losses(module, step)
        guarded.scaled(loss).backward()
        guarded.step(loss.detach(), lr=settings.lr / (step + 1))
    return state_of(module)


def three_steps_of_torch(make: Any, *, lr: float, clip: float = 0.0, **arguments: Any) -> dict[str, Tensor]:
    module = net()
    optimizer = make(module.parameters(), lr=lr, **arguments)
    for step in range(3):
        optimizer.zero_grad()
        losses(module, step).backward()
        if clip:
            nn.utils.clip_grad_norm_(module.parameters(), clip)
        optimizer.param_groups[0]["lr"] = lr / (step + 1)
        optimizer.step()
    return state_of(module)


def assert_close(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-6)
    assert not same(ours, state_of(net()))


TORCHS = sorted({*OPTIMIZERS} - {"muon"})


@pytest.mark.parametrize("own", [False, True], ids=["defaults", "arguments"])
@pytest.mark.parametrize("name", TORCHS)
def test_three_steps_are_torchs(name: str, *, own: bool) -> None:
    arguments = ARGUMENTS[name] if own else {}
    ours = three_steps(Settings(**{**PLAIN, "optimizer": {"name": name, **arguments}, "lr": 0.05}))
    assert_close(ours, three_steps_of_torch(OPTIMIZERS[name], lr=0.05, weight_decay=0, **arguments))


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
@pytest.mark.parametrize("own", [False, True], ids=["defaults", "arguments"])
def test_three_steps_of_muon_are_torchs_on_matrices_and_adamws_on_biases(*, own: bool) -> None:
    """With ten times the rate on matrices."""
    arguments, lr = ARGUMENTS["muon"] if own else {}, 0.01
    of_muon, of_adamw = ({name: value for name, value in arguments.items() if name in names} for names in MUONS)
    module = net()
    optimizers = [
        torch.optim.Muon([p for p in module.parameters() if p.ndim == 2], weight_decay=0, **of_muon),
        torch.optim.AdamW([p for p in module.parameters() if p.ndim == 1], weight_decay=0, **of_adamw),
    ]
    for step in range(3):
        module.zero_grad()
        losses(module, step).backward()
        for optimizer, times in zip(optimizers, (10, 1), strict=True):
            optimizer.param_groups[0]["lr"] = times * lr / (step + 1)
            optimizer.step()
    assert_close(
        three_steps(Settings(**{**PLAIN, "optimizer": {"name": "muon", **arguments}, "lr": lr})), state_of(module)
    )


@pytest.mark.parametrize("name", TORCHS)  # Muon makes much of a last bit
def test_every_optimizer_decays_and_clips_as_torchs_does(name: str) -> None:
    settings = Settings(
        **{**PLAIN, "optimizer": name, "lr": 0.05, "weight_decay": 0.3, "decay_all": True, "clip": 0.01}
    )
    assert_close(three_steps(settings), three_steps_of_torch(OPTIMIZERS[name], lr=0.05, weight_decay=0.3, clip=0.01))


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_where_a_fused_step_would_not_clip_none_is_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Apple's GPUs: what stands around the step does the same."""
    settings = Settings(**{**PLAIN, "optimizer": name, "lr": 0.05, "clip": 0.01})
    assert GuardedOptimizer(net(), settings).fused
    fused = three_steps(settings)
    monkeypatch.setattr("archc.runtime.optimise.FUSED_DEVICES", ("cuda",))
    assert not GuardedOptimizer(net(), settings).fused
    assert_close(three_steps(settings), fused)


def test_every_optimizer_of_the_settings_is_in_the_table() -> None:
    assert list(OPTIMIZERS) == list(ARGUMENTS)
    for name in OPTIMIZERS:
        assert type(build_optimizer(net(), Settings(optimizer=name))) is OPTIMIZERS[name]


def scaled_steps(name: str, module: nn.Module, *, overflow_at: int) -> tuple[dict[str, Tensor], float]:
    """Six steps of ours in fp16, one of which overflows; the weights and the scale."""
    guarded = GuardedOptimizer(module, Settings(**{**PLAIN, "optimizer": name, "lr": 0.05, "precision": "fp16"}))
    for step in range(6):
        loss = losses(module, step)
        guarded.scaled(loss).backward()
        if step == overflow_at:
            module[0].weight.grad[0, 0] = float("inf")  # type: ignore[index]
        guarded.step(loss.detach(), lr=0.05)
    assert not guarded.bad
    return state_of(module), guarded.guard["scale"].item()


@pytest.mark.parametrize("overflow_at", [0, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fp16_steps_are_those_of_torchs_scaler(name: str, overflow_at: int) -> None:
    """A gradient that overflows leaves out the step and halves the scale, also the very first one."""
    ours, scale = scaled_steps(name, net(), overflow_at=overflow_at)
    module = net()
    optimizer: Any = OPTIMIZERS[name]
    optimizer, scaler = optimizer(module.parameters(), lr=0.05, weight_decay=0), torch.amp.GradScaler("cpu")
    for step in range(6):
        optimizer.zero_grad()
        scaler.scale(losses(module, step)).backward()
        if step == overflow_at:
            module[0].weight.grad[0, 0] = float("inf")  # type: ignore[index]
        scaler.step(optimizer)
        scaler.update()
    assert_close(ours, state_of(module))
    assert scale == scaler.get_scale() == 2.0**15


def test_clipping_sees_the_gradient_without_the_scale() -> None:
    settings: dict[str, Any] = {**PLAIN, "lr": 0.05, "clip": 0.01}
    assert_close(three_steps(Settings(**settings, precision="fp16")), three_steps(Settings(**settings)))


def test_the_scale_grows_after_2000_good_steps() -> None:
    scale, yes, no = LossScale(torch.device("cpu")), torch.tensor(True), torch.tensor(False)
    wanted = {1998: 2.0**16, 1999: 2.0**17, 2000: 2.0**16, 3999: 2.0**16, 4000: 2.0**17}
    for step in range(4001):
        scale.update(yes if step == 2000 else no)
        assert scale.factor.item() == wanted.get(step, scale.factor.item())


@pytest.mark.parametrize("name", ["adamw", "rmsprop"])
def test_an_overflow_at_the_smallest_scale_is_the_networks_own(name: str) -> None:
    """Sixteen halvings from 2 ** 16; nothing is learnt from any of them, and no step follows."""
    module = net()
    guarded = GuardedOptimizer(module, Settings(**{**PLAIN, "optimizer": name, "precision": "fp16"}))
    for step in range(18):
        loss = losses(module, step)
        guarded.scaled(loss).backward()
        if step < 17:
            module[0].weight.grad[0, 0] = float("nan")  # type: ignore[index]
        guarded.step(loss.detach(), lr=0.1)
        assert guarded.bad.item() == (step >= 16)
    assert same(state_of(module), state_of(net()))


def test_a_loss_that_is_not_finite_stops_in_fp16_too() -> None:
    guarded = GuardedOptimizer(net(), Settings(precision="fp16"))
    guarded.step(torch.tensor(float("nan")), lr=0.1)
    assert guarded.bad.item() == 1


EPOCHS, STEPS = 6, 24
HALF = 12  # steps of a warm-up over half the run


def linear(optimizer: Any) -> Any:
    return lr_scheduler.LinearLR(optimizer, start_factor=1 / (HALF + 1), total_iters=HALF)


SCHEDULES: dict[str, tuple[Any, Any]] = {
    "constant": ("constant", lambda o: lr_scheduler.ConstantLR(o, factor=1)),
    "cosine": ("cosine", lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=STEPS - 1)),
    "polynomial": ("polynomial", lambda o: lr_scheduler.PolynomialLR(o, total_iters=STEPS - 1)),
    "polynomial, power 2": (
        {"name": "polynomial", "power": 2},
        lambda o: lr_scheduler.PolynomialLR(o, total_iters=STEPS - 1, power=2),
    ),
    "step": (
        {"name": "step", "step_size": 2, "gamma": 0.5},
        lambda o: lr_scheduler.StepLR(o, step_size=2 * STEPS // EPOCHS, gamma=0.5),
    ),
    "cosine after a warm-up": (
        {"name": "cosine", "warmup": 0.5},
        lambda o: lr_scheduler.SequentialLR(
            o, [linear(o), lr_scheduler.CosineAnnealingLR(o, T_max=STEPS - HALF - 1)], milestones=[HALF]
        ),
    ),
    "constant after a warm-up": ({"name": "constant", "warmup": 0.5}, linear),
}


@pytest.mark.filterwarnings("ignore:The epoch parameter in:UserWarning")  # torch's SequentialLR uses it itself
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_torchs(name: str) -> None:
    schedule, make = SCHEDULES[name]
    settings = Settings(lr=0.4, schedule=schedule, epochs=EPOCHS)
    optimizer = torch.optim.SGD(net().parameters(), lr=0.4)
    theirs = make(optimizer)
    for step in range(STEPS):
        assert learning_rate(step, STEPS, settings) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize(
    "schedule", ["constant", "one_cycle", "cosine", "polynomial", {"name": "step", "step_size": 1}]
)
@pytest.mark.parametrize("warmup", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_no_schedule_leaves_its_range(schedule: Any, warmup: float, steps: int) -> None:
    schedule = {**(schedule if isinstance(schedule, dict) else {"name": schedule}), "warmup": warmup}
    settings = Settings(lr=0.4, schedule=schedule, epochs=1)
    assert all(0 <= learning_rate(step, steps, settings) <= 0.4 for step in range(steps))
