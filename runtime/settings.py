"""Every setting of a training run, with one default for every network. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, Strict, ValidationError, ValidationInfo, model_validator

from archc.runtime.data.steps import describe_steps, read_steps
from archc.runtime.errors import Mistake, SettingsError
from archc.runtime.methods import (
    CLOSED,
    OPTIMIZER_TITLES,
    SCALED,
    AdamW,
    Count,
    NotNegative,
    OneCycle,
    Optimizer,
    Part,
    Positive,
    Schedule,
)
from archc.runtime.recipe_errors import WrongParts, explained, shown

LARGEST_SEED = 2**63 - 1


class Checkpoints(BaseModel):
    """When a run writes the checkpoint `last`, from which it can go on."""

    model_config = CLOSED
    epochs: Count = 1
    """After every so many epochs, and after the last one."""
    minutes: NotNegative = 10.0
    """Within an epoch after every so many minutes; 0: only after epochs."""


def _several(value: object) -> object:
    """One word or number stands for a list of it."""
    return (value,) if isinstance(value, str | float | int) and not isinstance(value, bool) else value


class Normalize(BaseModel):
    """Mean and standard deviation of each channel, or one number for all, on the scale where black is 0 and white 1."""

    model_config = CLOSED
    mean: Annotated[tuple[float, ...], Strict(False), Field(min_length=1), BeforeValidator(_several)]
    """Subtracted."""
    std: Annotated[tuple[Positive, ...], Strict(False), Field(min_length=1), BeforeValidator(_several)]
    """What is left is divided by it."""

    @model_validator(mode="after")
    def _as_many(self) -> Normalize:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} numbers and std {len(self.std)}; each has one per channel")
        return self


def _by_name(value: object) -> object:
    """A bare name stands for the optimizer or schedule with its own defaults."""
    return {"name": value} if isinstance(value, str) else value


def _square(value: object) -> object:
    """One number stands for a square image."""
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


def _no_number(value: object, info: ValidationInfo) -> object:
    """Python takes 1 for `True`, a recipe does not."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"{info.field_name} must be one of auto, true, false, found {value}")
    return value


def _weights(value: object) -> object:
    """A number for each name; one number alone is for every name."""
    named = value if isinstance(value, dict) else {"*": value}
    mistakes = []
    for name, weight in named.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight < float("inf")
        if not number or not isinstance(name, str):
            inside = (str(name),) if isinstance(value, dict) else ()
            what = f"{'.'.join(('aux_weights', *inside))} must be a number of at least 0, or a mapping from names"
            mistakes.append(Mistake(inside, f"{what}, found {shown(weight)}"))
    if mistakes:
        raise WrongParts(*mistakes)
    return named


def _steps(value: object) -> dict[str, dict[str, Any]]:
    """The steps of an augmentation with all their arguments, however they were written."""
    try:
        return {step.name: dict(step.values) for step in read_steps(value)}
    except SettingsError as error:
        raise WrongParts(*error.mistakes) from None


