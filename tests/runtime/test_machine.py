"""The machine: what is chosen when nobody says, and what is said when it is not there."""

import pytest
import torch
from torch import nn

from archc.runtime import EnvironmentProblem, Settings, SettingsError
from archc.runtime.machine import choose_machine, image_budget, ways_to_compute


def chosen(**settings: str) -> str:
    return choose_machine(Settings(**{"device": "cpu", **settings}), nn.Sequential(nn.Conv2d(1, 1, 1))).text


@pytest.mark.parametrize(
    ("amx", "words"), [(True, "bf16 (the processor has AMX)"), (False, "fp32 (the processor has no AMX)")]
)
def test_bf16_where_the_processor_has_amx(monkeypatch: pytest.MonkeyPatch, amx: bool, words: str) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert chosen() == f"cpu, {words}, channels last{', im2col' * amx}"
    assert chosen(precision="fp32", layout="contiguous") == "cpu, fp32, contiguous"


def test_channels_last_only_where_there_are_2d_convolutions() -> None:
    settings = Settings(device="cpu")
    assert choose_machine(settings, nn.Linear(1, 1)).memory_format == torch.contiguous_format
    assert choose_machine(settings, nn.Conv2d(1, 1, 1)).memory_format == torch.channels_last


def test_precisions_are_taken_as_said() -> None:
    settings = Settings(device="cpu", precision="fp16")
    machine = choose_machine(settings, nn.Linear(1, 1))
    assert (machine.autocast, machine.text) == (torch.float16, "cpu, fp16 (slow on a CPU), contiguous")
    assert [way.text for way in ways_to_compute(machine, settings, nn.Linear(1, 1))] == ["fp16, contiguous"]


def test_auto_tries_bf16_only_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, net = Settings(device="cpu"), nn.Conv2d(1, 1, 1)
    for amx, types in ((True, ["fp32", "bf16"]), (False, ["fp32"])):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda amx=amx: amx)
        ways = ways_to_compute(choose_machine(settings, net), settings, net)
        found = [f"{x}, {y}" for x in types for y in ("contiguous", "channels last")]
        assert [way.text for way in ways] == found + ["bf16, channels last, im2col"] * amx


def test_the_gpu_is_taken_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from archc.runtime.machine import choose_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(EnvironmentProblem, match="device 'cpu:3' is not there: torch finds 1 of type 'cpu'"):
        chosen(device="cpu:3")
    for wrong in ("gpu", "meta"):
        with pytest.raises(SettingsError, match=f"device must be auto, cpu, .*, found '{wrong}'"):
            chosen(device=wrong)
    with pytest.raises(SettingsError, match="a GPU of NVIDIA or AMD is 'cuda'"):
        chosen(device="gpu")


def test_image_budget_is_a_part_of_the_memory() -> None:
    assert 1 << 28 < image_budget(torch.device("cpu")) < 1 << 44
