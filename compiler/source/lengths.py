"""Classes of one block that differ in how often something is repeated become one, with the number as an argument."""

import re
from collections.abc import Sequence

from archc.compiler.source.classes import Class, Counted, Key, Plan
from archc.compiler.source.definitions import (
    ABSENT,
    Argument,
    Chain,
    Definition,
    Inner,
    Kept,
    Made,
    Progression,
    Run,
    Series,
    Vector,
    absent,
    merged,
    regular,
    skeleton,
)
from archc.compiler.source.structure import NUMBERED


def merge_lengths(classes: Sequence[Class]) -> list[Class]:
    """Return the classes of one block, those merged that run through the same modules, each once or several times."""
    result = list(classes)
    for whole in sorted(classes, key=lambda one: -len(_rows(one.plans[0]))):
        rows = _rows(whole.plans[0])
        if whole not in result or not any(isinstance(item, Run) for _, item in rows):
            continue
        alike = [one for one in result if one is whole or (one.base == whole.base and _fits(_rows(one.plans[0]), rows))]
        plans = _aligned([plan for one in alike for plan in one.plans]) if len(alike) > 1 else None
        if plans is None:
            continue
        scopes = [scope for one in alike for scope in one.scopes]
        instances = sorted(zip(scopes, plans, strict=True), key=lambda one: one[0].region.start)
        whole.scopes = [scope for scope, _ in instances]
        whole.plans = [plan for _, plan in instances]
        result = [one for one in result if one is whole or one not in alike]
    return result


def _rows(plan: Plan) -> list[tuple[Key, Definition]]:
    """The modules of a class that runs them one after the other, with their keys; empty for any other class."""
    if plan.form == "named":
        return _counted(list(plan.members))
    if plan.form == "chain" and isinstance(plan.members[0][1], Chain):
        return [("", item) for item in plan.members[0][1].items]
    return []


def _counted(rows: list[tuple[Key, Definition]]) -> list[tuple[Key, Definition]]:
    """The modules with two that are equal but for numbers that count, one after the other, as a run."""
    result: list[tuple[Key, Definition]] = []
    while rows:
        key, item = rows.pop(0)
        number = NUMBERED.fullmatch(key) if isinstance(key, str) else None
        if number is not None and rows and rows[0][0] == f"{number[1]}{int(number[2]) + 1}":
            both = regular([item, rows[0][1]])
            if both is not None:
                key, item = Counted(number[1], int(number[2])), Run(2, both)
                rows.pop(0)
        result.append((key, item))
    return result


def _fits(rows: list[tuple[Key, Definition]], whole: list[tuple[Key, Definition]]) -> bool:
    """Say whether modules are those of another class but for their numbers; its last run may be missing."""
    missing = len(whole) - len(rows)
    if not rows or missing not in (0, 1) or (missing and not isinstance(whole[-1][1], Run)):
        return False
    return all(
        _inside(item) == _inside(other) and _words(key) == _words(its)
        for (key, item), (its, other) in zip(rows, whole, strict=False)
    )


def _inside(definition: Definition) -> object:
    return skeleton(definition.item if isinstance(definition, Run) else definition)


def _words(key: Key) -> list[str]:
    """The text of a key without its numbers."""
    return re.split(r"\d+", key if isinstance(key, str) else f"{key.prefix}{key.start}")


def _aligned(plans: list[Plan]) -> list[Plan] | None:
    """The plans with the same modules in the same runs; `None` where that cannot be."""
    rows = [_rows(plan) for plan in plans]
    longest = max(rows, key=len)
    columns: list[list[Definition]] = []
    keys: list[Key] = []
    for index in range(len(longest)):
        column = _column([row[index][1] if index < len(row) else None for row in rows])
        key = _key([row[index][0] if index < len(row) else None for row in rows])
        if column is None or key is None:
            return None
        columns.append(column)
        keys.append(key)
    origins = max((plan.origins for plan in plans), key=lambda origins: len(origins) == len(columns))
    found = []
    for plan, items in zip(plans, zip(*columns, strict=True), strict=True):
        members: tuple[tuple[Key, Definition], ...] = ((".", Chain(items)),)
        if plan.form == "named":
            members = tuple(zip(keys, items, strict=True))
        found.append(plan._replace(members=members, origins=origins[: len(columns)]))
    return found


