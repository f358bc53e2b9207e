"""Random uses of every operator against torch: `python -m tests.campaigns.ops --cases 1000 --seed 1 [NAME...]`."""

import argparse
import sys
import time
from collections import Counter

from archc.compiler.ops import OPS
from tests.compiler.agreement import ONLY_ARCHC, Disagreement, campaign


def main() -> int:
    """Run the campaign, print what happened for each operator, and return 1 where archc and torch differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(OPS), metavar="NAME", help="operators; all by default")
    parser.add_argument("--cases", type=int, default=1000, help="uses of each operator (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    total: Counter[str] = Counter()
    failed = False
    for name in options.names:
        try:
            found = campaign(name, options.cases, options.seed)
        except Disagreement as disagreement:
            failed = True
            print(f"{name}: {disagreement}", flush=True)
            continue
        total += found
        print(f"{name}: {', '.join(f'{count} {what}' for what, count in sorted(found.items()))}", flush=True)
    print(f"\n{sum(total.values())} uses of {len(options.names)} operators in {time.monotonic() - began:.0f} s")
    for what, count in total.most_common():
        reason = next((f" ({reason})" for words, reason in ONLY_ARCHC.items() if what.endswith(words)), "")
        print(f"{count:8} {what}{reason}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
