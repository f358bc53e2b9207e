"""Each network of the reference list beside one written by hand in torch, and a training step of every file."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.compiler.summary import as_json
from archc.files import open_all
from archc.network import network

ROOT = Path(__file__).parents[2]


class Together(nn.Module):
    """Branches from one value, and what is made of their results."""

    def __init__(self, join: Callable[[list[Tensor]], Tensor], *branches: nn.Module) -> None:
        super().__init__()
        self.join = join
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return self.join([branch(x) for branch in self.branches])


def channels(values: list[Tensor]) -> Tensor:
    return torch.cat(values, dim=1)


def total(values: list[Tensor]) -> Tensor:
    return values[0] + values[1]


def relu(*layers: nn.Module) -> list[nn.Module]:
    """Put an activation after each layer."""
    return [each for layer in layers for each in (layer, nn.ReLU())]


def norm_relu(conv: nn.Conv2d) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()]


def lenet(padding: int) -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=padding), nn.Sigmoid(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10)),
    )


def alexnet() -> nn.Module:
    return nn.Sequential(
        *(*relu(nn.Conv2d(1, 96, 11, stride=4, padding=1)), nn.MaxPool2d(3, 2)),
        *(*relu(nn.Conv2d(96, 256, 5, padding=2)), nn.MaxPool2d(3, 2)),
        *relu(nn.Conv2d(256, 384, 3, padding=1), nn.Conv2d(384, 384, 3, padding=1)),
        *(*relu(nn.Conv2d(384, 256, 3, padding=1)), nn.MaxPool2d(3, 2), nn.Flatten()),
        *(*relu(nn.Linear(6400, 4096)), nn.Dropout(0.5), *relu(nn.Linear(4096, 4096)), nn.Dropout(0.5)),
        nn.Linear(4096, 10),
    )


def alexnet_of_the_paper() -> nn.Module:
    def norm() -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2)

    return nn.Sequential(
        *(*relu(nn.Conv2d(3, 96, 11, stride=4, padding=2)), norm(), nn.MaxPool2d(3, 2)),
        *(*relu(nn.Conv2d(96, 256, 5, padding=2, groups=2)), norm(), nn.MaxPool2d(3, 2)),
        *relu(nn.Conv2d(256, 384, 3, padding=1), nn.Conv2d(384, 384, 3, padding=1, groups=2)),
        *(*relu(nn.Conv2d(384, 256, 3, padding=1, groups=2)), nn.MaxPool2d(3, 2), nn.Flatten()),
        *(*relu(nn.Linear(9216, 4096)), nn.Dropout(0.5), *relu(nn.Linear(4096, 4096)), nn.Dropout(0.5)),
        nn.Linear(4096, 1000),
    )


def vgg11(ratio: int) -> nn.Module:
    layers: list[nn.Module] = []
    last = 1
    for count, width in ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)):
        for _ in range(count):
            layers += relu(nn.Conv2d(last, width // ratio, 3, padding=1))
            last = width // ratio
        layers.append(nn.MaxPool2d(2))
    head = [*relu(nn.Linear(last * 49, 4096)), nn.Dropout(), *relu(nn.Linear(4096, 4096)), nn.Dropout()]
    return nn.Sequential(*layers, nn.Flatten(), *head, nn.Linear(4096, 10))


def nin() -> nn.Module:
    def block(before: int, after: int, size: int, stride: int, padding: int) -> list[nn.Module]:
        first = nn.Conv2d(before, after, size, stride, padding)
        return relu(first, nn.Conv2d(after, after, 1), nn.Conv2d(after, after, 1))

    return nn.Sequential(
        *(*block(1, 96, 11, 4, 0), nn.MaxPool2d(3, 2), *block(96, 256, 5, 1, 2), nn.MaxPool2d(3, 2)),
        *(*block(256, 384, 3, 1, 1), nn.MaxPool2d(3, 2), nn.Dropout(), *block(384, 10, 3, 1, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )


def googlenet() -> nn.Module:
    def inception(before: int, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int) -> nn.Module:
        return Together(
            channels,
            nn.Sequential(*relu(nn.Conv2d(before, c1, 1))),
            nn.Sequential(*relu(nn.Conv2d(before, c2[0], 1), nn.Conv2d(c2[0], c2[1], 3, padding=1))),
            nn.Sequential(*relu(nn.Conv2d(before, c3[0], 1), nn.Conv2d(c3[0], c3[1], 5, padding=2))),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), *relu(nn.Conv2d(before, c4, 1))),
        )

    return nn.Sequential(
        *(*relu(nn.Conv2d(1, 64, 7, 2, 3)), nn.MaxPool2d(3, 2, 1)),
        *(*relu(nn.Conv2d(64, 64, 1), nn.Conv2d(64, 192, 3, padding=1)), nn.MaxPool2d(3, 2, 1)),
        *(inception(192, 64, (96, 128), (16, 32), 32), inception(256, 128, (128, 192), (32, 96), 64)),
        *(nn.MaxPool2d(3, 2, 1), inception(480, 192, (96, 208), (16, 48), 64)),
        *(inception(512, 160, (112, 224), (24, 64), 64), inception(512, 128, (128, 256), (24, 64), 64)),
        *(inception(512, 112, (144, 288), (32, 64), 64), inception(528, 256, (160, 320), (32, 128), 128)),
        *(nn.MaxPool2d(3, 2, 1), inception(832, 256, (160, 320), (32, 128), 128)),
        *(inception(832, 384, (192, 384), (48, 128), 128), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 10)),
    )


def resnet18() -> nn.Module:
    def unit(before: int, after: int, stride: int) -> list[nn.Module]:
        long = norm_relu(nn.Conv2d(before, after, 3, stride, 1)) + norm_relu(nn.Conv2d(after, after, 3, 1, 1))[:2]
        short = nn.Conv2d(before, after, 1, stride) if stride == 2 else nn.Identity()
        return [Together(total, nn.Sequential(*long), short), nn.ReLU()]

    units = [*unit(64, 64, 1), *unit(64, 64, 1)]
    for width in (128, 256, 512):
        units += [*unit(width // 2, width, 2), *unit(width, width, 1)]
    stem = [*norm_relu(nn.Conv2d(1, 64, 7, 2, 3)), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *units, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def densenet() -> nn.Module:
    layers = [*norm_relu(nn.Conv2d(1, 64, 7, 2, 3)), nn.MaxPool2d(3, 2, 1)]
    width = 64
    for block in range(4):
        for _ in range(4):
            new = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 32, 3, padding=1))
            layers.append(Together(channels, nn.Identity(), new))
            width += 32
        if block < 3:
            layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width // 2, 1), nn.AvgPool2d(2)]
            width //= 2
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)]
    return nn.Sequential(*layers)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), *relu(nn.Linear(784, 8), nn.Linear(8, 8)), nn.Linear(8, 10), nn.LogSoftmax(1))


def mnist_cnn() -> nn.Module:
    first, second = ([*relu(nn.Conv2d(before, 6, 5)), nn.MaxPool2d(2)] for before in (1, 6))
    return nn.Sequential(*first, *second, nn.Flatten(), *relu(nn.Linear(96, 50)), nn.Linear(50, 10), nn.LogSoftmax(1))


def cifar_cnn() -> nn.Module:
    first, second = ([*relu(nn.Conv2d(a, b, 5)), nn.MaxPool2d(2)] for a, b in ((3, 6), (6, 16)))
    head = [*relu(nn.Linear(400, 120), nn.Linear(120, 84)), nn.Linear(84, 10)]
    return nn.Sequential(*first, *second, nn.Flatten(), *head)


def cifar_vgg() -> nn.Module:
    layers: list[nn.Module] = []
    last = 3
    for item in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
        layers += norm_relu(nn.Conv2d(last, item, 3, padding=1)) if item else [nn.MaxPool2d(2)]
        last = item or last
    return nn.Sequential(*layers, nn.AvgPool2d(1, stride=1), nn.Flatten(), nn.Linear(512, 10))


def dilated() -> nn.Module:
    layers = norm_relu(nn.Conv2d(3, 32, 3, padding=1, bias=False))
    for rate in (1, 1, 2, 5, 1, 2, 5):
        layers += norm_relu(nn.Conv2d(32, 32, 3, padding=rate, dilation=rate, bias=False))
    return nn.Sequential(*layers, nn.Conv2d(32, 21, 1))


def unet(padded: bool, width: int, depth: int) -> nn.Module:
    def double(before: int, after: int) -> list[nn.Module]:
        if not padded:
            return relu(nn.Conv2d(before, after, 3), nn.Conv2d(after, after, 3))
        pair = (nn.Conv2d(b, after, 3, padding=1, bias=False) for b in (before, after))
        return [layer for conv in pair for layer in norm_relu(conv)]

    def join(values: list[Tensor]) -> Tensor:
        skip, up = values
        top, left = ((a - b) // 2 for a, b in zip(skip.shape[2:], up.shape[2:], strict=True))
        return torch.cat([skip[:, :, top : top + up.shape[2], left : left + up.shape[3]], up], dim=1)

    def level(before: int, width: int, depth: int) -> nn.Module:
        if depth == 0:
            return nn.Sequential(*double(before, width))
        inner = nn.Sequential(
            nn.MaxPool2d(2), level(width, 2 * width, depth - 1), nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        )
        return nn.Sequential(*double(before, width), Together(join, nn.Identity(), inner), *double(2 * width, width))

    return nn.Sequential(level(3 if padded else 1, width, depth), nn.Conv2d(width, 2, 1))


# The file and its parameters, the network by hand, and the image.
SYSTEMS: list[tuple[str, dict[str, object], Callable[[], nn.Module], tuple[int, int, int]]] = [
    ("d2l/lenet", {}, lambda: lenet(2), (1, 28, 28)),
    ("d2l/alexnet", {}, alexnet, (1, 224, 224)),
    ("d2l/vgg11", {"ratio": 4}, lambda: vgg11(4), (1, 224, 224)),
    ("d2l/nin", {}, nin, (1, 224, 224)),
    ("d2l/googlenet", {}, googlenet, (1, 96, 96)),
    ("d2l/googlenet", {"size": 224}, googlenet, (1, 224, 224)),
    ("d2l/resnet18", {}, resnet18, (1, 96, 96)),
    ("d2l/resnet18", {"size": 224}, resnet18, (1, 224, 224)),
    ("d2l/densenet", {}, densenet, (1, 96, 96)),
    ("mnist/mlp", {}, mlp, (1, 28, 28)),
    ("mnist/cnn", {}, mnist_cnn, (1, 28, 28)),
    ("cifar/cnn", {}, cifar_cnn, (3, 32, 32)),
    ("cifar/vgg", {}, cifar_vgg, (3, 32, 32)),
    ("papers/alexnet", {}, alexnet_of_the_paper, (3, 224, 224)),
    ("papers/lenet", {}, lambda: lenet(0), (1, 32, 32)),
    ("unet", {"width": 8}, lambda: unet(True, 8, 4), (3, 48, 64)),
    ("unet_cropped", {"size": 92, "width": 4, "depth": 2}, lambda: unet(False, 4, 2), (1, 92, 92)),
    ("dilated", {}, dilated, (3, 24, 32)),
]


@pytest.mark.parametrize(
    ("name", "settings", "by_hand", "image"), SYSTEMS, ids=["-".join([s[0], *map(str, s[1])]) for s in SYSTEMS]
)
def test_equal_to_torch_by_hand(
    name: str, settings: dict[str, object], by_hand: Callable[[], nn.Module], image: tuple[int, int, int]
) -> None:
    torch.manual_seed(0)
    mine, theirs = archc.load(name, params=settings).eval(), by_hand().eval()
    values = theirs.state_dict().values()
    assert [v.shape for v in mine.state_dict().values()] == [v.shape for v in values]
    mine.load_state_dict(dict(zip(mine.state_dict(), values, strict=True)))
    x = torch.randn(2, *image)
    with torch.no_grad():
        torch.testing.assert_close(mine(x), theirs(x), rtol=0, atol=0)


def outputs(name: str) -> list[list[int]]:
    """The size of every layer's output, in order, activations left out."""
    layers = as_json(archc.compile(name).checked.shaped)["layers"]
    assert isinstance(layers, list)
    return [layer["output"] for layer in layers if layer["op"] not in ("relu", "sigmoid", "dropout")]


