"""Training an architecture: what stands between the compiler and the runtime, which do not know each other."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from archc.binding import bound_by_data, check_outputs, input_size
from archc.compiler.elaboration.builder import MOST_LAYERS
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

    from archc.runtime.recipe import Recipe
    from archc.runtime.recipe_text import Layer
    from archc.runtime.run import Run
    from archc.runtime.watch import Watch

MAIN = "arch/main.arch"  # where a run keeps a text that came from no file


def train(
    file: str | os.PathLike[str] | None = None,
    *,
    recipe: str | os.PathLike[str] | None = None,
    data: str | None = None,
    data_root: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    params: Mapping[str, object] | None = None,
    max_layers: int = MOST_LAYERS,
    quiet: bool = False,
    watch: "Watch | None" = None,
    resume: str | os.PathLike[str] | None = None,
    **settings: object,
) -> "Run":
    """Train an architecture and return its run; `run.metrics` holds the epochs, `run.model()` the trained module.

    `file` is what `archc.compile` takes, `recipe` a YAML file or a recipe of the zoo, `data` the name of a data set (by
    default that of the recipe, else "digits"), `data_root` the folder it lies in, `out` the folder of the run (by
    default a new one under `runs/`), `params` the parameters of the architecture. The data set binds `in_channels` and
    `num_classes` where the architecture has them. A network of more than `max_layers` layers is refused. The run
    reports to `watch`, an `archc.runtime.Watch` (by default a bar or lines on stderr), with `quiet` to nobody. Settings
    (`epochs=3`) are those of `archc.runtime.Settings`, and `weights` to begin with; they win over those of the recipe.

    `resume` is the folder of a run to go on with, in place of a file: it has its own text and settings, so that nothing
    else is given but where the data lies now (`data`, `data_root`), if not where it lay.

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
    from archc.runtime.watch import chosen_watch

    if resume is not None:
        from archc.resume import resume_run
        from archc.runtime.resume import refuse_with_resume

        given_too = {"file": file, "recipe": recipe, "out": out, "params": params, **settings}
        refuse_with_resume(name for name, value in given_too.items() if value is not None)
        return resume_run(resume, data=data, data_root=data_root, max_layers=max_layers, quiet=quiet, watch=watch)
    if file is None:
        raise UsageProblem("`file` names what to train, or `resume` the run to go on with")
    root = None if data_root is None else os.fspath(data_root)
    named = {name: value for name, value in (("data", data), ("data_root", root)) if value is not None}
    arguments = Layer("arguments", {**named, **settings}, {})
    resolved = resolve_recipe(None if recipe is None else os.fspath(recipe), arguments)
    opened = open_file(os.fspath(file))
    watch = chosen_watch(sys.stderr, quiet=quiet, watch=watch)
    return train_opened(opened, given(params or {}), recipe=resolved, out=out, max_layers=max_layers, watch=watch)


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
    watch: "Watch | None" = None,
) -> "Run":
    """Train an opened architecture with the given parameters; see `train`."""
    from archc.runtime import fit
    from archc.runtime.data import load

    recipe = _with_parameters(recipe, parameters)
    # The text is checked before the data is read, and read with the data's sizes before anything is written.
    parameters = {**given(recipe.task.params), **parameters}
    named = network(opened, parameters, max_layers=max_layers).name
    parameters = {**_asked_by_weights(opened, named, recipe.task.weights), **parameters}
    images = load(recipe.task.data, recipe.task.data_root)
    bound = {**bound_by_data(opened, images), **parameters}
    built = network(opened, bound, max_layers=max_layers)
    recipe = _with_init(recipe, built)
    settings = recipe.settings
    size = input_size(built, settings.image_size or tuple(images.train_images.shape[2:]), images)
    check_outputs(built, images, size=size, settings=settings)
    main, files = texts_of(opened.program)
    module, notes = first_module(built, recipe)
    return fit(
        module,
        images,
        settings=settings,
        out=None if out is None else os.fspath(out),
        files={**files, "source.py": built.source(), "recipe.yaml": recipe.text()},
        facts={
            "arch": {
                "file": main,
                "name": built.name,
                "params": {name: show(argument.value, 10_000) for name, argument in bound.items()},
            }
        },
        input_size=size,
        name=built.name.lower(),
        origin=recipe.origin,
        notes=notes,
        watch=watch,
    )