class Settings(BaseModel):
    """The settings of a run; wrong values raise one `SettingsError` that names each.

    >>> Settings(epochs=3, optimizer="sgd").optimizer.name
    'sgd'
    >>> Settings(lr=0)
    Traceback (most recent call last):
    archc.runtime.errors.SettingsError: lr must be a number above 0, found 0
    """

    model_config = CLOSED

    epochs: Count = 10
    """How often every training image is seen."""
    batch_size: Count = 64
    """Images per step. The last batch of an epoch is smaller; a single left-over image joins the batch before."""
    test_batch_size: Count | None = None
    """Images per batch of the test; null: twice `batch_size`. It changes no result."""
    test_mirrored: bool = False
    """Whether the test takes the mean of the scores of each image and of its mirror image: more exact where left and
    right mean the same, in twice the time."""
    image_size: Annotated[tuple[Count, Count] | None, Strict(False), BeforeValidator(_square)] = None
    """Height and width that images are brought to, or one number for both; null: what the network takes, else as the
    data is."""
    normalize: Normalize | None = None
    """Mean and deviation per channel (one number stands for all), for images from 0 (black) to 1 (white); null: those
    of the training images."""
    validation: Part = 0.0
    """Part of the training images, of each class, that is tested on in place of the test part; 0: none."""
    augment: Annotated[dict[str, dict[str, Any]], BeforeValidator(_steps)] = {}
    """Random changes of the training images: a mapping from steps to their arguments; see below."""
    loss: Literal["cross_entropy", "nll"] = "cross_entropy"
    """`cross_entropy` for scores of any size; `nll` for a network that ends with a log-softmax."""
    aux_weights: Annotated[dict[str, float], BeforeValidator(_weights)] = {}
    """What the losses of auxiliary results, those besides the first, count while training: a mapping from names, or
    patterns such as `aux*`, to numbers, or one number for all; 0 leaves one out. Where nothing is said 0.3, but for
    `aux_logits` (Inception v3) 0.4 and for `aux` (FCN, DeepLab) 0.5."""
    label_smoothing: Part = 0.0
    """Part of the label that is spread over all classes, while training; for `cross_entropy`."""
    optimizer: Annotated[Annotated[Optimizer, Field(discriminator="name")], BeforeValidator(_by_name)] = AdamW()
    """A name, or a mapping with `name` and the optimizer's own arguments; see below."""
    lr: Positive = 1e-3
    """The highest learning rate of the schedule."""
    lr_scaling: Literal["fan", "none"] = "fan"
    """`fan`: each weight's rate times its Xavier deviation / 0.02, at most 10: wide layers learn in small steps, narrow
    ones in large steps, so that one lr fits a network of any width; `none`: one rate for all. Only the Adam family
    (adam, adamw, nadam, radam, adamax) scales; the others always have one rate."""
    weight_decay: NotNegative = 0.01
    """Pull of the weights towards zero."""
    decay_all: bool = False
    """Whether biases, norms and other vectors (class tokens, layer scales) decay too."""
    schedule: Annotated[Annotated[Schedule, Field(discriminator="name")], BeforeValidator(_by_name)] = OneCycle()
    """A name, or a mapping with `name` and the schedule's own arguments; see below."""
    clip: NotNegative = 1.0
    """Largest norm of the whole gradient; a longer one is shortened to it. 0 does not clip."""
    accumulate: Count = 1
    """Batches whose gradients make one step: that of a batch so many times as large, but for a batch norm, which sees
    them one by one. Batches with masks count by their labelled pixels."""
    ema: Part = 0.0
    """Memory of a running mean of the weights, which is then what is tested and kept; 0: no mean."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Stops after so many epochs without a better test accuracy, or mean IoU where there are masks; 0: never."""
    checkpoint: Checkpoints = Checkpoints()
    """When the run writes what it needs to go on: a mapping; see below."""
    init: Literal["xavier", "module"] = "xavier"
    """`xavier`: Xavier-uniform weights for every convolution and linear layer; `module`: as the network came, torch's
    own. Where nothing is said it is `module` for an architecture that says `init` itself, and with `weights`, which
    come before the `init` of a recipe that they are named over."""
    freeze: Annotated[tuple[str, ...], Strict(False), BeforeValidator(_several)] = ()
    """Parameters that do not train: a name or a pattern such as `layer1.*`, or a list of them; a layer's name means all
    in it. A batch norm that is frozen keeps its statistics too, and `init` leaves frozen layers as they came."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """`fp32`; `bf16` or `fp16` (autocast, weights stay fp32; fp16 scales the loss); `auto`: fp32 or bf16, whichever is
    faster in trial steps of a run that is long enough for them, else bf16 where the processor has AMX or the GPU has
    bf16."""
    layout: Literal["auto", "channels_last", "contiguous"] = "auto"
    """Memory order of images: `channels_last`, `contiguous`; `auto`: the faster one in the same trial steps, else
    channels last where there are 2-d convolutions."""
    im2col: Annotated[Literal["auto", True, False], BeforeValidator(_no_number)] = "auto"
    """Whether convolutions with many weights and small outputs (at least 12,288 for each place) are computed as
    products of matrices (im2col), equal up to rounding; `auto`: on a CPU in bf16 and channels last, where that was up
    to six times as fast, unless the same trial steps show the convolutions to be faster."""
    compile: Annotated[Literal["auto", True, False], BeforeValidator(_no_number)] = "auto"
    """Whether `torch.compile` makes the network faster (on a GPU as CUDA graphs), which takes about a minute first;
    where it cannot, the run says so and goes on without. `auto`: where the rest of the run is predicted to save more
    than twice that, and the compiled network is then faster."""
    device: Annotated[str, Field(min_length=1)] = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`; `auto`: the GPU if there is one."""
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    """Start of every random number: initialisation, order of the images, dropout."""
    deterministic: bool = False
    """Whether only operations are used that give the same bits each time on one machine; then nothing is tuned."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            mistakes = explained(Settings, error)
            raise SettingsError("\n".join(mistake.text for mistake in mistakes), mistakes=mistakes) from None

    @model_validator(mode="after")
    def _smoothing_needs_scores(self) -> Settings:
        if self.loss == "nll" and self.label_smoothing:
            wrong = "label_smoothing is for loss cross_entropy, and the loss is nll"
            raise WrongParts(Mistake(("label_smoothing",), wrong, of_key=True))
        return self

    def as_dict(self) -> dict[str, Any]:
        """Every setting with its value as JSON and YAML have it, in the order of the class.

        >>> Settings().as_dict()["schedule"]
        {'name': 'one_cycle', 'warmup': 0.3, 'div_factor': 25.0}
        """
        return self.model_dump(mode="json")

    def changed(self) -> dict[str, Any]:
        """The settings that differ from the default.

        >>> Settings(epochs=3).changed()
        {'epochs': 3}
        """
        default = Settings().as_dict()
        return {name: value for name, value in self.as_dict().items() if value != default[name]}

    def but(self, **values: Any) -> Settings:
        """These settings with other values for some.

        >>> Settings(epochs=3).but(lr=0.1).epochs
        3
        """
        return Settings(**{**self.as_dict(), **values})


def describe(settings: Settings) -> str:
    """The settings that decide a result, in one line for people.

    >>> plain = Settings(optimizer="sgd", lr=0.9, weight_decay=0, schedule="constant", clip=0)
    >>> describe(plain)
    'SGD lr 0.9, constant rate, batch 64, 10 epochs, Xavier-uniform weights, seed 0'
    """
    parts = [
        _optimizer_words(settings),
        _schedule_words(settings.schedule),
        *([f"gradient norm at most {settings.clip:g}"] if settings.clip else []),
        f"batch {settings.batch_size}" + (f" x {settings.accumulate}" if settings.accumulate > 1 else ""),
        f"{settings.epochs} epoch{'s' if settings.epochs > 1 else ''}",
        *([f"stops after {settings.patience} without a better accuracy"] if settings.patience else []),
        *(["negative log-likelihood"] if settings.loss == "nll" else []),
        *([f"augmented by {describe_steps(read_steps(settings.augment))}"] if settings.augment else []),
        *([f"labels smoothed by {settings.label_smoothing:g}"] if settings.label_smoothing else []),
        {"xavier": "Xavier-uniform weights", "module": "the network's own initial weights"}[settings.init],
        *([f"running mean of the weights {settings.ema:g}"] if settings.ema else []),
        *(["tested with mirror images"] if settings.test_mirrored else []),
        f"seed {settings.seed}" + (", deterministic" if settings.deterministic else ""),
    ]
    return ", ".join(parts)


def _optimizer_words(settings: Settings) -> str:
    name = settings.optimizer.name
    words = f"{OPTIMIZER_TITLES[name]} lr {settings.lr:g}"
    words += " scaled by fan" if settings.lr_scaling == "fan" and name in SCALED else ""
    words += _changes_of(settings.optimizer)
    if settings.weight_decay:
        words += f" weight decay {settings.weight_decay:g}" + (" of all" if settings.decay_all else "")
    return words


def _schedule_words(schedule: Schedule) -> str:
    title = {"one_cycle": "one-cycle", "constant": "constant rate", "step": "steps"}.get(schedule.name, schedule.name)
    return title + _changes_of(schedule)


def _changes_of(chosen: Optimizer | Schedule) -> str:
    """The arguments that are not the default, each with its name."""
    fields = type(chosen).model_fields
    return "".join(
        f" {name.replace('_', ' ')} {_short(value)}"
        for name, value in chosen.model_dump().items()
        if name != "name" and value != fields[name].default
    )


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return " and ".join(f"{part:g}" for part in value)
    return ("on" if value else "off") if isinstance(value, bool) else f"{value:g}"
