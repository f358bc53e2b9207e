"""Two variants of one block become one class: what only one of them has stands under a condition."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher

from archc.compiler.source.classes import Class, Option, Plan
from archc.compiler.source.definitions import ABSENT, Inner, Kept, absent, merged, skeleton
from archc.compiler.source.forward import Forward, Statement, words
from archc.compiler.source.keys import access
from archc.compiler.source.names import is_attribute, variable
from archc.compiler.source.parts import Hole, Mark, join
from archc.compiler.source.scopes import Scope

MOST_CONDITIONS = 3  # in one `forward`, for it to be read
INDENT = "    "
RESIDUAL = "residual"  # what tells apart variants of which one adds its input to what the other leaves


def merge_variants(classes: Sequence[Class], attributes: Callable[[Scope], Plan]) -> list[Class]:
    """Return some classes, those of one block merged that differ in an optional part.

    `attributes` gives the plan of a scope as a module with attributes, where it is written in a shorter way alone.
    """
    result = list(classes)
    for whole in classes:
        for plain in [one for one in result if one.base == whole.base and one is not whole]:
            if whole in result and _merge(whole, plain, attributes):
                result.remove(plain)
    return result


def _merge(whole: Class, plain: Class, attributes: Callable[[Scope], Plan]) -> bool:
    """Add the instances of a class to one that does the same and more; say whether that could be done."""
    forms = {whole.plans[0].form, plain.plans[0].form}
    if whole.option or plain.option or "module" not in forms or not forms <= {"module", "named"}:
        return False
    known = [one.plans if one.plans[0].form == "module" else [*map(attributes, one.scopes)] for one in (whole, plain)]
    first, other = known[0][0], known[1][0]
    if first.forward is None or other.forward is None or first.forward[::2] != other.forward[::2]:
        return False
    group = _group(first, other)
    if group is None:
        return False
    keys = tuple(str(key) for key, _ in first.members[group])
    body = _Body(first.forward, other.forward, access(keys[0] if keys else RESIDUAL), is_module=bool(keys))
    if not keys and (not body.is_residual or RESIDUAL in {key for key, _ in first.members}):
        return False
    if body.conditions > MOST_CONDITIONS:
        return False
    rows = zip(*(plan.members[group] for plan in known[0]), strict=True)
    missing = tuple((row[0][0], absent(merged([definition for _, definition in row]))) for row in rows)
    plans = [plan._replace(forward=body.of(plan.forward, other.forward, own=0)) for plan in known[0]]
    for plan in known[1]:
        members = (*plan.members[: group.start], *missing, *plan.members[group.start :])
        plans.append(Plan(plan.form, members, body.of(first.forward, plan.forward, own=1), first.origins))
    there = [*(True for _ in known[0]), *(False for _ in known[1])]
    instances = sorted(
        zip([*whole.scopes, *plain.scopes], plans, there, strict=True), key=lambda one: one[0].region.start
    )
    whole.scopes = [scope for scope, _, _ in instances]
    whole.plans = [plan for _, plan, _ in instances]
    whole.option = Option(keys[0] if keys else RESIDUAL, keys, tuple(is_there for _, _, is_there in instances))
    return True


def _group(whole: Plan, plain: Plan) -> slice | None:
    """Where the modules stand that only the first has: all that is beside those of the second, in one place.

    Where both have the same ones, no place.
    """
    count = len(whole.members) - len(plain.members)
    if count < 0:
        return None
    pairs = zip(_shapes(whole), _shapes(plain), strict=False)
    start = next((i for i, (a, b) in enumerate(pairs) if a != b), len(plain.members))
    if _shapes(whole)[start + count :] != _shapes(plain)[start:]:
        return None
    for key, definition in whole.members[start : start + count]:
        if not isinstance(key, str) or not is_attribute(key) or isinstance(definition, Kept | Inner):
            return None
    return slice(start, start + count)


def _shapes(plan: Plan) -> list[object]:
    return [(key, skeleton(definition)) for key, definition in plan.members]


class _Body:
    """The statements of two variants of `forward` as one: those that only one has stand under a condition."""

    __slots__ = ("_codes", "_names", "_option", "_tests", "conditions", "is_residual")

    def __init__(self, whole: Forward, plain: Forward, option: str, *, is_module: bool) -> None:
        matcher = SequenceMatcher(None, _texts(whole), _texts(plain), autojunk=False)
        self._codes = matcher.get_opcodes()
        self._option = option
        self._tests = (f"{option} is not None", f"{option} is None") if is_module else (option, f"not {option}")
        self._names = words(whole) | words(plain)
        self.conditions = sum(code[0] != "equal" for code in self._codes)
        results = [_text(body.statements[-1]).removeprefix("return ") for body in (whole, plain)]
        self.is_residual = self.conditions == 1 and results[0] in (f"x + {results[1]}", f"{results[1]} + x")

    def of(self, whole: Forward | None, plain: Forward | None, *, own: int) -> Forward:
        """The body for an instance of the first variant (`own` is 0) or of the second (1)."""
        assert whole is not None
        assert plain is not None
        result: list[Statement] = []
        for tag, start, end, plain_start, plain_end in self._codes:
            both = [list(whole.statements[start:end]), list(plain.statements[plain_start:plain_end])]
            if tag == "equal":
                result += both[own]
                continue
            both[1 - own] = [_void(statement) for statement in both[1 - own]]
            result += self._applied(both[0], both[1], whole.statements[end:], own) or self._conditional(*both)
        return whole._replace(statements=tuple(result))

    def _applied(
        self, whole: list[Statement], plain: list[Statement], after: Iterable[Statement], own: int
    ) -> list[Statement]:
        """Two lines that differ in whether the module is applied to a variable that nothing reads `after` them.

        Empty where they do not.
        """
        if len(whole) != 1 or len(plain) != 1:
            return []
        found = re.search(rf"{re.escape(self._option)}\((\w+)\)", _text(whole[0]))
        if found is None or _text(whole[0]).replace(found[0], found[1]) != _text(plain[0]):
            return []
        if any(re.search(rf"\b{found[1]}\b", _text(statement)) for statement in after):
            return []
        name = found[1]
        if len(re.findall(rf"\b{name}\b", _text(plain[0]))) > 1:
            name = variable("identity", self._names)
            first = [Statement((f"{name} = {found[1]} if {self._option} is None else {found[0]}",), whole[0].origin)]
        else:
            first = [Statement((f"if {self._option} is not None:",), whole[0].origin)]
            first.append(_indented(Statement((f"{name} = {found[0]}",), whole[0].origin)))
        holes = iter([part for part in (whole, plain)[own][0].parts if isinstance(part, Hole)])
        parts: list[str | Hole | Mark] = []
        for part in whole[0].parts:
            if isinstance(part, str):
                parts.append(part.replace(found[0], name))
            elif isinstance(part, Hole):
                parts.append(next(holes))
            else:
                parts.append(part)
        return [*first, Statement(join(parts), plain[0].origin)]

    def _conditional(self, whole: list[Statement], plain: list[Statement]) -> Iterator[Statement]:
        leaves = plain and whole and _text(whole[-1]).startswith("return ")
        if not whole or (leaves and len(plain) < len(whole)):
            first, second, test = plain, whole, f"if {self._tests[1]}:"
        else:
            first, second, test = whole, plain, f"if {self._tests[0]}:"
        yield Statement((test,), first[0].origin)
        yield from map(_indented, first)
        if leaves or not second:
            yield from second
            return
        yield Statement(("else:",), second[0].origin)
        yield from map(_indented, second)


def _texts(body: Forward) -> list[str]:
    return [_text(statement) for statement in body.statements]


def _text(statement: Statement) -> str:
    """The text of a statement with a place for each value."""
    return "".join(part if isinstance(part, str) else "{}" * isinstance(part, Hole) for part in statement.parts)


def _void(statement: Statement) -> Statement:
    """A statement that an instance does not run: without values."""
    return statement._replace(
        parts=tuple(Hole(ABSENT, part.hint) if isinstance(part, Hole) else part for part in statement.parts)
    )


def _indented(statement: Statement) -> Statement:
    return statement._replace(parts=join([INDENT, *statement.parts]))