def _with_parameters(recipe: "Recipe", parameters: Mapping[str, Given]) -> "Recipe":
    """The recipe that trains the same again: with the parameters that were given besides it, where YAML can say them.

    A block or an operator is a name of the text, not a value of YAML.
    """
    others = {name: value for name, value in recipe.task.params.items() if name not in parameters}
    plain = {name: argument.value for name, argument in parameters.items() if _is_plain(argument.value)}
    return recipe._replace(task=recipe.task.model_copy(update={"params": {**others, **plain}}))


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _asked_by_weights(opened: Opened, name: str, weights: str | None) -> dict[str, Given]:
    """The parameters that go with torchvision's weights, where the architecture has them."""
    if weights is None:
        return {}
    from archc.weights import settings_for

    known = {parameter.name.text for parameter in opened.parameters()}
    return given({key: value for key, value in settings_for(name, weights).items() if key in known})


def _with_init(recipe: "Recipe", built: Network) -> "Recipe":
    """The recipe with first weights as the network has them, where its text or `weights` says what they are."""
    settings = recipe.settings
    if recipe.task.weights is not None and "init" in recipe.named and settings.init != "module":
        raise UsageProblem(f"init {settings.init} would draw anew what `weights` names: leave one of them out")
    if "init" not in recipe.named and (recipe.task.weights is not None or built.checked.shaped.graph.rules):
        settings = settings.but(init="module")
    return recipe._replace(settings=settings)


def first_module(built: Network, recipe: "Recipe") -> "tuple[nn.Module, list[str]]":
    """The module with the weights that the recipe names, or with first ones that its text and the seed determine.

    With it comes what to say of the weights. The caller's random numbers stay.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.settings.seed)
        if recipe.task.weights is None:
            return built.module(), []
        from archc.weights import adapted_module

        module, kept = adapted_module(built, recipe.task.weights)
    anew = f", but for {', '.join(kept)}, whose number of outputs is another: drawn from the seed" if kept else ""
    return module, [f"begins with the weights of {recipe.task.weights}{anew}"]


def texts_of(program: Program) -> tuple[str, dict[str, str]]:
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
        UsageProblem: the folder holds no run, or that of a module that Python made.
        EnvironmentProblem: a file of the run is missing, damaged, or was changed since.
    """
    from archc.runtime import load_weights
    from archc.runtime.runs import refuse_changed_files

    built = kept_network(folder, max_layers=max_layers).module()
    refuse_changed_files(Path(folder))
    load_weights(built, Path(folder), which)
    return built.eval()


def kept_network(folder: str, *, max_layers: int = MOST_LAYERS) -> Network:
    """Return the network of a run, compiled from the text that the run kept; raises what `load_run` does."""
    kept = _kept(folder)
    path = os.path.join(folder, kept.file)
    try:
        source = decode(path, read_file(path))
    except OSError as error:
        raise EnvironmentProblem(f"the run {folder} has lost {path}: {error.strerror or error}") from None
    program = Program(source, path, root=os.path.join(folder, "arch"), zoo=os.path.join(folder, "zoo"))
    opened = Opened(choose(program, kept.name), program)
    parameters = read_parameters(opened, (f"{name}={value}" for name, value in kept.params.items()))
    return network(opened, parameters, max_layers=max_layers)


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
        about = json.loads(read_file(path))
        if "arch" not in about and "data" in about:
            raise UsageProblem(
                f"`{folder}` is the run of a module that Python made, not of an architecture;"
                f" archc.runtime.load_weights(module, {folder!r}) gives such a module its weights"
            )
        arch = about["arch"]
        kept = Kept(str(arch["file"]), str(arch["name"]), {str(k): str(v) for k, v in arch["params"].items()})
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EnvironmentProblem(f"{path} is damaged, or not of a run of an architecture: {error!r}") from None
    if ".." in Path(kept.file).parts or os.path.isabs(kept.file):
        raise EnvironmentProblem(f"{path} is damaged: its architecture lies outside the run")
    return kept
