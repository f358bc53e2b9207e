"""A data set and an architecture: what the set decides, the size of images, and whether the results fit its labels."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archc.compiler.algebra.condition import Condition, Relation
from archc.compiler.algebra.sizes import Symbolic, evaluate
from archc.compiler.ir import Tensor
from archc.compiler.values import Given
from archc.files import Opened
from archc.network import Network, given
from archc.problems import UsageProblem

if TYPE_CHECKING:
    from archc.runtime.data.dataset import Data
    from archc.runtime.settings import Settings

LARGEST_STEP = 2**16  # how far above the size of the data a size that fits is looked for
Conditions = tuple[Condition | Relation, ...]


def bound_by_data(opened: Opened, data: "Data") -> dict[str, Given]:
    """Return the parameters of an architecture that the data set decides."""
    known = {parameter.name.text for parameter in opened.parameters()}
    decided = {"in_channels": data.channels, "num_classes": data.num_classes}
    return given({name: value for name, value in decided.items() if name in known})


def input_size(built: Network, wanted_size: tuple[int, ...], data: "Data") -> tuple[int, ...]:
    """Return the size of images that the network takes; symbolic sizes are those wanted, brought up to the condition.

    Raises:
        UsageProblem: the network takes no image, or several, or no size near fits.
    """
    shaped = built.checked.shaped
    if len(shaped.graph.inputs) != 1:
        names = ", ".join(f"`{entry.name}`" for entry in shaped.graph.inputs)
        raise UsageProblem(f"`{built.name}` has several inputs ({names}), and a data set of images fills one")
    (entry,) = shaped.graph.inputs
    shape = entry.type.shape
    if len(shape) != 3:
        raise UsageProblem(f"`{built.name}` takes {entry.type}, and images are channels x height x width")
    sizes: dict[str, int] = {}
    for wanted, found in zip(shape, (data.channels, *wanted_size), strict=True):
        if isinstance(wanted, Symbolic) and str(wanted) not in sizes:
            sizes[str(wanted)] = _fitting(str(wanted), found, sizes, shaped.conditions)
    return tuple(evaluate(size, sizes) for size in shape)


def _fitting(name: str, found: int, sizes: Mapping[str, int], conditions: Conditions) -> int:
    """The smallest size for a symbol, at least that of the data, that meets the conditions on it."""
    for size in range(found, found + LARGEST_STEP):
        trial = {**sizes, name: size}
        if all(condition.holds(trial) for condition in conditions if trial.keys() >= set(condition.symbols)):
            return size
    raise UsageProblem(f"no size of {name} near {found} fits: " + "; ".join(map(str, conditions)))


def check_outputs(built: Network, data: "Data", *, size: tuple[int, ...], settings: "Settings") -> None:
    """Refuse a network whose results are not one score for each class, of the image or of every pixel.

    The first result is the main one; an auxiliary one that weighs nothing may be anything.
    """
    from archc.runtime.objective import Objective, misfit_of_size

    objective = Objective(settings, classes=data.num_classes, segmentation=data.segmentation)
    symbols = {str(wanted): found for wanted, found in zip(*built.inputs.values(), size, strict=True)}
    for number, (name, shape) in enumerate(built.outputs.items()):
        if number and not objective.weight_of(name):
            continue
        said = f"`{name}` of `{built.name}` is {Tensor(shape)}"
        if len(shape) != (3 if data.segmentation else 1) or shape[0] != data.num_classes:
            raise UsageProblem(f"{said}, and {_needed(data)}; {_help(built, shape, data)}")
        if data.segmentation:
            height, width = (evaluate(side, symbols) for side in shape[1:])
            if fault := misfit_of_size((height, width), size[1:]):
                raise UsageProblem(f"{said}: {fault}")


def _needed(data: "Data") -> str:
    if data.segmentation:
        return f"data set `{data.name}` needs {data.num_classes} scores for each pixel, one for each class"
    return f"data set `{data.name}` needs {data.num_classes} scores, one for each class"


def _help(built: Network, shape: tuple[object, ...], data: "Data") -> str:
    if len(shape) == 3 and not data.segmentation:
        return "a network with scores for each pixel trains on a set with masks, such as `--data shapes`"
    if len(shape) == 1 and data.segmentation:
        return "a network with scores for whole images trains on a set with a label for each, such as `--data digits`"
    if built.checked.shaped.graph.parameters.get("num_classes", data.num_classes) != data.num_classes:
        return "leave out `-p num_classes=...`: the data set binds it"
    return "give the architecture a parameter `num_classes`, which the data set then binds"
