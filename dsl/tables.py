"""The parser's tables: what each state does with each token.

Lark works them out from grammar.lark. Importing lark and doing so takes longer than a whole `archc check` may, so the
result is kept beside the grammar as plain literals, `grammar_tables.py`, with a checksum of the grammar. An edited
grammar works at once, only slower, until `python -m archc.dsl.tables` has written that file again.
"""

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lark.grammar import Rule, Symbol

GRAMMAR = Path(__file__).with_name("grammar.lark")
WRITTEN = Path(__file__).with_name("grammar_tables.py")
START = ("file", "expression")

GAP = -1  # in `Production.take`: nothing stands here, the callback gets None
SPLICE = 1000  # added to an index: the children of that part, not the part


class Production(NamedTuple):
    """One alternative of a rule, and what becomes of its parts.

    `action` names the function that makes the node; it is empty where the parts are only collected (`_rules`) or
    passed on. `take` are the indices of the parts that are handed on. `single`: one part alone stands for the whole.
    """

    origin: str
    size: int
    action: str
    take: tuple[int, ...]
    single: bool


class Tables(NamedTuple):
    """An LALR(1) automaton.

    `actions[state][token]` is the state to shift to, or `~production`. `gotos[state][rule]` is the state after a
    reduction. A word of the language and a sign stand for themselves as token names; `patterns` match the others.
    """

    productions: tuple[Production, ...]
    actions: tuple[dict[str, int], ...]
    gotos: tuple[dict[str, int], ...]
    starts: dict[str, int]
    ends: dict[str, int]
    words: tuple[str, ...]
    signs: tuple[str, ...]
    patterns: dict[str, str]


def load() -> Tables:
    """Return the tables of grammar.lark: as written, or worked out anew if the grammar has changed since."""
    from archc.dsl import grammar_tables as written

    if checksum() != written.CHECKSUM:
        return build()
    groups = [group.split() for group in written.GROUPS]
    rows = [
        {name: row[place + 1] for place in range(0, len(row), 2) for name in groups[row[place]]} for row in written.ROWS
    ]
    return Tables(
        tuple(map(Production._make, written.PRODUCTIONS)),
        tuple(map(rows.__getitem__, written.ACTIONS)),
        tuple(map(rows.__getitem__, written.GOTOS)),
        written.STARTS,
        written.ENDS,
        written.WORDS,
        written.SIGNS,
        written.PATTERNS,
    )


def checksum() -> int:
    return zlib.crc32(GRAMMAR.read_bytes().replace(b"\r\n", b"\n"))


def build() -> Tables:
    """Work out the tables with Lark. The numbering of states and productions depends on the grammar alone."""
    from lark import Lark

    parser = Lark(GRAMMAR.read_text("utf-8"), parser="lalr", lexer="basic", start=list(START))
    table = parser.parser.parser._parse_table
    spelling = {t.name: t.pattern.value if t.pattern.type == "str" else t.name for t in parser.terminals}
    # Lark's own order follows the order of sets, which changes from run to run.
    rules = sorted(parser.rules, key=lambda rule: (rule.origin.name, [symbol.name for symbol in rule.expansion]))
    productions = {rule: number for number, rule in enumerate(rules)}

    def spelled(name: str) -> str:
        return spelling.get(name, name)

    def by_spelling(name: str) -> tuple[str, str]:
        return spelled(name), name  # a word and a rule may be spelled alike: "let" and let

    # States are numbered as they are reached.
    order: dict[int, int] = {}
    queue = [table.start_states[start] for start in START]
    for state in queue:
        if state not in order:
            order[state] = len(order)
            row = table.states[state]
            queue += [row[name][1] for name in sorted(row, key=by_spelling) if row[name][0].name != "Reduce"]
    actions: list[dict[str, int]] = []
    gotos: list[dict[str, int]] = []
    for state in order:
        action_row, goto_row = {}, {}
        for name, (kind, target) in sorted(table.states[state].items(), key=lambda entry: by_spelling(entry[0])):
            if kind.name == "Reduce":
                action_row[spelled(name)] = ~productions[target]
            elif name.isupper() or name.startswith("$"):
                action_row[spelled(name)] = order[target]
            else:
                goto_row[name] = order[target]
        actions.append(action_row)
        gotos.append(goto_row)

    fixed = sorted(t.pattern.value for t in parser.terminals if t.pattern.type == "str")
    return Tables(
        tuple(_production(rule) for rule in rules),
        tuple(actions),
        tuple(gotos),
        {start: order[table.start_states[start]] for start in START},
        {start: order[table.end_states[start]] for start in START},
        tuple(word for word in fixed if word.isalpha()),
        tuple(sign for sign in fixed if not sign.isalpha()),
        {t.name: t.pattern.value for t in sorted(parser.terminals, key=lambda t: t.name) if t.pattern.type == "re"},
    )


