"""Tables of experiments: which networks are trained how, to be compared; rows that were trained already are kept."""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from archc.dsl import ast
from archc.files import Opened, open_file
from archc.messages import say
from archc.network import given
from archc.recipes import recipe_text, table_text
from archc.resume import resume_run
from archc.training import texts_of, train_opened

if TYPE_CHECKING:
    from archc.runtime.recipe import Recipe
    from archc.runtime.recipe_text import Layer
    from archc.runtime.watch import Watch

OWN_KEYS = ("network", "recipe")
"""The keys of a row besides those of recipes."""
TABLE_KEYS = ("title", "rows")
MOST_ROWS = 100
EXAMPLE = "rows: {LeNet: {network: d2l/lenet, recipe: d2l/lenet, epochs: 3}}"


class Experiment(NamedTuple):
    """A row of a table: its name, the network and the settings as resolved."""

    name: str
    opened: Opened
    recipe: "Recipe"


class Table(NamedTuple):
    """A table of experiments; `name` is that of the folder with its runs."""

    name: str
    title: str
    rows: tuple[Experiment, ...]


def read_table(argument: str, changes: "Layer | None" = None) -> Table:
    """The table of a YAML file or of the zoo, every row resolved: recipe < the table's settings < the row's < changes.

    Raises:
        UsageProblem: there is no such table, network or recipe.
        SettingsError: the table or a setting is wrong, with its place.
        ArchError: a network has mistakes.

    >>> table = read_table("d2l/table")
    >>> [row.name for row in table.rows][:3], table.rows[0].recipe.settings.lr
    (['LeNet', 'AlexNet', 'VGG-11'], 0.9)
    """
    from archc.runtime.errors import SettingsError
    from archc.runtime.recipe_text import Layer, read_recipe

    layer = read_recipe(table_text(argument), argument)
    rows = layer.values.get("rows")
    if not isinstance(rows, dict) or not rows:
        place = layer.places["rows",].value if "rows" in layer.values else argument
        raise SettingsError(f"{place}: a table needs rows, a mapping of names to a network each: {EXAMPLE}")
    if len(rows) > MOST_ROWS:
        raise SettingsError(
            f"{layer.places['rows',].value}: a table has at most {MOST_ROWS} rows, this one {len(rows)}"
        )
    title = layer.values.get("title", argument)
    if not isinstance(title, str):
        raise SettingsError(f"{layer.places['title',].value}: title must be a text, found {title!r}")
    shared = {key: value for key, value in layer.values.items() if key not in TABLE_KEYS}
    _refuse_unknown(shared, layer, (), TABLE_KEYS)
    every = Layer(argument, shared, layer.places)
    read = []
    for name, row in rows.items():
        here = ("rows", name)
        own = {key: value for key, value in row.items() if key not in OWN_KEYS} if isinstance(row, dict) else {}
        _refuse_unknown(own, layer, here, OWN_KEYS)
        if not isinstance(row, dict) or not isinstance(row.get("network"), str):
            raise SettingsError(f"{layer.places[here].value}: row {name!r} needs a network: {EXAMPLE}")
        if not isinstance(row.get("recipe", ""), str):
            where = layer.places[*here, "recipe"].value
            raise SettingsError(f"{where}: recipe must be a name, found {row['recipe']!r}")
        places = {path[2:]: found for path, found in layer.places.items() if path[:2] == here}
        read.append((name, row, [every, Layer(f"row {name}", own, places), *([changes] if changes else [])]))
    return Table(
        slug("/".join(Path(argument).with_suffix("").parts[-2:])),
        title,
        tuple(_experiment(name, row, layers) for name, row, layers in read),
    )


def _refuse_unknown(values: Mapping[str, Any], layer: "Layer", path: tuple[str, ...], others: Iterable[str]) -> None:
    """Refuse keys that neither a recipe nor this part of a table has."""
    from archc.runtime.errors import SettingsError
    from archc.runtime.recipe import Task
    from archc.runtime.recipe_errors import unknown_key
    from archc.runtime.settings import Settings

    known = {*Settings.model_fields, *Task.model_fields}
    wrong = [
        f"{layer.places[(*path, key)].key}: {unknown_key(Settings, key, others=(*Task.model_fields, *others))}"
        for key in values
        if key not in known
    ]
    if wrong:
        raise SettingsError("\n".join(wrong))


