"""The reference of the settings in docs/training.md, made from the settings: `python -m tests.settings_page`."""

import ast
import inspect
import sys
from collections.abc import Iterable
from itertools import pairwise
from types import ModuleType

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from archc.runtime import recipe, settings
from archc.runtime.data.steps import STEPS, show_value
from archc.runtime.recipe_errors import expected, kinds_of
from tests.checkout import ROOT

PAGE = ROOT / "docs" / "training.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"


def meanings(model: type[BaseModel], module: ModuleType) -> dict[str, str]:
    """The sentence below each field of a model."""
    tree = ast.parse(inspect.getsource(module))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == model.__name__)
    found = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
            assert isinstance(field.target, ast.Name)
            assert isinstance(below.value, ast.Constant)
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def reference() -> str:
    """All settings with their defaults, values and meanings, as Markdown."""
    parts = ["### Settings", _table([*_rows(recipe.Task, recipe), *_rows(settings.Settings, settings)])]
    for name, title in (("optimizer", "Optimizers"), ("schedule", "Schedules")):
        parts.append(f"### {title}")
        for kind in kinds_of(settings.Settings.model_fields[name]):
            rows = [row for row in _rows(kind, sys.modules[kind.__module__]) if row[0] != "name"]
            own = kind.model_fields["name"].default
            parts += [f"`{name}: {own}`: {inspect.getdoc(kind)}", _table(rows)]
    for title, model in (("Normalize", settings.Normalize), ("Checkpoint", settings.Checkpoints)):
        parts += [f"### {title}", str(inspect.getdoc(model)), _table(_rows(model, settings))]
    parts.append("### Augment")
    for name, step in STEPS.items():
        rows = [
            (
                key,
                show_value(a.default),
                f"{'a pair from' if isinstance(a.default, tuple) else 'from'} {a.least:g} to {a.most:g}",
                a.meaning,
            )
            for key, a in step.arguments.items()
        ]
        first = f"; `{name}: VALUE` sets {step.first}" if len(rows) > 1 else ""
        parts += [f"`{name}`: {step.summary}{first}.", _table(rows)]
    return "\n\n".join(parts) + "\n"


def page(text: str) -> str:
    """A page with the reference between its marks made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{reference()}\n{END}{after}"


Row = tuple[str, str, str, str]


def _rows(model: type[BaseModel], module: ModuleType) -> list[Row]:
    meaning = meanings(model, module)
    return [
        (
            name,
            _shown(field.get_default(call_default_factory=True, validated_data={})),
            expected(field.annotation, field.metadata),
            meaning.get(name, ""),
        )
        for name, field in model.model_fields.items()
    ]


def _shown(value: object) -> str:
    if isinstance(value, BaseModel):
        values = {key: _shown(one) for key, one in value.model_dump().items()}
        return values.get("name") or "{" + ", ".join(f"{key}: {one}" for key, one in values.items()) + "}"
    if value is PydanticUndefined:
        return ""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(rows: Iterable[Row]) -> str:
    lines = ["| key | default | values | meaning |", "|---|---|---|---|"]
    for key, default, values, meaning in rows:
        shown = f"`{default}`" if default else ""
        lines.append(f"| `{key}` | {shown} | {values} | {meaning} |")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
