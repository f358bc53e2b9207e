"""The zoo against every builder of torchvision: `python -m tests.campaigns.zoo [NAME...]`.

Prints a line for each network and the score: how many have the same keys, results, and results in training.
`--keys` compares keys only, which needs little memory; `--set aux_loss=true` builds both with another setting.
"""

import argparse
import json
import sys
import time

from archc.dsl.diagnostics import ArchError
from archc.problems import UsageProblem
from tests.torchvision_peer import CLASSIFICATION, SEGMENTATION, Compared, compare


def main() -> int:
    """Compare the named networks and return 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks; all of classification by default")
    parser.add_argument("--segmentation", action="store_true", help="the segmentation networks")
    parser.add_argument("--keys", action="store_true", help="keys only")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a parameter of both")
    options = parser.parse_args()
    parameters = {name: json.loads(text) for name, text in (item.split("=", 1) for item in options.set)}
    names = options.names or (SEGMENTATION if options.segmentation else CLASSIFICATION)
    found = {}
    for name in names:
        began = time.monotonic()
        try:
            found[name] = compare(name, outputs=not options.keys, settings=parameters)
        except (ArchError, UsageProblem) as error:
            found[name] = Compared(note=str(error).splitlines()[0])
        print(f"{name:24} {_words(found[name])}  {time.monotonic() - began:.1f} s", flush=True)
    parts = ("keys",) if options.keys else ("keys", "outputs", "training")
    score = {part: sum(getattr(each, part) for each in found.values()) for part in parts}
    print(", ".join(f"{count} of {len(names)} {part}" for part, count in score.items()))
    return int(any(count < len(names) for count in score.values()))


def _words(compared: Compared) -> str:
    equal = [part for part in ("keys", "outputs", "training") if getattr(compared, part)]
    return " ".join(equal) + (f"  {compared.note}" if compared.note else "")


if __name__ == "__main__":
    sys.exit(main())
