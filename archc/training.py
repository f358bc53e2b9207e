"""Training an architecture: what stands between the compiler and the runtime, which do not know each other."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from archc.compiler.algebra.condition import Condition, Relation
from archc.compiler.algebra.sizes import Symbolic, evaluate
from archc.compiler.elaboration.builder import MOST_LAYERS
from archc.compiler.ir import Tensor
from archc.compiler.pipeline import choose
from archc.compiler.program import Program, read_file, within
from archc.compiler.values import Given, show
from archc.dsl.decode import decode
from archc.files import Opened, open_file
from archc.network import Network, given, network
from archc.parameters import read_parameters
from archc.problems import EnvironmentProblem, UsageProblem
from archc.recipes import recipe_text

if TYPE_CHECKING:
    from torch import nn

    from archc.runtime.data.dataset import Data
    from archc.runtime.recipe import Recipe
    from archc.runtime.recipe_text import Layer
    from archc.runtime.run import Run

LARGEST_STEP = 2**16  # how far above the size of the data a size that fits is looked for
Conditions = tuple[Condition | Relation, ...]
MAIN = "arch/main.arch"  # where a run keeps a text that came from no file


def train(
    file: str | os.PathLike[str],
    *,
    recipe: str | os.PathLike[str] | None = None,
    data: str | None = None,
    data_root: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    params: Mapping[str, object] | None = None,
    max_layers: int = MOST_LAYERS,
    **settings: object,
) -> "Run":
    """Train an architecture and return its run; `run.metrics` holds the epochs, `run.model()` the trained module.

    `file` is what `archc.compile` takes, `recipe` a YAML file or a recipe of the zoo, `data` the name of a data set (by
    default that of the recipe, else "digits"), `data_root` the folder it lies in, `out` the folder of the run (by
    default a new one under `runs/`), `params` the parameters of the architecture. The data set binds `in_channels` and
    `num_classes` where the architecture has them. A network of more than `max_layers` layers is refused. Settings
    (`epochs=3`) are those of `archc.runtime.Settings`, and win over those of the recipe.

    Raises:
        ArchError: the text has mistakes.
        UsageProblem, SettingsError: there is no such file, recipe or data set, or a setting is wrong.
        EnvironmentProblem: data, disk or memory are missing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = train("d2l/lenet", recipe="d2l/lenet", data="digits", epochs=1, out=folder)
    ...     len(run.metrics), run.settings.lr
    (1, 0.9)
    """
    from archc.runtime.recipe_text import Layer

    root = None if data_root is None else os.fspath(data_root)
    named = {name: value for name, value in (("data", data), ("data_root", root)) if value is not None}
    arguments = Layer("arguments", {**named, **settings}, {})
    resolved = resolve_recipe(None if recipe is None else os.fspath(recipe), arguments)
    opened = open_file(os.fspath(file))
    return train_opened(opened, given(params or {}), recipe=resolved, out=out, max_layers=max_layers)


def resolve_recipe(name: str | None, *layers: "Layer") -> "Recipe":
    """The settings of the recipe of that name, if one is named, and those of the layers, which win.

    Raises:
        UsageProblem: there is no such recipe, or it is no text.
        SettingsError: it is no YAML, or a setting is wrong; every mistake with its place.
    """
    from archc.runtime.recipe import resolve
    from archc.runtime.recipe_text import read_recipe

    if name is None:
        return resolve(layers)
    return resolve([read_recipe(recipe_text(name), name), *layers], recipe=name)


def train_opened(
    opened: Opened,
    parameters: Mapping[str, Given],
    *,
    recipe: "Recipe",
    out: str | os.PathLike[str] | None,
    max_layers: int = MOST_LAYERS,
) -> "Run":
    """Train an opened architecture with the given parameters; see `train`."""
    from archc.runtime import fit, new_run_folder
    from archc.runtime.data import load
    from archc.runtime.data.dataset import refuse_masks

    # The text is checked before the data is read, and read with the data's sizes before anything is written.
    parameters = {**given(recipe.task.params), **parameters}
    network(opened, parameters, max_layers=max_layers)
    images = load(recipe.task.data, recipe.task.data_root)
    refuse_masks(images)
    bound = {**_bound_by_data(opened, images), **parameters}
    built = network(opened, bound, max_layers=max_layers)
    settings = recipe.settings
    if built.checked.shaped.graph.rules and "init" not in recipe.named:
        settings = settings.but(init="module")
    recipe = recipe._replace(settings=settings)
    size = _input_size(built, settings.image_size or tuple(images.train_images.shape[2:]), images)
    _check_classes(built, images)
    folder = new_run_folder(Path("runs"), f"{built.name.lower()}-{images.name}") if out is None else Path(out)
    main, files = _texts(opened.program)
    return fit(
        _seeded_module(built, settings.seed),
        images,
        settings=settings,
        out=folder,
        files={**files, "source.py": built.source(), "recipe.yaml": recipe.text()},
        facts={
            "arch": {
                "file": main,
                "name": built.name,
                "params": {name: show(argument.value, 10_000) for name, argument in bound.items()},
            }
        },
        input_size=size,
        origin=recipe.origin,
    )


def _seeded_module(built: Network, seed: int) -> "nn.Module":
    """The module with the first weights that its own text and the seed determine; the caller's random numbers stay."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return built.module()


