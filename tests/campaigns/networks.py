"""Random networks for inputs of any size against torch: `python -m tests.campaigns.networks --count 500 --seed 1`.

For each network every input size from 1 to 200 is tried on torch's meta device (of two sizes: all equal pairs, and as
many random ones), in torch's own functions and in the module that archc writes.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import NamedTuple

import torch

from archc.compiler.algebra.condition import Condition
from archc.compiler.algebra.sizes import evaluate
from archc.dsl.diagnostics import ArchError
from archc.files import open_text
from archc.network import Network, network
from tests.campaigns.random_networks import RandomNetwork, random_network

LIMIT = 200  # the largest size that is tried

EXACT = "the condition is exact"
SUFFICIENT = "the condition is sufficient: the sizes that run are no multiple with bounds"
IMPOSSIBLE = "refused, and no size runs"
NOT_FOLLOWED = "refused, because archc cannot follow a size exactly (E0207)"
DISAGREEMENT = "archc and torch disagree"


class Disagreement(AssertionError):
    """archc and torch differ on a network."""


class Finding(NamedTuple):
    """What happened to a network, and more words about it."""

    kind: str
    detail: str = ""


def compare(made: RandomNetwork, random: Random) -> Finding:
    """Compare what archc says of a network with what torch does.

    Raises:
        Disagreement: archc accepts what does not run, or refuses what runs without a reason; or the sizes differ.
    """
    tried = choices(made.symbols(), random)
    outcomes = [made.outcome(sizes) for sizes in tried]
    runs = [sizes for sizes, outcome in zip(tried, outcomes, strict=True) if outcome is not None]
    try:
        checked = network(open_text(made.text), {})
    except ArchError as error:
        codes = {diagnostic.code for diagnostic in error.diagnostics}
        if codes == {"E0207"}:
            return Finding(NOT_FOLLOWED, error.diagnostics[0].primary.text)
        if runs:
            raise Disagreement(f"torch runs at {runs[:3]}, archc refuses:\n{error}\n{made.text}") from None
        return Finding(IMPOSSIBLE)
    conditions = checked.checked.shaped.conditions
    said = ", ".join(map(str, conditions)) or "no condition"
    accepted = [all(one.holds(sizes) for one in conditions) for sizes in tried]
    _same_shapes(made, checked, list(zip(tried, outcomes, accepted, strict=True)), said)
    if len(runs) == sum(accepted):
        return Finding(EXACT, said)
    refused = [s for s, outcome, holds in zip(tried, outcomes, accepted, strict=True) if outcome and not holds]
    if _expressible(made, refused, runs, lambda sizes: all(one.holds(sizes) for one in conditions)):
        raise Disagreement(f"archc says: {said}; but torch also runs at {refused[:6]}\n{made.text}")
    if len(made.symbols()) == 1 and len(conditions) == 1 and isinstance(conditions[0], Condition):
        _widest(made, conditions[0], {sizes[conditions[0].symbol] for sizes in runs})
    return Finding(SUFFICIENT, said)


def choices(symbols: Sequence[str], random: Random) -> list[dict[str, int]]:
    """Return the sizes to try: all from 1 to the limit; of two symbols the equal ones, and as many at random."""
    found = [dict.fromkeys(symbols, n) for n in range(1, LIMIT + 1)]
    if len(symbols) > 1:
        found += [{name: random.randint(1, LIMIT) for name in symbols} for _ in range(LIMIT)]
    return found


Tried = tuple[dict[str, int], tuple[int, ...] | None, bool]


def _same_shapes(made: RandomNetwork, checked: Network, tried: Sequence[Tried], said: str) -> None:
    """What archc accepts runs, with the sizes that archc says; its module accepts exactly that."""
    (output,) = checked.outputs.values()
    with torch.device("meta"):
        module = checked.module().eval()
    for sizes, outcome, holds in tried:
        if holds and outcome is None:
            raise Disagreement(f"archc says: {said}; but torch refuses {sizes}\n{made.text}")
        expected = tuple(evaluate(size, sizes) for size in output) if holds else None
        if holds and outcome != expected:
            raise Disagreement(f"at {sizes} archc says {expected}, torch {outcome}\n{made.text}")
        shape = [sizes[size] if isinstance(size, str) else size for size in made.shape]
        try:
            found = tuple(module(torch.empty([1, *shape], device="meta")).shape[1:])
        except AssertionError:
            found = None
        except (RuntimeError, ValueError, IndexError) as error:
            raise Disagreement(f"the module neither runs nor asserts at {sizes}: {error}\n{made.text}") from None
        if found != expected:
            raise Disagreement(f"at {sizes} archc says {expected}, its module {found}\n{made.text}")


def _expressible(
    made: RandomNetwork,
    refused: Sequence[dict[str, int]],
    runs: Sequence[dict[str, int]],
    holds: Callable[[dict[str, int]], bool],
) -> bool:
    """Whether what runs could be said as one multiple with bounds for each symbol, or as symbols that are equal."""
    symbols = made.symbols()
    if len(symbols) == 1:
        return _progression([sizes[symbols[0]] for sizes in runs])
    base = next((sizes for sizes in runs if holds(sizes)), runs[0])
    lines = {}
    for name in symbols:
        line = [{**base, name: n} for n in range(1, LIMIT + 1)]
        lines[name] = [sizes[name] for sizes in line if made.outcome(sizes) is not None]
    product = all((made.outcome(sizes) is not None) == all(sizes[n] in lines[n] for n in symbols) for sizes in refused)
    equal = all(len(line) == 1 for line in lines.values())
    if equal:
        return _progression(sorted({sizes[symbols[0]] for sizes in runs}))
    return product and all(map(_progression, lines.values()))


def _widest(made: RandomNetwork, found: Condition, runs: set[int]) -> None:
    """A condition that only suffices reaches as far down as it can, and no multiple of less would do."""
    if found.maximum is not None:
        return
    multiples = {d: range(-(-found.minimum // d) * d, LIMIT + 1, d) for d in range(1, found.multiple)}
    wider = [d for d, tried in multiples.items() if len(tried) > 4 and runs >= set(tried)]  # fewer prove nothing
    if wider or found.minimum - found.multiple in runs:
        raise Disagreement(f"archc says: {found}; but multiples of {wider} run, or less\n{made.text}")


def _progression(members: Sequence[int]) -> bool:
    """Whether numbers up to the limit are one residue class within bounds."""
    return len({b - a for a, b in pairwise(members)}) <= 1


def campaign(count: int, seed: int, report: Callable[[str], None] = lambda line: None) -> Counter[str]:
    """Compare random networks; return how often what happened, and report each that is not simply exact."""
    total: Counter[str] = Counter()
    for number in range(count):
        random = Random(f"{seed} {number}")
        try:
            finding = compare(random_network(random), random)
        except Disagreement as disagreement:
            finding = Finding(DISAGREEMENT, str(disagreement))
        total[finding.kind] += 1
        if finding.kind not in (EXACT, IMPOSSIBLE):
            report(f"network {number}: {finding.kind}: {finding.detail}")
    return total


def main() -> int:
    """Run the campaign, print what happened, and return 1 where archc and torch differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="networks (default 500)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="print and compare this network alone")
    options = parser.parse_args()
    began = time.monotonic()
    if options.only is not None:
        random = Random(f"{options.seed} {options.only}")
        made = random_network(random)
        print(made.text)
        print(compare(made, random))
        return 0
    total = campaign(options.count, options.seed, lambda line: print(line, flush=True))
    print(f"\n{options.count} networks, sizes 1 to {LIMIT}, in {time.monotonic() - began:.0f} s")
    for kind in (EXACT, IMPOSSIBLE, SUFFICIENT, NOT_FOLLOWED, DISAGREEMENT):
        print(f"{total[kind]:6} {kind}")
    return int(total[DISAGREEMENT] > 0)


if __name__ == "__main__":
    sys.exit(main())
