"""How the time grows with the network: `python -m benchmarks.layers [ROUNDS]`.

Networks of 1,000, 10,000 and 100,000 layers, written out and by `repeat`, checked by whole processes.
Marks: in proportion to the layers, and 10,000 layers within 5 s.
"""

import os
import sys
import tempfile
from collections.abc import Callable

from benchmarks.paired import describe, in_turn, machine

COUNTS = (1_000, 10_000, 100_000)


def written_out(layers: int) -> str:
    """A chain of convolutions and activations, a line each."""
    return "arch Chain {\n    input x: [8, 32, 32]\n" + "    conv(8, 3, padding=1)\n    relu\n" * (layers // 2) + "}\n"


def repeated(layers: int) -> str:
    """Residual blocks of five layers each, in one loop."""
    unit = "add { identity; { conv(8, 3, padding=1) -> batch_norm -> relu -> conv(8, 3, padding=1) -> batch_norm } }"
    return f"arch Loop {{\n    input x: [8, 32, 32]\n    repeat {layers // 5} {{ {unit} }}\n}}\n"


SHAPES: tuple[Callable[[int], str], ...] = (written_out, repeated)


def main(rounds: int) -> None:
    archc = os.path.join(os.path.dirname(sys.executable), "archc")
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        for write in SHAPES:
            for layers in COUNTS:
                path = os.path.join(folder, f"{write.__name__}_{layers}.arch")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(write(layers))
                commands = {"check": [archc, "check", path], "build --summary": [archc, "build", path, "--summary"]}
                for name, samples in in_turn(commands, rounds=rounds).items():
                    walls = [sample.wall for sample in samples]
                    each = 1e6 * min(walls) / layers
                    what = f"{write.__name__:12} {layers:>7,} layers  {name:16}"
                    print(f"{what} {describe(walls)} s, {each:.0f} us a layer")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
