"""Checkpoints: whole or refused, and the one before survives whatever happens."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from archc.runtime import EnvironmentProblem, SettingsError, load_weights
from archc.runtime.checkpoint import read_checkpoint, write_checkpoint
from tests.runtime.toys import same, state_of, toy_net


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    write_checkpoint(toy_net(), (tmp_path / "last", tmp_path / "best"), epoch=1, step=7)
    return tmp_path


def weights_file(folder: Path) -> Path:
    (path,) = folder.glob("weights-*")
    return path


def test_weights_come_back_bit_for_bit(tmp_path: Path) -> None:
    net, other = toy_net().to(memory_format=torch.channels_last), toy_net()
    write_checkpoint(net, (tmp_path / "last", tmp_path / "best"), epoch=2, step=9)
    for which in ("last", "best"):
        checkpoint = load_weights(other, tmp_path, which)
        assert same(state_of(net), state_of(other))
        assert (checkpoint.epoch, checkpoint.step) == (2, 9)


def test_a_new_checkpoint_replaces_the_old_one_and_leaves_no_litter(run_folder: Path) -> None:
    net, other = toy_net(), toy_net()
    write_checkpoint(net, (run_folder / "last",), epoch=2, step=14)
    load_weights(other, run_folder, "last")
    assert same(state_of(net), state_of(other))
    assert sorted(path.name for path in (run_folder / "last").iterdir()) == [
        "manifest.json",
        "weights-00000014.safetensors",
    ]
    assert read_checkpoint(run_folder / "best").step == 7


def test_weights_used_in_two_places_are_kept(tmp_path: Path) -> None:
    def tied() -> nn.Module:
        layer = nn.Linear(3, 3)
        return nn.Sequential(layer, nn.ReLU(), layer)

    net, other = tied(), tied()
    write_checkpoint(net, (tmp_path / "best",), epoch=1, step=1)
    load_weights(other, tmp_path)
    assert same(state_of(net), state_of(other))


@pytest.mark.parametrize("name", ["manifest.json", "weights-00000007.safetensors"])
def test_every_flipped_bit_is_refused(run_folder: Path, name: str) -> None:
    path, net = run_folder / "last" / name, toy_net()
    before, content = state_of(net), path.read_bytes()
    stride = 1 if name == "manifest.json" else 97
    for bit in range(0, 8 * len(content), stride):
        broken = bytearray(content)
        broken[bit // 8] ^= 1 << bit % 8
        path.write_bytes(broken)
        with pytest.raises(EnvironmentProblem, match="damaged"):
            load_weights(net, run_folder, "last")
    assert same(before, state_of(net))
    path.write_bytes(content)
    load_weights(net, run_folder, "last")  # the untouched bytes are accepted: it was the bit


@pytest.mark.parametrize("name", ["manifest.json", "weights-00000007.safetensors"])
def test_truncated_and_missing_files_are_refused(run_folder: Path, name: str) -> None:
    path, net = run_folder / "last" / name, toy_net()
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


@pytest.mark.parametrize("failing", range(4))
def test_a_failing_write_leaves_the_old_checkpoint(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """The disk fills up at the first, second, ... rename or link of a checkpoint that goes to two folders."""
    old = toy_net()
    load_weights(old, run_folder, "last")
    calls = 0

    def replace(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls > failing:
            raise OSError(28, "No space left on device")
        os.rename(source, target)

    new = toy_net()
    with monkeypatch.context() as patch:
        patch.setattr("archc.runtime.disk.os.replace", replace)
        if failing < 3:  # weights, manifest of last, manifest of best (its weights are a link)
            with pytest.raises(EnvironmentProblem, match=r"No space left on device: [\d,]+ bytes needed, [\d,]+ free"):
                write_checkpoint(new, (run_folder / "last", run_folder / "best"), epoch=2, step=14)
        else:
            write_checkpoint(new, (run_folder / "last", run_folder / "best"), epoch=2, step=14)
    for which, renames in (("last", 2), ("best", 3)):
        loaded = toy_net()
        load_weights(loaded, run_folder, which)
        assert same(state_of(loaded), state_of(new if failing >= renames else old))
    assert not list(run_folder.glob("*/.*.part"))


def test_state_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    class Odd(nn.Linear):
        def get_extra_state(self) -> object:
            return {"steps": 3}

    with pytest.raises(SettingsError, match="a dict in its state at '_extra_state'"):
        write_checkpoint(Odd(1, 1), (tmp_path / "last",), epoch=1, step=1)
