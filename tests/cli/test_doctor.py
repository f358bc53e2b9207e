"""`archc doctor`: what it says where something is missing, old or broken."""

import json
import re
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from archc import doctor
from archc.cli import main
from archc.doctor import Fact
from archc.runtime.data.table import SOURCES
from tests.checkout import PYPROJECT, ROOMS

WORKS = (
    'print(\'{"version": "2.14.1", "threads": 2, "cuda": null, "devices": [], "capability": "AVX2", "mps": false}\')'
)


def archc(*args: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *args], prog_name="archc")


@pytest.fixture(autouse=True)
def _quick_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one takes seconds to import; the documents run it."""
    monkeypatch.setattr(doctor, "TORCH", WORKS)


def facts() -> dict[str, Fact]:
    return {f"{fact.group} {fact.name}": fact for fact in doctor.examine("data")}


def test_a_healthy_machine() -> None:
    result = archc()
    assert result.exit_code == 0, result.stdout
    groups = re.findall(r"^\w+$", result.stdout, re.MULTILINE)
    assert groups == ["archc", "python", "packages", "diagrams", "machine", "disk", "terminal", "data", "torch"]
    assert result.stdout.endswith("nothing is missing\n")


def test_every_package_stands_apart_from_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "requirements", lambda: [("annotated-types", "0.6")])  # the longest name
    assert re.search(r"^  annotated-types \d", archc().stdout, re.MULTILINE)


def test_as_json() -> None:
    found = json.loads(archc("--format", "json").stdout)
    assert {"group": "torch", "name": "build", "value": "2.14.1, AVX2, 2 threads", "state": "ok", "advice": ""} in found


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise ImportError('libcudart.so.13: cannot open shared object file')", "ImportError: libcudart.so.13"),
        ("import a_package_that_is_not_there", "No module named 'a_package_that_is_not_there'"),
        ("import os; os.kill(os.getpid(), 11)", "it ended with status -11"),
        ("print('not what was asked')", "Expecting value"),
        ("import time; time.sleep(60)", "no answer in 0.5 s"),
    ],
)
def test_a_broken_torch(script: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TORCH", script)
    if "sleep" in script:
        monkeypatch.setattr(doctor, "TORCH_SECONDS", 0.5)
    result = archc()
    assert result.exit_code == 3
    assert said in result.stdout
    assert "archc check, build, render and fmt work without it" in result.stdout
    assert result.stdout.endswith("1 problem\n")


def test_a_torchvision_of_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TORCH", WORKS.replace('"mps"', '"problem": "RuntimeError: no nms", "mps"'))
    fact = facts()["torch torchvision"]
    assert (fact.state, fact.value) == ("problem", "fails: RuntimeError: no nms")
    assert "torch 2.14.1" in fact.advice


def test_a_card_that_torch_does_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_output", lambda command: "GPU 0: A card\n" if command[0] == "nvidia-smi" else None)
    fact = facts()["torch devices"]
    assert (fact.state, fact.value) == ("note", "not used: GPU 0: A card")
    assert "built for processors only" in fact.advice
    monkeypatch.setattr(doctor, "TORCH", WORKS.replace('"cuda": null', '"cuda": "13.0"'))
    assert "built for CUDA 13.0" in facts()["torch devices"].advice


def test_packages_that_are_missing_or_old(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"lark": "1.0.0", "click": "8.1.7"}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    found = facts()
    assert found["packages click"].state == "ok"
    assert found["packages lark"].state == "problem"
    assert found["packages lark"].value == "1.0.0; 1.1.9 or later is needed"
    assert found["packages torch"].value.startswith("missing; ")
    assert found["packages torch"].advice.startswith("pip install 'torch>=")


def test_a_checkout_that_is_not_installed_declares_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    declared = [f"{name}>={lowest}" for name, lowest in doctor.requirements()]
    assert declared == sorted(PYPROJECT["project"]["dependencies"])


def test_links_that_became_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ROOMS:
        (tmp_path / room).write_text(f"../{room}")
    monkeypatch.setattr(doctor, "PACKAGE", str(tmp_path))
    fact = facts()["archc links"]
    assert fact.state == "note"
    assert fact.value.startswith("dsl, compiler, runtime, archs: text files")


def test_data_sets_are_found(tmp_path: Path) -> None:
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    found = archc("--data-root", str(tmp_path)).stdout
    assert f"mnist           in {tmp_path}" in found
    assert f"not in {tmp_path}: fashion-mnist, kmnist, emnist, cifar10, cifar100, svhn, stl10" in found
    for place in {source.place for source in SOURCES.values() if source.place}:
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
    found = archc("--data-root", str(tmp_path)).stdout
    assert all(f"in {tmp_path / source.place}" in found for source in SOURCES.values())
    assert "not in" not in found


def test_no_dot_and_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert facts()["diagrams dot"] == Fact(
        "diagrams", "dot", "neither dot nor pygraphviz", "problem", "pip install pygraphviz"
    )
