"""Where a run compiles its network: only where that pays, with one sentence where it cannot."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.runtime import tuning
from tests.runtime.toys import toy_net
from tests.runtime.tuning_toys import fake_times, tuned

pytestmark = pytest.mark.usefixtures("ruled")

WORTH: dict[str, Any] = {"compile": "auto", "precision": "fp32", "layout": "contiguous", "epochs": 200_000}


@pytest.mark.parametrize(
    ("ratio", "words"), [(1.31, "compiled (1.31 times as fast, after 0 s)"),
                         (1.02, "not compiled (1.02 times as fast, after 0 s)")]
)  # fmt: skip
def test_what_is_compiled_is_kept_where_it_is_faster(monkeypatch: pytest.MonkeyPatch, ratio: float, words: str) -> None:
    monkeypatch.setattr(torch, "compile", lambda module, mode: module.forward)
    fake_times(monkeypatch, fp32_contiguous=0.009, compiled=ratio)
    net = toy_net()
    found = tuned(net, **WORTH)
    assert found.machine.text == f"cpu, fp32, contiguous, {words}"
    assert found.chosen["compile"] == (found.forward is not net) == (ratio > 1.03)


@pytest.mark.parametrize(
    ("seconds", "epochs", "asked"),
    [
        (0.009, 200_000, 1),  # 2 layers: 24 s of compiling, 900 s saved
        (0.009, 10_000, 0),  # 45 s saved
        (0.011, 200_000, 0),  # large layers gain nothing on a CPU
    ],
)
def test_auto_compiles_only_where_it_pays(
    monkeypatch: pytest.MonkeyPatch, seconds: float, epochs: int, asked: int
) -> None:
    calls: list[nn.Module] = []

    def compile_later(module: nn.Module, mode: str | None) -> nn.Module:
        calls.append(module)
        return module

    monkeypatch.setattr(torch, "compile", compile_later)
    fake_times(monkeypatch, fp32_contiguous=seconds, compiled=2.0)
    tuned(**{**WORTH, "epochs": epochs})
    assert len(calls) == asked


def test_a_kind_of_device_has_its_mode_of_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[str | None] = []

    def note(module: nn.Module, mode: str | None) -> nn.Module:
        modes.append(mode)
        return module

    monkeypatch.setattr(torch, "compile", note)
    tuned(compile=True, epochs=1)
    monkeypatch.setattr(tuning, "COMPILE_MODES", {"cpu": "reduce-overhead"})
    tuned(compile=True, epochs=1)
    assert modes == [None, "reduce-overhead"]


def test_without_a_compiler_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch's Inductor raises it: torch 2.14, where PATH has no g++."""

    def fail(images: Tensor) -> Tensor:
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found in torch._inductor.config.cpp.cxx")

    monkeypatch.setattr(torch, "compile", lambda module, mode: fail)
    net = toy_net()
    found = tuned(net, compile=True, precision="fp32", layout="contiguous", epochs=1)
    assert found.machine.text == "cpu, fp32, contiguous, not compiled (there is no C++ compiler)"
    assert found.forward is net