def _experiment(name: str, row: Mapping[str, Any], layers: "list[Layer]") -> Experiment:
    from archc.runtime.recipe import resolve
    from archc.runtime.recipe_text import read_recipe

    recipe = row.get("recipe")
    base = [] if recipe is None else [read_recipe(recipe_text(recipe), recipe)]
    return Experiment(name, open_file(row["network"]), resolve([*base, *layers], recipe=recipe or layers[0].name))


def train_table(
    table: Table, folder: Path, *, quiet: bool = False, watch: "Watch | None" = None
) -> tuple[list[tuple[str, Path]], int]:
    """Train the rows that `folder` does not hold yet; the rows' names with their runs, and the exit status.

    A row that was stopped goes on. Where a row's guard stops it (a loss that is not a number), this is said, the next
    one comes, and the status is 4. The runs report to `watch`, by default to stderr, with `quiet` to nobody.
    """
    from archc.runtime.errors import RunStopped
    from archc.runtime.watch import chosen_watch

    tell = (lambda text: None) if quiet else say
    runs, status = list[tuple[str, Path]](), 0
    for number, row in enumerate(table.rows, 1):
        place = f"{row.name} ({number} of {len(table.rows)})"
        kept, done = find_kept(row, folder)
        out = kept or _free_folder(folder, slug(row.name))
        runs.append((row.name, out))
        tell(f"{place}: {'done before' if done else 'goes on' if kept else 'is trained'}, in {out}")
        if done:
            continue
        watches = chosen_watch(sys.stderr, quiet=quiet, watch=watch)  # one for each run
        try:
            if kept is not None:
                resume_run(kept, data_root=row.recipe.task.data_root, watch=watches)
            else:
                train_opened(row.opened, given({}), recipe=row.recipe, out=out, watch=watches)
        except RunStopped as error:
            say(f"error: {row.name}: {error}")
            status = RunStopped.exit_status
    return runs, status


def find_kept(row: Experiment, folder: Path) -> tuple[Path | None, bool]:
    """The run of a row in a folder, of the same network, data and settings, and whether it is finished."""
    from archc.runtime.runs import read_run

    numbered = re.compile(re.escape(slug(row.name)) + r"-\d+")
    for found in sorted(folder.glob("*"), key=lambda path: (len(path.name), path.name)):
        state = read_run(found).state if numbered.fullmatch(found.name) else "damaged"
        if state != "damaged" and _is_of(found, row):
            return found, state == "finished"
    return None, False


def _is_of(folder: Path, row: Experiment) -> bool:
    """Whether a run was asked for the same as a row asks."""
    from archc.runtime.errors import EnvironmentProblem, SettingsError
    from archc.runtime.recipe import resolve
    from archc.runtime.recipe_text import read_recipe
    from archc.runtime.runs import read_json, read_text

    main, texts = texts_of(row.opened.program)
    wanted, arch = row.recipe, row.opened.definition.item
    assert isinstance(arch, ast.Arch | ast.Specialisation)
    try:
        recipe = resolve([read_recipe(read_text(folder / "recipe.yaml"), "recipe.yaml")])
        kept = read_json(folder / "run.json")["arch"]
        if (kept["file"], kept["name"]) != (main, arch.name.text):
            return False
        if any(read_text(folder / name) != text for name, text in texts.items()):
            return False
    except (EnvironmentProblem, SettingsError, KeyError, TypeError):
        return False
    settings = recipe.settings if "init" in wanted.named else recipe.settings.but(init=wanted.settings.init)
    here = {"data_root": None}  # the same data set may lie elsewhere
    tasks = (task.model_copy(update=here) for task in (recipe.task, wanted.task))
    return next(tasks) == next(tasks) and settings == wanted.settings


def _free_folder(folder: Path, name: str) -> Path:
    number = 1
    while (folder / f"{name}-{number}").exists():
        number += 1
    return folder / f"{name}-{number}"


def slug(name: str) -> str:
    """A name as a folder has it.

    >>> slug("MLP, shuffled"), slug("d2l/table"), slug("../x")
    ('mlp-shuffled', 'd2l-table', 'x')
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "table"
