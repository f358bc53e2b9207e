"""Weights that exist: read without unpickling, all or none, and a message that lists what does not fit."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import archc
from archc.cli import main
from archc.problems import EnvironmentProblem, UsageProblem

SMALL = """
arch Net(classes = 5) {
    input x: [3, 4, 4]
    features: { conv(4, 3, bias=false) -> batch_norm -> relu }
    global_avg_pool -> flatten
    head: linear(classes)
    init conv: zeros
}
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.arch"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.fixture
def state(net: Path) -> dict[str, Tensor]:
    return {
        name: torch.rand_like(value) if value.is_floating_point() else value + 7
        for name, value in archc.load(net).state_dict().items()
    }


def same(module: nn.Module, state: dict[str, Tensor]) -> bool:
    own = module.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[name], value) for name, value in state.items())


@pytest.mark.parametrize("wrapped", ["", "state_dict", "model", "module.", "_orig_mod."])
def test_a_state_dict_of_torch(wrapped: str, net: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if wrapped.endswith("."):
        torch.save({wrapped + name: value for name, value in state.items()}, path)
    else:
        torch.save({wrapped: state, "epoch": 3} if wrapped else state, path)
    assert same(archc.load(net, weights=path), state)


def test_safetensors(net: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(state, tmp_path / "weights.safetensors")
    assert same(archc.load(net, weights=tmp_path / "weights.safetensors"), state)


def test_the_command_says_that_they_fit(
    net: Path, state: dict[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    assert main(["build", str(net), "--weights", str(path)], standalone_mode=False) == 0
    assert capsys.readouterr().err == f"{path} fits, all of it\n"
    assert main(["build", str(net), "-p", "classes=2", "--weights", str(path)], standalone_mode=False) == 2
    assert "head.bias is 5 there, 2 in the network" in capsys.readouterr().err


def test_what_does_not_fit_is_listed_and_nothing_is_loaded(net: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({name.replace("head", "heads"): value for name, value in state.items()}, path)
    with pytest.raises(UsageProblem) as caught:
        archc.load(net, weights=path)
    assert str(caught.value) == (
        f"`{path}` does not fit `Net`: of its 8 entries 6 do\n"
        "  not there: head.weight, 5x4; the nearest name there is heads.weight\n"
        "  not there: head.bias, 5; the nearest name there is heads.bias\n"
        "  not in the network: heads.weight, 5x4\n"
        "  not in the network: heads.bias, 5"
    )


def test_a_head_for_other_classes_keeps_its_own_first_values(
    net: Path, state: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    with pytest.raises(UsageProblem, match=r"adapt_head=True of archc\.load keeps the classifier's own first values"):
        archc.load(net, weights=path, classes=3)
    module = archc.load(net, weights=path, adapt_head=True, classes=3)
    own = module.state_dict()
    assert own["head.weight"].shape == (3, 4)
    assert 0 < own["head.weight"].abs().max() < 1
    assert all(torch.equal(own[name], value) for name, value in state.items() if not name.startswith("head"))
    state["features.0.weight"] = torch.zeros(8, 3, 3, 3)  # only the head may have another size
    torch.save(state, path)
    with pytest.raises(UsageProblem, match=r"features\.0\.weight is 8x3x3x3 there"):
        archc.load(net, weights=path, adapt_head=True, classes=3)


def test_first_values_are_left_out(net: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    before = torch.get_rng_state()
    archc.load(net, weights=path)
    assert torch.equal(before, torch.get_rng_state())


def test_a_pickle_is_not_executed(net: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(EnvironmentProblem, match="cannot be read as weights"):
        archc.load(net, weights=path)
    assert not (tmp_path / "executed").exists()


def test_a_whole_module(net: Path, tmp_path: Path) -> None:
    path = tmp_path / "module.pth"
    torch.save(torch.nn.ReLU(), path)
    with pytest.raises(EnvironmentProblem, match="more than tensors, such as a whole module, and nothing is unpickled"):
        archc.load(net, weights=path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 99])
def test_bytes_that_are_no_weights(content: bytes, net: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(EnvironmentProblem, match="it is damaged, or no file of tensors; archc reads"):
        archc.load(net, weights=path)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_damaged_file(suffix: str, net: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(EnvironmentProblem, match="cannot be read as weights"):
        archc.load(net, weights=path)
    if suffix == "pth":  # a zip has checksums, of which torch makes no use
        content[content.index(state["head.weight"].numpy().tobytes())] ^= 1
        path.write_bytes(content)
        with pytest.raises(EnvironmentProblem, match="checksum"):
            archc.load(net, weights=path)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {}])
def test_a_file_of_something_else(content: object, net: Path, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(UsageProblem, match="holds no `state_dict`"):
        archc.load(net, weights=tmp_path / "weights.pth")


def test_names_of_torchvision(net: Path) -> None:
    with pytest.raises(UsageProblem, match=r"there is no file `no\.pth` with weights"):
        archc.load(net, weights="no.pth")
    with pytest.raises(UsageProblem, match="torchvision has no weights for a network `net`"):
        archc.load(net, weights="DEFAULT")
    with pytest.raises(UsageProblem, match=r"for `resnet18` are `IMAGENET1K_V1`, `DEFAULT`"):
        archc.load("resnet18", weights="IMAGENET")


def test_torchvision_s_weights_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    theirs = models.squeezenet1_1(weights=None)
    monkeypatch.setattr(
        models.SqueezeNet1_1_Weights, "get_state_dict", lambda self, *args, **options: theirs.state_dict()
    )
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(archc.load("squeezenet1_1", weights="DEFAULT").eval()(x), theirs.eval()(x))

    def offline(self: object, *args: object, **options: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(models.SqueezeNet1_1_Weights, "get_state_dict", offline)
    with pytest.raises(EnvironmentProblem, match=r"cannot be fetched from https://.*: no route to host; download"):
        archc.load("squeezenet1_1", weights="DEFAULT")


def test_transform_input_goes_with_torchvision_s_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    theirs = models.googlenet(weights=None, init_weights=False, transform_input=True)
    monkeypatch.setattr(models.GoogLeNet_Weights, "get_state_dict", lambda self, *args, **options: theirs.state_dict())
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(archc.load("googlenet", weights="DEFAULT").eval()(x), theirs.eval()(x))
