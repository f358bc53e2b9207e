"""Checkpoints: whole or refused, and the one before survives whatever happens."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from archc.runtime import EnvironmentProblem, SettingsError
from archc.runtime.checkpoint import load_weights, read_manifest, step_back, tensors_of, write_checkpoint
from tests.runtime.toys import same, state_of, toy_net


def keep(net: nn.Module, folder: Path, *, epoch: int, step: int) -> None:
    """A checkpoint of weights as a run writes it: `best` first, then `last`, which keeps the one before."""
    contents = {"weights": safetensors.torch.save(tensors_of(net))}
    write_checkpoint(folder / "best", contents, epoch=epoch, step=step)
    write_checkpoint(folder / "last", contents, epoch=epoch, step=step, beside=folder / "best", keep_previous=True)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    keep(toy_net(), tmp_path, epoch=1, step=7)
    return tmp_path


def file_of(folder: Path, kind: str) -> Path:
    """The manifest, or the weights that it names."""
    return folder / (
        "manifest.json" if kind == "manifest" else read_manifest(folder / "manifest.json").parts["weights"].file
    )


def test_weights_come_back_bit_for_bit(tmp_path: Path) -> None:
    net, other = toy_net().to(memory_format=torch.channels_last), toy_net()
    keep(net, tmp_path, epoch=2, step=9)
    for which in ("last", "best"):
        checkpoint = load_weights(other, tmp_path, which)
        assert same(state_of(net), state_of(other))
        assert (checkpoint.epoch, checkpoint.step) == (2, 9)


def test_a_new_checkpoint_keeps_one_before_it_and_no_more(run_folder: Path) -> None:
    net, other = toy_net(), toy_net()
    for step in (14, 21):
        keep(net, run_folder, epoch=step // 7, step=step)
    load_weights(other, run_folder, "last")
    assert same(state_of(net), state_of(other))
    last, best = run_folder / "last", run_folder / "best"
    assert [read_manifest(last / name).step for name in ("previous.json", "manifest.json")] == [14, 21]
    names = [read_manifest(last / name).parts["weights"].file for name in ("previous.json", "manifest.json")]
    assert sorted(path.name for path in last.iterdir()) == ["manifest.json", "previous.json", *names]
    assert sorted(path.name for path in best.iterdir()) == ["manifest.json", names[1]]
    assert (last / names[1]).samefile(best / names[1])  # one file, two names


def test_weights_used_in_two_places_are_kept(tmp_path: Path) -> None:
    def tied() -> nn.Module:
        layer = nn.Linear(3, 3)
        return nn.Sequential(layer, nn.ReLU(), layer)

    net, other = tied(), tied()
    keep(net, tmp_path, epoch=1, step=1)
    load_weights(other, tmp_path)
    assert same(state_of(net), state_of(other))


@pytest.mark.parametrize("kind", ["manifest", "weights"])
def test_every_flipped_bit_is_refused(run_folder: Path, kind: str) -> None:
    path, net = file_of(run_folder / "last", kind), toy_net()
    before, content = state_of(net), path.read_bytes()
    stride = 1 if kind == "manifest" else 97
    for bit in range(0, 8 * len(content), stride):
        broken = bytearray(content)
        broken[bit // 8] ^= 1 << bit % 8
        path.write_bytes(broken)
        with pytest.raises(EnvironmentProblem, match="damaged"):
            load_weights(net, run_folder, "last")
    assert same(before, state_of(net))
    path.write_bytes(content)
    load_weights(net, run_folder, "last")  # the untouched bytes are accepted: it was the bit


@pytest.mark.parametrize("kind", ["manifest", "weights"])
def test_truncated_and_missing_files_are_refused(run_folder: Path, kind: str) -> None:
    path, net = file_of(run_folder / "last", kind), toy_net()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EnvironmentProblem, match="damaged"):
        load_weights(net, run_folder, "last")
    path.unlink()
    with pytest.raises(EnvironmentProblem, match=r"No such file|no checkpoint"):
        load_weights(net, run_folder, "last")


def test_another_networks_weights_are_refused_before_anything_is_loaded(run_folder: Path) -> None:
    wider = toy_net()
    wider.register_module("5", nn.Linear(64, 3))
    before = state_of(wider)
    with pytest.raises(EnvironmentProblem, match=r"'5.weight' is float32 \[2, 64\] there, float32 \[3, 64\] in this"):
        load_weights(wider, run_folder)
    assert same(before, state_of(wider))
    with pytest.raises(EnvironmentProblem, match=r"'weight' is not among them"):
        load_weights(nn.Linear(1, 1), run_folder)
    with pytest.raises(EnvironmentProblem, match=r"this network has no '0.bias'"):
        load_weights(nn.Sequential(), run_folder)


def test_only_best_and_last_exist(run_folder: Path) -> None:
    with pytest.raises(SettingsError, match="found 'first'"):
        load_weights(toy_net(), run_folder, "first")


def damage_weights(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a flipped bit": ("weights", damage_weights),
    "truncated weights": ("weights", lambda path: path.write_bytes(path.read_bytes()[:-9])),
    "lost weights": ("weights", Path.unlink),
    "an empty manifest": ("manifest", lambda path: path.write_bytes(b"")),
    "a lost manifest": ("manifest", Path.unlink),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_the_newest_is_damaged_the_one_before_is_read(run_folder: Path, damage: str) -> None:
    old, new, found = toy_net(), toy_net(), toy_net()
    load_weights(old, run_folder, "last")
    keep(new, run_folder, epoch=2, step=14)
    kind, change = DAMAGES[damage]
    change(file_of(run_folder / "last", kind))
    with pytest.warns(UserWarning, match="these are the weights of step 7"):
        assert load_weights(found, run_folder, "last").epoch == 1
    assert same(state_of(old), state_of(found))
    step_back(run_folder / "last")
    keep(new, run_folder, epoch=2, step=14)  # done again, it is whole, and the good one before it still there
    assert load_weights(found, run_folder, "last").epoch == 2
    assert same(state_of(new), state_of(found))
    assert read_manifest(run_folder / "last" / "previous.json").step == 7


@pytest.mark.parametrize("failing", range(6))
def test_a_failing_write_leaves_the_old_checkpoint(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """The disk fills up at the first, second, ... rename of a checkpoint that goes to two folders."""
    old, new = toy_net(), toy_net()
    load_weights(old, run_folder, "last")
    calls = 0

    def replace(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls > failing:
            raise OSError(28, "No space left on device")
        os.rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("archc.runtime.disk.os.replace", replace)
        if (
            failing < 5
        ):  # weights and manifest of best; of last the weights' second name, its manifest's, the new manifest
            with pytest.raises(EnvironmentProblem, match=r"No space left on device: [\d,]+ bytes needed, [\d,]+ free"):
                keep(new, run_folder, epoch=2, step=14)
        else:
            keep(new, run_folder, epoch=2, step=14)
    for which, renames in (("best", 2), ("last", 5)):
        loaded = toy_net()
        load_weights(loaded, run_folder, which)
        assert same(state_of(loaded), state_of(new if failing >= renames else old))
    assert not list(run_folder.glob("*/.*.part"))


def test_state_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    class Odd(nn.Linear):
        def get_extra_state(self) -> object:
            return {"steps": 3}

    with pytest.raises(SettingsError, match="a dict in its state at '_extra_state'"):
        keep(Odd(1, 1), tmp_path, epoch=1, step=1)
