"""The optimizers and schedules that a run may name, each with its own arguments. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

LARGEST_COUNT = 2**31 - 1

CLOSED = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
"""How each model below is: nothing changes, no key but its own, `True` is no number and `1.0` no whole one."""

Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Part = Annotated[float, Field(ge=0, lt=1)]
Pair = Annotated[tuple[Part, Part], Strict(False)]  # a list of a recipe is a pair too


class Sgd(BaseModel):
    """Stochastic gradient descent."""

    model_config = CLOSED
    name: Literal["sgd"] = "sgd"
    momentum: Part = 0.0
    """Part of the last step that is taken again."""
    dampening: Part = 0.0
    """Part of the gradient that momentum leaves out."""
    nesterov: bool = False
    """Looks ahead: the gradient is that after the step of the momentum."""

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Sgd:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")
        return self


class Adam(BaseModel):
    """Adam; decay is added to the gradient."""

    model_config = CLOSED
    name: Literal["adam"] = "adam"
    betas: Pair = (0.9, 0.999)
    """Memory of the mean and of the square of the gradient."""
    eps: Positive = 1e-8
    """Added to the root of the square."""
    amsgrad: bool = False
    """Divides by the largest square so far."""


class AdamW(BaseModel):
    """Adam whose decay pulls at the weights themselves."""

    model_config = CLOSED
    name: Literal["adamw"] = "adamw"
    betas: Pair = (0.9, 0.999)
    """Memory of the mean and of the square of the gradient."""
    eps: Positive = 1e-8
    """Added to the root of the square."""
    amsgrad: bool = False
    """Divides by the largest square so far."""


class NAdam(BaseModel):
    """Adam with Nesterov's momentum."""

    model_config = CLOSED
    name: Literal["nadam"] = "nadam"
    betas: Pair = (0.9, 0.999)
    """Memory of the mean and of the square of the gradient."""
    eps: Positive = 1e-8
    """Added to the root of the square."""
    momentum_decay: NotNegative = 4e-3
    """How fast the momentum reaches its value."""


class RAdam(BaseModel):
    """Adam that begins with rectified steps."""

    model_config = CLOSED
    name: Literal["radam"] = "radam"
    betas: Pair = (0.9, 0.999)
    """Memory of the mean and of the square of the gradient."""
    eps: Positive = 1e-8
    """Added to the root of the square."""


class Adamax(BaseModel):
    """Adam with the largest gradient in place of the square."""

    model_config = CLOSED
    name: Literal["adamax"] = "adamax"
    betas: Pair = (0.9, 0.999)
    """Memory of the mean and of the size of the gradient."""
    eps: Positive = 1e-8
    """Added to the size."""


class RmsProp(BaseModel):
    """Steps divided by the root of the mean square of the gradient."""

    model_config = CLOSED
    name: Literal["rmsprop"] = "rmsprop"
    alpha: Part = 0.99
    """Memory of the square."""
    eps: Positive = 1e-8
    """Added to the root of the square."""
    momentum: Part = 0.0
    """Part of the last step that is taken again."""
    centered: bool = False
    """Subtracts the square of the mean."""


class Adagrad(BaseModel):
    """Steps divided by the root of the sum of all squares."""

    model_config = CLOSED
    name: Literal["adagrad"] = "adagrad"
    lr_decay: NotNegative = 0.0
    """The rate is divided by 1 + this times the number of the step."""
    initial_accumulator_value: NotNegative = 0.0
    """The sum's first value."""
    eps: Positive = 1e-10
    """Added to the root of the sum."""


class Adadelta(BaseModel):
    """Steps in units of the steps before; usually with lr 1."""

    model_config = CLOSED
    name: Literal["adadelta"] = "adadelta"
    rho: Part = 0.9
    """Memory of the squares."""
    eps: Positive = 1e-6
    """Added below the roots."""


class Muon(BaseModel):
    """AdamW, but the matrices of linear, convolutional, attention and recurrent layers learn in all their directions at
    once, with 10 times lr."""

    model_config = CLOSED
    name: Literal["muon"] = "muon"
    momentum: Part = 0.95
    """Memory of the mean of a matrix's gradient."""
    nesterov: bool = True
    """Looks ahead: the gradient once more, on top of the mean."""
    betas: Pair = (0.9, 0.999)
    """AdamW's, for biases, norms, embeddings, depthwise convolutions and a network's own parameters."""
    eps: Positive = 1e-8
    """AdamW's, added to the root of the square."""


OPTIMIZER_TITLES = {
    "sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "nadam": "NAdam", "radam": "RAdam", "adamax": "Adamax",
    "rmsprop": "RMSprop", "adagrad": "Adagrad", "adadelta": "Adadelta", "muon": "Muon",
}  # fmt: skip
SCALED = ("adam", "adamw", "nadam", "radam", "adamax")
"""The optimizers whose steps are about as long as the learning rate, whatever the gradient."""

Optimizer = Sgd | Adam | AdamW | NAdam | RAdam | Adamax | RmsProp | Adagrad | Adadelta | Muon


class Constant(BaseModel):
    """One rate."""

    model_config = CLOSED
    name: Literal["constant"] = "constant"
    warmup: Part = 0.0
    """The part of the run in which the rate climbs to lr in equal steps."""


class OneCycle(BaseModel):
    """Up to lr over `warmup`, down to zero, both as a cosine."""

    model_config = CLOSED
    name: Literal["one_cycle"] = "one_cycle"
    warmup: Part = 0.3
    """The part of the run in which the rate climbs."""
    div_factor: Annotated[float, Field(ge=1)] = 25.0
    """The climb begins at lr / this."""


class Cosine(BaseModel):
    """Down to zero as half a cosine."""

    model_config = CLOSED
    name: Literal["cosine"] = "cosine"
    warmup: Part = 0.0
    """The part of the run in which the rate climbs to lr in equal steps."""


class StepWise(BaseModel):
    """Times `gamma` after each `step_size` epochs, those of the warm-up included."""

    model_config = CLOSED
    name: Literal["step"] = "step"
    step_size: Count
    """Epochs with one rate."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The next rate as a part of this one."""
    warmup: Part = 0.0
    """The part of the run in which the rate climbs to lr in equal steps."""


class Polynomial(BaseModel):
    """Down to zero as a power of what is left of the run."""

    model_config = CLOSED
    name: Literal["polynomial"] = "polynomial"
    power: Positive = 1.0
    """1 is a straight line."""
    warmup: Part = 0.0
    """The part of the run in which the rate climbs to lr in equal steps."""


Schedule = Constant | OneCycle | Cosine | StepWise | Polynomial