def _production(rule: "Rule") -> Production:
    from lark.grammar import Terminal

    # An empty index says that an absent `[part]` leaves a gap there (lark.parse_tree_builder does the same).
    gaps = rule.options.empty_indices or (False,) * len(rule.expansion)
    parts = iter(enumerate(rule.expansion))
    take = []
    for gap in gaps:
        if gap:
            take.append(GAP)
        else:
            index, symbol = next(parts)
            if rule.options.keep_all_tokens or not (isinstance(symbol, Terminal) and symbol.filter_out):
                take.append(index + SPLICE * _is_spliced(symbol))
    origin = str(rule.origin.name)
    single = rule.options.expand1 and not rule.alias
    passed = single and len(take) == 1 and take[0] < SPLICE
    action = "" if passed or _is_spliced(rule.origin) else str(rule.alias or origin)
    return Production(origin, len(rule.expansion), action, tuple(take), single)


def _is_spliced(symbol: "Symbol") -> bool:
    return not symbol.is_term and symbol.name.startswith("_")


def render(tables: Tables) -> str:
    """Return the text of grammar_tables.py."""
    # Most rows do the same with many tokens, and many rows are alike: groups of names, rows of (group, target) pairs.
    groups: dict[str, int] = {}
    rows: dict[tuple[int, ...], int] = {}

    def number(row: dict[str, int]) -> int:
        names: dict[int, list[str]] = {}
        for name, target in row.items():
            names.setdefault(target, []).append(name)
        pairs = [(groups.setdefault(" ".join(group), len(groups)), target) for target, group in names.items()]
        return rows.setdefault(tuple(value for pair in pairs for value in pair), len(rows))

    actions = [number(row) for row in tables.actions]
    gotos = [number(row) for row in tables.gotos]
    lines = [
        '"""The LALR tables of grammar.lark. Written by `python -m archc.dsl.tables`; not meant to be edited."""',
        "",
        f"CHECKSUM = {checksum()}",
        f"STARTS = {tables.starts!r}",
        f"ENDS = {tables.ends!r}",
        *_wrapped("WORDS = (", [repr(word) for word in tables.words], ")"),
        *_wrapped("SIGNS = (", [repr(sign) for sign in tables.signs], ")"),
        "PATTERNS = {",
        *(f"    {name!r}: {pattern!r}," for name, pattern in tables.patterns.items()),
        "}",
        *_wrapped("PRODUCTIONS = (", [repr(tuple(production)) for production in tables.productions], ")"),
        *_wrapped("GROUPS = (", [f'"{group}"' for group in groups], ")"),
        *_wrapped("ROWS: tuple[tuple[int, ...], ...] = (", [repr(row) for row in rows], ")"),
        *_wrapped("ACTIONS = (", [str(row) for row in actions], ")"),
        *_wrapped("GOTOS = (", [str(row) for row in gotos], ")"),
    ]
    return "\n".join(lines) + "\n"


def _wrapped(head: str, items: list[str], tail: str, width: int = 120) -> list[str]:
    # Tuples may be broken at their spaces, strings may not.
    pieces = [piece for item in items for piece in ([item] if item[0] in "\"'" else item.split(" "))]
    lines, line = [head], "   "
    for piece in pieces:
        word = piece if piece.endswith(",") else f"{piece},"
        if len(line) + 1 + len(word) > width:
            lines.append(line)
            line = "   "
        line += f" {word}"
    return [*lines, line, tail]


if __name__ == "__main__":
    WRITTEN.write_text(render(build()), "utf-8")
    print(f"written: {WRITTEN}")