def _bound_by_data(opened: Opened, data: "Data") -> dict[str, Given]:
    """The parameters of an architecture that the data set decides."""
    known = {parameter.name.text for parameter in opened.parameters()}
    decided = {"in_channels": data.channels, "num_classes": data.num_classes}
    return given({name: value for name, value in decided.items() if name in known})


def _input_size(built: Network, wanted_size: tuple[int, ...], data: "Data") -> tuple[int, ...]:
    """The size of images that the network takes; symbolic sizes are those wanted, brought up to the condition."""
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


def _check_classes(built: Network, data: "Data") -> None:
    """Refuse a network whose result is not one score for each class."""
    for name, shape in built.outputs.items():
        if shape != (data.num_classes,):
            needed = f"data set `{data.name}` needs {data.num_classes} scores, one for each class"
            help = "give the architecture a parameter `num_classes`, which the data set then binds"
            if built.checked.shaped.graph.parameters.get("num_classes", data.num_classes) != data.num_classes:
                help = "leave out `-p num_classes=...`: the data set binds it"
            raise UsageProblem(f"`{name}` of `{built.name}` is {Tensor(shape)}, and {needed}; {help}")


def _texts(program: Program) -> tuple[str, dict[str, str]]:
    """The texts of a program by their names in a run's folder, and the name of the main one.

    Files of the project lie under `arch/`, those of the zoo under `zoo/`, so that the run does not depend on either.
    """
    texts: dict[str, str] = {}
    main = ""
    for unit in program.units.values():
        if not unit.path:
            name = MAIN
        elif within(unit.path, program.zoo):
            name = f"zoo/{os.path.relpath(unit.path, program.zoo)}"
        else:
            name = f"arch/{os.path.relpath(unit.path, program.root)}"
        name = name.replace(os.sep, "/")
        texts[name] = unit.file.source.text
        main = main or name
    return main, texts


def load_run(folder: str, which: str = "best", *, max_layers: int = MOST_LAYERS) -> "nn.Module":
    """Return the module of a run with its `best` or `last` weights, in eval mode.

    The architecture is compiled from the text that the run kept.

    Raises:
        UsageProblem: the folder holds no run.
        EnvironmentProblem: a file of the run is missing or damaged.
    """
    from archc.runtime import load_weights

    kept = _kept(folder)
    path = os.path.join(folder, kept.file)
    try:
        source = decode(path, read_file(path))
    except OSError as error:
        raise EnvironmentProblem(f"the run {folder} has lost {path}: {error.strerror or error}") from None
    program = Program(source, path, root=os.path.join(folder, "arch"), zoo=os.path.join(folder, "zoo"))
    opened = Opened(choose(program, kept.name), program)
    parameters = read_parameters(opened, (f"{name}={value}" for name, value in kept.params.items()))
    built = network(opened, parameters, max_layers=max_layers).module()
    load_weights(built, Path(folder), which)
    return built.eval()


class Kept(NamedTuple):
    """What `run.json` says of the architecture: its file in the run's folder, its name, its parameters as text."""

    file: str
    name: str
    params: dict[str, str]


def _kept(folder: str) -> Kept:
    path = os.path.join(folder, "run.json")
    if not os.path.isfile(path):
        raise UsageProblem(f"`{folder}` is a folder without a run in it: it has no run.json")
    try:
        arch = json.loads(read_file(path))["arch"]
        kept = Kept(str(arch["file"]), str(arch["name"]), {str(k): str(v) for k, v in arch["params"].items()})
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EnvironmentProblem(f"{path} is damaged, or not of a run of an architecture: {error!r}") from None
    if ".." in Path(kept.file).parts or os.path.isabs(kept.file):
        raise EnvironmentProblem(f"{path} is damaged: its architecture lies outside the run")
    return kept
