"""Damaged checkpoints: `python -m tests.campaigns.checkpoints --count 15000 --seed 1`.

Bits are flipped, files truncated, zeroed, lost, swapped, written over: in the newest checkpoint, in the one before it,
in both. What is read must be the newest that nothing was done to, and where there is none, nothing may be.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import nn

from archc.runtime import EnvironmentProblem
from archc.runtime.checkpoint import MANIFEST, PREVIOUS, open_checkpoint, read_manifest, tensors_of, write_checkpoint
from tests.runtime.toys import same, toy_net

ROLES = ("weights", "state")
SECTOR = 512
Damage = Callable[[random.Random, bytes, list[bytes]], bytes | None]


def flip(chance: random.Random, content: bytes, others: list[bytes]) -> bytes:
    """One bit."""
    bit = chance.randrange(8 * len(content))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def zero(chance: random.Random, content: bytes, others: list[bytes]) -> bytes:
    """A sector of zeros."""
    start = chance.randrange(len(content)) // SECTOR * SECTOR
    end = min(start + SECTOR, len(content))
    return content[:start] + bytes(end - start) + content[end:]


DAMAGES: Mapping[str, Damage] = {
    "flipped": flip,
    "zeroed": zero,
    "truncated": lambda chance, content, others: content[: chance.randrange(len(content))],
    "longer": lambda chance, content, others: content + chance.randbytes(chance.randrange(1, 100)),
    "noise": lambda chance, content, others: chance.randbytes(len(content)),
    "another's": lambda chance, content, others: chance.choice(others),
    "lost": lambda chance, content, others: None,
}


def write(folder: Path) -> list[dict[str, Any]]:
    """Two checkpoints, one after the other; the tensors of the newest come first."""
    kept: list[dict[str, Any]] = []
    for step in (7, 14):
        parts: dict[str, nn.Module] = {"weights": toy_net(), "state": nn.Linear(9, 9)}
        contents = {role: safetensors.torch.save(tensors_of(module)) for role, module in parts.items()}
        write_checkpoint(folder, contents, epoch=step // 7, step=step, progress={"step": step}, keep_previous=True)
        kept.insert(0, {"step": step, **{role: tensors_of(module) for role, module in parts.items()}})
    return kept


def campaign(count: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Damages checkpoints; returns how often what was read, and what went wrong."""
    last = folder / "last"
    kept = write(last)
    whole = {path.name: path.read_bytes() for path in last.iterdir()}
    of = [{name, *(part.file for part in read_manifest(last / name).parts.values())} for name in (MANIFEST, PREVIOUS)]
    tensors = [
        content for name, content in whole.items() if name not in (MANIFEST, PREVIOUS)
    ]  # a whole manifest is none
    chance, seen, wrong = random.Random(seed), Counter[str](), list[str]()
    for number in range(count):
        touched = set()
        for name in chance.sample(sorted(whole), chance.choice((1, 1, 2, 3))):
            kind = chance.choice(list(DAMAGES))
            changed = DAMAGES[kind](chance, whole[name], tensors)
            if changed is None:
                (last / name).unlink()
            else:
                (last / name).write_bytes(changed)
            if changed != whole[name]:
                touched.add(name)
            seen[kind] += 1
        expected = next((index for index, names in enumerate(of) if not names & touched), None)
        found = None
        try:
            opened = open_checkpoint(last, ROLES)
        except EnvironmentProblem:
            pass
        else:
            found = next(i for i, one in enumerate(kept) if one["step"] == opened.checkpoint.step)
            if not all(same(opened.tensors[role], kept[found][role]) for role in ROLES):
                wrong.append(f"case {number} of seed {seed}: damaged tensors were read")
            if bool(opened.lost) != (found == 1):
                wrong.append(f"case {number} of seed {seed}: lost is said to be {opened.lost!r}")
        if found != expected:
            wrong.append(f"case {number} of seed {seed}: {sorted(touched)} were damaged, and {found} was read")
        seen[("the newest", "the one before", "none")[2 if found is None else found]] += 1
        for name in touched:
            (last / name).write_bytes(whole[name])
    return seen, wrong


def main() -> int:
    """Run the campaign, and return 1 where something damaged was read, or something whole was not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=15_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen, wrong = campaign(options.count, options.seed, Path(folder))
    print("\n".join(wrong) or f"{options.count} damaged checkpoints, none was read wrongly")
    print(", ".join(f"{count} {what}" for what, count in seen.most_common()))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
