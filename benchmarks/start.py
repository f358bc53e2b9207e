"""How soon archc answers: `python -m benchmarks.start [ROUNDS]`.

`archc check archs/resnet18.arch` against `python -c pass` (mark: at most 12 times), and `archc build --summary`
against a script that builds torchvision's resnet18 and prints torchinfo's summary (mark: at least 30 times faster;
`pip install torchinfo`). Whole processes, as installed.
"""

import os
import sys

from benchmarks.paired import describe, in_turn, machine, ratios

TORCHINFO = (
    "import torchinfo, torchvision; torchinfo.summary(torchvision.models.resnet18(), (1, 3, 224, 224), verbose=1)"
)


def main(rounds: int) -> None:
    archc = os.path.join(os.path.dirname(sys.executable), "archc")
    print(machine())
    small = in_turn(
        {
            "python -c pass": [sys.executable, "-c", "pass"],
            "archc check": [archc, "check", "archs/resnet18.arch"],
            "archc build --summary": [archc, "build", "archs/resnet18.arch", "--summary"],
        },
        rounds=rounds,
    )
    nothing = small["python -c pass"]
    for name, samples in small.items():
        milliseconds = describe([1000 * sample.wall for sample in samples], 0)
        print(f"{name:24}{milliseconds:>22} ms, x python -c pass: {describe(ratios(samples, nothing))}")
    summary = "archc build --summary"
    large = in_turn(
        {summary: [archc, "build", "archs/resnet18.arch", "--summary"], "torchinfo": [sys.executable, "-c", TORCHINFO]},
        rounds=max(3, rounds // 4),
    )
    print(f"torchinfo / archc build --summary: {describe(ratios(large['torchinfo'], large[summary]), 1)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