def _column(items: list[Definition | None]) -> list[Definition] | None:
    """The same module of several instances: as runs where it is a run in one of them, or is missing."""
    there = [item for item in items if item is not None]
    if len(there) == len(items) and not any(isinstance(item, Run) for item in items):
        return there
    made = [item.item if isinstance(item, Run) else item for item in there]
    rounds = [item.rounds if isinstance(item, Run) else 1 for item in there]
    if any(not isinstance(item, Made) or _is_deep(item) for item in made):
        return None
    changing: dict[str, Argument] = {}
    for item in made:
        assert isinstance(item, Made)
        for argument in item.arguments:
            if isinstance(argument.value, Progression | Series):
                known = changing.setdefault(argument.hint, argument)
                if type(known.value) is not type(argument.value):
                    return None
    if sum(isinstance(argument.value, Series) for argument in changing.values()) > 1:
        return None
    runs = [
        Run(count, _round(item, count, changing))
        for count, item in zip(rounds, made, strict=True)
        if isinstance(item, Made) and isinstance(count, int)
    ]
    missing = Run(0, absent(merged([run.item for run in runs])))
    found = iter(runs)
    return [next(found) if item is not None else missing for item in items]


def _is_deep(item: Made) -> bool:
    """Say whether anything within an argument changes from round to round."""
    return any(isinstance(argument.value, Made | Kept | Chain | Run | Inner) for argument in item.arguments)


def _round(item: Made, count: int, changing: dict[str, Argument]) -> Made:
    """What is made in a round, with the arguments that change from round to round in other instances written so."""
    names = [argument.hint for argument in item.arguments]
    arguments = list(item.arguments)
    arguments += [one._replace(value=one.default) for hint, one in changing.items() if hint not in names]
    for index, argument in enumerate(arguments):
        if argument.hint not in changing or isinstance(argument.value, Progression | Series):
            continue
        is_series = isinstance(changing[argument.hint].value, Series)
        step = 0 if count > 1 else ABSENT
        value = Series((argument.value,) * count) if is_series else Progression(argument.value, step)
        arguments[index] = argument._replace(value=value)
    return item._replace(arguments=tuple(arguments))


def _key(keys: list[Key | None]) -> Key | None:
    """One key for the same module of several instances; a number in which they differ becomes an argument."""
    there = [key for key in keys if key is not None]
    if all(key == there[0] for key in there):
        return there[0]
    is_counted = len(there) < len(keys) or any(isinstance(key, Counted) for key in there)
    texts = []
    starts: set[int | None] = set()
    for key in there:
        prefix, start = (key, None) if isinstance(key, str) else (key.prefix, key.start)
        if is_counted and start is None:
            found = NUMBERED.fullmatch(prefix)
            if found is None:
                return None
            prefix, start = found[1], int(found[2])
        texts.append(prefix)
        starts.add(start)
    parts = [re.split(r"(\d+)", text) for text in texts]
    differing = {i for i in range(len(parts[0])) if len({row[i] for row in parts}) > 1}
    if len(starts) > 1 or len(differing) > 1 or any(str(int(row[i])) != row[i] for row in parts for i in differing):
        return None
    (start,) = starts
    if not differing:
        return Counted(texts[0], start)
    (place,) = differing
    numbers = iter([int(row[place]) for row in parts])
    vector = Vector(tuple(ABSENT if key is None else next(numbers) for key in keys))
    return Counted("".join(parts[0][:place]), start, vector, "".join(parts[0][place + 1 :]))