def test_sizes_that_the_sources_write_out() -> None:
    lenet = [[6, 28, 28], [6, 14, 14], [16, 10, 10], [16, 5, 5], [400], [120], [84], [10]]
    assert [size for size in outputs("d2l/lenet") if size != [1, 28, 28]] == lenet
    assert [6400] in outputs("d2l/alexnet")
    assert [96] in outputs("mnist/cnn")
    assert [400] in outputs("cifar/cnn")
    assert outputs("unet_cropped")[-1] == [2, 388, 388]


# ---- every file of the repository

# Settings and image of the training step, where the declared ones are large.
STEPS: dict[str, tuple[dict[str, object], tuple[int, int, int]]] = {
    "convnext:ConvNeXt_Tiny": ({}, (3, 64, 64)),
    "d2l/lenet": ({}, (1, 28, 28)),
    "d2l/alexnet": ({}, (1, 224, 224)),
    "d2l/nin": ({}, (1, 224, 224)),
    "d2l/vgg11": ({"ratio": 4}, (1, 224, 224)),
    "dilated": ({}, (3, 24, 24)),
    "efficientnet:EfficientNet_B0": ({}, (3, 64, 64)),
    "inception_v3": ({}, (3, 299, 299)),
    "mobilenet_v3:MobileNet_V3_Small": ({}, (3, 64, 64)),
    "maxvit": ({}, (3, 224, 224)),
    "papers/lenet": ({}, (1, 32, 32)),
    "papers/alexnet": ({}, (3, 224, 224)),
    "regnet:RegNet_Y_400MF": ({}, (3, 64, 64)),
    "shufflenet_v2:ShuffleNet_V2_x0_5": ({}, (3, 64, 64)),
    "squeezenet:SqueezeNet1_1": ({}, (3, 64, 64)),
    "swin:Swin_T": ({}, (3, 224, 224)),
    "unet": ({"width": 8}, (3, 32, 32)),
    "unet_cropped": ({"size": 92, "width": 4, "depth": 2}, (1, 92, 92)),
    "vgg": ({"cfg": [16, "M", 32, "M"]}, (3, 32, 32)),
    "vgg16": ({}, (3, 32, 32)),
    "vit:ViT_B_32": ({}, (3, 224, 224)),
}
FILES = sorted(str(path.relative_to(ROOT / "archs").with_suffix("")) for path in (ROOT / "archs").rglob("*.arch"))


@pytest.mark.parametrize("file", FILES)
def test_checks_without_a_word(file: str) -> None:
    for opened in open_all(str(ROOT / "archs" / f"{file}.arch")):
        assert network(opened, {}).warnings == ()


@pytest.mark.parametrize("file", [file for file in FILES if file != "parts"])
def test_a_training_step(file: str) -> None:
    name = next((name for name in STEPS if name.partition(":")[0] == file), file)
    declared = {"d2l": (1, 96, 96), "mnist": (1, 28, 28), "cifar": (3, 32, 32)}.get(file.partition("/")[0], (3, 64, 64))
    settings, image = STEPS.get(name, ({}, declared))
    torch.manual_seed(0)
    model = archc.load(f"archs/{file}.arch" + name.removeprefix(file), params=settings)
    before = [p.detach().clone() for p in model.parameters()]
    result = model(torch.randn(2, *image))
    parts = result if isinstance(result, tuple) else (result,)
    torch.stack([(part - 1).square().mean() for part in parts]).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert all(p.grad is not None and p.isfinite().all() for p in model.parameters())
    assert any(not torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
