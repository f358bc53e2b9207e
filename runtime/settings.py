"""Every setting of a training run, with one default for every network. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from math import isfinite

from archc.runtime.errors import SettingsError

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("one_cycle", "cosine", "constant")
LR_SCALINGS = ("fan", "none")
INITS = ("xavier", "module")
PRECISIONS = ("auto", "fp32", "bf16")
LAYOUTS = ("auto", "channels_last", "contiguous")

LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a run; a wrong value raises `SettingsError` naming the setting.

    >>> Settings(epochs=3).epochs
    3
    >>> Settings(lr=0)
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: lr must be a number above 0, found 0
    """

    epochs: int = 10
    """How often every training image is seen."""
    batch_size: int = 64
    """Images per step. The last batch of an epoch is smaller; a single left-over image joins the batch before."""
    optimizer: str = "adamw"
    """`adamw`, `adam` or `sgd`, in torch's fused form."""
    lr: float = 1e-3
    """The highest learning rate of the schedule."""
    lr_scaling: str = "fan"
    """`fan`: each weight's rate times its Xavier deviation / 0.02, at most 10: wide layers learn in small steps, narrow
    ones in large steps, so that one lr fits a network of any width; `none`: one rate for all. `sgd` ignores it."""
    momentum: float = 0.0
    """Momentum of `sgd`; the others have their own and ignore it."""
    weight_decay: float = 0.01
    """Pull of the weights towards zero; biases and norms (parameters with fewer than two axes) are left out."""
    schedule: str = "one_cycle"
    """`one_cycle` (up over `warmup`, down to zero, both as a cosine), `cosine` (down to zero) or `constant`."""
    warmup: float = 0.3
    """The part of the run in which `one_cycle` climbs from lr / 25 to lr."""
    clip: float = 1.0
    """Largest norm of the whole gradient; a longer one is shortened to it. 0 does not clip."""
    init: str = "xavier"
    """`xavier`: Xavier-uniform weights for every convolution and linear layer; `module`: as the module came."""
    precision: str = "auto"
    """`fp32`; `bf16` (autocast, weights stay fp32); `auto`: bf16 where the processor has AMX or the GPU has bf16."""
    layout: str = "auto"
    """Memory order of images: `channels_last`, `contiguous`; `auto`: channels last where there are 2-d convolutions."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`; `auto`: the GPU if there is one."""
    seed: int = 0
    """Start of every random number: initialisation, order of the images, dropout."""

    def __post_init__(self) -> None:
        _whole("epochs", self.epochs, at_least=1)
        _whole("batch_size", self.batch_size, at_least=1)
        _whole("seed", self.seed, at_least=0)
        if self.seed > LARGEST_SEED:
            raise SettingsError(f"seed must be at most {LARGEST_SEED}, found {self.seed}")
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("lr_scaling", self.lr_scaling, LR_SCALINGS)
        _one_of("init", self.init, INITS)
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("layout", self.layout, LAYOUTS)
        _number("lr", self.lr, above=0)
        _number("momentum", self.momentum, at_least=0, below=1)
        _number("weight_decay", self.weight_decay, at_least=0)
        _number("warmup", self.warmup, at_least=0, below=1)
        _number("clip", self.clip, at_least=0)
        _name("device", self.device, such_as="auto, cpu or cuda")

    def as_dict(self) -> dict[str, object]:
        """Every setting with its value, in the order of the class.

        >>> Settings().as_dict()["optimizer"]
        'adamw'
        """
        return asdict(self)

    def changed(self) -> dict[str, object]:
        """The settings that differ from the default.

        >>> Settings(epochs=3).changed()
        {'epochs': 3}
        """
        default = Settings().as_dict()
        return {name: value for name, value in self.as_dict().items() if value != default[name]}


def settings_from(values: Mapping[str, object]) -> Settings:
    """The settings of a mapping (a recipe, options of the command line) over the defaults; unknown keys are refused.

    >>> settings_from({"epochs": 3}).epochs
    3
    >>> settings_from({"epoch": 3})
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: no setting is called 'epoch'; did you mean 'epochs'?
    """
    known = [field.name for field in fields(Settings)]
    for name in values:
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the settings are {', '.join(known)}"
            raise SettingsError(f"no setting is called {name!r}; {hint}")
    return Settings(**values)  # type: ignore[arg-type]  # __post_init__ checks each value's type


def describe(settings: Settings) -> str:
    """The settings that decide a result, in one line for people.

    >>> describe(Settings(optimizer="sgd", lr=0.9, weight_decay=0, schedule="constant", clip=0))
    'SGD lr 0.9, constant rate, batch 64, 10 epochs, Xavier-uniform weights, seed 0'
    """
    optimizer = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}[settings.optimizer] + f" lr {settings.lr:g}"
    optimizer += " scaled by fan" if settings.lr_scaling == "fan" and settings.optimizer != "sgd" else ""
    if settings.optimizer == "sgd" and settings.momentum:
        optimizer += f" momentum {settings.momentum:g}"
    if settings.weight_decay:
        optimizer += f" weight decay {settings.weight_decay:g}"
    parts = [
        optimizer,
        {"one_cycle": "one-cycle", "cosine": "cosine", "constant": "constant rate"}[settings.schedule],
        *([f"gradient norm at most {settings.clip:g}"] if settings.clip else []),
        f"batch {settings.batch_size}",
        f"{settings.epochs} epoch{'s' if settings.epochs > 1 else ''}",
        {"xavier": "Xavier-uniform weights", "module": "the network's own initial weights"}[settings.init],
        f"seed {settings.seed}",
    ]
    return ", ".join(parts)


def _whole(name: str, value: object, *, at_least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise SettingsError(f"{name} must be a whole number of at least {at_least}, found {value!r}")


def _number(
    name: str, value: object, *, above: float | None = None, at_least: float | None = None, below: float | None = None
) -> None:
    wanted = [
        f"{word} {bound:g}"
        for word, bound in (("above", above), ("of at least", at_least), ("below", below))
        if bound is not None
    ]
    right = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
        and (above is None or value > above)
        and (at_least is None or value >= at_least)
        and (below is None or value < below)
    )
    if not right:
        raise SettingsError(f"{name} must be a number {' and '.join(wanted)}, found {value!r}")


def _name(name: str, value: object, *, such_as: str) -> None:
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{name} must be a name such as {such_as}, found {value!r}")


def _one_of(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        close = get_close_matches(str(value).lower(), choices, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise SettingsError(f"{name} must be one of {', '.join(choices)}, found {value!r}{hint}")
