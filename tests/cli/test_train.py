"""`archc train` and `archc.train` with recipes: those of the zoo, those of files, and every way to name a wrong one."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

import archc
from archc.cli import main
from archc.recipes import recipe_names, recipe_text
from archc.runtime import fit
from archc.runtime.recipe import resolve
from archc.runtime.recipe_text import read_recipe
from tests.checkout import ROOT
from tests.runtime.toys import toy_data

PLAIN = {"weight_decay": 0.0, "clip": 0.0}
D2L: dict[str, Any] = {
    "data": "fashion-mnist", "optimizer": "sgd", "epochs": 10, "init": "xavier", "mean": (0.0,), "std": (1.0,), **PLAIN,
}  # fmt: skip
MNIST: dict[str, Any] = {
    "data": "mnist", "optimizer": "sgd", "momentum": 0.5, "lr": 0.01, "batch_size": 64, "test_batch_size": 1000,
    "loss": "nll", "epochs": 1, "init": "module", "mean": (0.1307,), "std": (0.3081,), **PLAIN,
}  # fmt: skip
CIFAR: dict[str, Any] = {"data": "cifar10", "optimizer": "adam", "lr": 0.001, "epochs": 10, "init": "module", **PLAIN}

# What the sources of the networks say, written out once more.
RECIPES: dict[str, dict[str, Any]] = {
    "d2l/lenet": {**D2L, "batch_size": 256, "lr": 0.9, "input": (1, 28, 28)},
    "d2l/alexnet": {**D2L, "batch_size": 128, "lr": 0.01, "input": (1, 224, 224)},
    "d2l/vgg11": {**D2L, "batch_size": 128, "lr": 0.05, "params": {"ratio": 4}, "input": (1, 224, 224)},
    "d2l/nin": {**D2L, "batch_size": 128, "lr": 0.1, "input": (1, 224, 224)},
    "d2l/googlenet": {**D2L, "batch_size": 128, "lr": 0.1, "input": (1, 96, 96)},
    "d2l/resnet18": {**D2L, "batch_size": 256, "lr": 0.05, "input": (1, 96, 96)},
    "d2l/densenet": {**D2L, "batch_size": 256, "lr": 0.1, "input": (1, 96, 96)},
    "mnist/mlp": {**MNIST, "input": (1, 28, 28)},
    "mnist/cnn": {**MNIST, "input": (1, 28, 28)},
    "cifar/cnn": {**CIFAR, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "input": (3, 32, 32)},
    "cifar/vgg": {
        **CIFAR, "batch_size": 128, "mean": (0.4914, 0.4822, 0.4465), "std": (0.2023, 0.1994, 0.2010),
        "augment": {"crop": {"padding": 4, "resize": 0}, "flip": {"probability": 0.5}}, "input": (3, 32, 32),
    },
}  # fmt: skip
OUR_OWN = ("cifar/vgg_fast", "unet")  # recipes that are no source's


def train(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["train", *arguments])


def recipe(tmp_path: Path, text: str | bytes, name: str = "my.yaml") -> str:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_every_recipe_of_the_zoo_is_in_the_table() -> None:
    assert recipe_names() == sorted([*RECIPES, *OUR_OWN])


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_has_exactly_the_settings_of_its_source(name: str) -> None:
    wanted = dict(RECIPES[name])
    resolved = resolve([read_recipe(recipe_text(name), name)], recipe=name)
    settings, found = resolved.settings, dict[str, Any]()
    for key in wanted:
        match key:
            case "data" | "params":
                found[key] = getattr(resolved.task, key)
            case "optimizer":
                found[key] = settings.optimizer.name
            case "momentum":
                found[key] = settings.optimizer.model_dump()["momentum"]
            case "mean" | "std":
                found[key] = getattr(settings.normalize, key)
            case "input":
                network = archc.compile(name, params=resolved.task.params)
                (found[key],) = network.inputs.values()
            case _:
                found[key] = getattr(settings, key)
    assert found == wanted
    assert settings.schedule.model_dump() == {"name": "constant", "warmup": 0.0}
    assert settings.optimizer.name == "sgd" or settings.lr_scaling == "none"
    assert settings.image_size in (None, wanted["input"][1:])
    arguments = settings.optimizer.model_dump()
    assert arguments.get("momentum", 0.0) == wanted.get("momentum", 0.0)
    assert not arguments.get("nesterov")
    assert settings.augment == wanted.get("augment", {})


def test_the_fast_recipe_for_cifar_trains_its_network(tmp_path: Path) -> None:
    task, settings, *_ = resolve([read_recipe(recipe_text("cifar/vgg_fast"), "")])
    net, settings = archc.load("cifar/vgg", **task.params), settings.but(epochs=1, batch_size=20)
    run = fit(net, toy_data(channels=3, size=32), settings=settings, out=tmp_path, quiet=True)
    assert sum(p.numel() for p in net.parameters()) == 2_314_122
    assert (settings.optimizer.name, settings.test_mirrored, settings.ema > 0) == ("muon", True, True)
    assert run.metrics[0].loss > 0


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_data_set_that_is_missing_is_named(name: str, tmp_path: Path) -> None:
    run = train(name, "--recipe", name, "--data-root", str(tmp_path), "--out", str(tmp_path / "run"))
    assert run.exit_code == 3
    assert f"data set '{RECIPES[name]['data']}'" in run.stderr
    assert not (tmp_path / "run").exists()


def test_a_recipe_of_the_zoo_trains_and_the_command_line_wins(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = train(
        "d2l/lenet", "--recipe", "d2l/lenet", "--data", "digits", "--epochs", "1", "--set", "optimizer.momentum=0.5",
        "--out", str(out),
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    assert run.stderr.splitlines()[0] == (
        "recipe d2l/lenet (normalize, batch_size, optimizer, lr, schedule, weight_decay, clip, init);"
        " command line (optimizer, data, epochs); the rest by default:"
        " SGD lr 0.9 momentum 0.5, constant rate, batch 256, 1 epoch, Xavier-uniform weights, seed 0"
    )
    kept = yaml.safe_load((out / "recipe.yaml").read_text())
    assert (kept["data"], kept["lr"], kept["epochs"]) == ("digits", 0.9, 1)
    again = train("d2l/lenet", "--recipe", str(out / "recipe.yaml"), "--out", str(tmp_path / "again"))
    assert again.exit_code == 0, again.output
    for name in ("recipe.yaml", "settings.json"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()
    first, second = (next((folder / "last").glob("weights-*")).read_bytes() for folder in (out, tmp_path / "again"))
    assert first == second


def test_no_recipe_is_applied_unless_it_is_named(tmp_path: Path) -> None:
    run = archc.train("d2l/lenet", epochs=1, out=tmp_path / "run")
    assert (run.settings.lr, run.settings.optimizer.name) == (1e-3, "adamw")


def test_python_takes_a_recipe_and_settings_over_it(tmp_path: Path) -> None:
    path = recipe(tmp_path, "data: digits\nlr: 0.5\nepochs: 1\noptimizer: {name: sgd, momentum: 0.9}\n")
    run = archc.train("d2l/lenet", recipe=path, lr=0.25, optimizer={"momentum": 0.5}, out=tmp_path / "run")
    assert (run.settings.lr, run.settings.epochs, len(run.metrics)) == (0.25, 1, 1)
    assert run.settings.optimizer.model_dump()["momentum"] == 0.5


def test_a_recipe_sets_parameters_of_the_architecture_and_p_wins(tmp_path: Path) -> None:
    net = tmp_path / "net.arch"
    net.write_text(
        "arch Net(width = 3, depth = 1, num_classes = 10) {\n"
        "input x: [1, 8, 8]; flatten; repeat depth { linear(width) }; linear(num_classes) }"
    )
    path = recipe(tmp_path, "epochs: 1\nparams: {width: 4, depth: 2}\n")
    out = tmp_path / "run"
    run = train(str(net), "--recipe", path, "-p", "width=5", "--out", str(out))
    assert run.exit_code == 0, run.output
    assert [p.shape[0] for p in archc.load(out).parameters() if p.ndim == 2] == [5, 5, 10]
    assert yaml.safe_load((out / "recipe.yaml").read_text())["params"] == {"width": 5, "depth": 2}
    wrong = train(str(net), "--recipe", recipe(tmp_path, "params: {widht: 4}\n"), "--out", str(tmp_path / "no"))
    assert wrong.exit_code == 2
    assert "widht" in wrong.stderr
    assert "`width`" in wrong.stderr


def test_the_recipe_of_a_run_trains_the_same_parameters_again(tmp_path: Path) -> None:
    """Those of the command line and of Python too; an operator has no name in YAML."""
    net = tmp_path / "net.arch"
    net.write_text(
        "arch Net(widths = [3], act = relu, more = none) {\n"
        "input x: [1, 8, 8]; flatten; for width in widths { linear(width) -> act }; linear(10) }"
    )
    said = {
        "first": ["-p", "widths=[4, 5]", "-p", "act=gelu"],
        "again": ["--recipe", f"{tmp_path / 'first'}/recipe.yaml"],
    }
    for out, arguments in said.items():
        run = train(str(net), "--epochs", "1", *arguments, "--out", str(tmp_path / out))
        assert run.exit_code == 0, run.output
        assert [p.shape[0] for p in archc.load(tmp_path / out).parameters() if p.ndim == 2] == [4, 5, 10]
        assert yaml.safe_load((tmp_path / out / "recipe.yaml").read_text())["params"] == {"widths": [4, 5]}
    archc.train(net, params={"widths": (6,), "more": None}, epochs=1, out=tmp_path / "python", quiet=True)
    kept = yaml.safe_load((tmp_path / "python" / "recipe.yaml").read_text())["params"]
    assert kept == {"widths": [6], "more": None}


def test_the_text_says_how_weights_begin_unless_the_recipe_does(tmp_path: Path) -> None:
    net = tmp_path / "net.arch"
    net.write_text("arch Net { input x: [1, 8, 8]; init linear: zeros; flatten; linear(10) }")
    assert archc.train(net, epochs=1, out=tmp_path / "text").settings.init == "module"
    assert archc.train(net, epochs=1, out=tmp_path / "said", init="xavier").settings.init == "xavier"


def test_an_image_size_decides_the_symbols_of_an_input(tmp_path: Path) -> None:
    net = tmp_path / "net.arch"
    net.write_text("arch Net { input x: [1, H, W]; conv(4, 3) -> relu; global_avg_pool -> flatten; linear(10) }")
    run = archc.train(net, epochs=1, image_size=[12, 10], out=tmp_path / "run")
    assert '"image_size": [\n      1,\n      12,\n      10\n    ]' in (run.folder / "run.json").read_text()
    fixed = train("d2l/lenet", "--set", "image_size=32", "--out", str(tmp_path / "no"))
    message = "the network takes 1x28x28, and image_size asks for 32x32; leave it out: images are brought to 1x28x28"
    assert (fixed.exit_code, fixed.stderr) == (2, f"error: {message}\n")
    assert not (tmp_path / "no").exists()


def test_recipes_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    cases = {
        "d2l/lenett": "there is no recipe `d2l/lenett`, neither a file nor in the zoo; did you mean `d2l/lenet`?",
        str(tmp_path / "none.yaml"): f"cannot read the recipe `{tmp_path}/none.yaml`: No such file or directory",
        str(tmp_path / "pipe.yaml"): f"cannot read the recipe `{tmp_path}/pipe.yaml`: it is not a regular file",
        str(tmp_path / "folder.yaml"): f"cannot read the recipe `{tmp_path}/folder.yaml`: Is a directory",
        recipe(tmp_path, b"lr: \xff1", "bytes.yaml"): "is not UTF-8: byte 4 is 0xff",
        recipe(tmp_path, "lr: 1".encode("utf-16"), "wide.yaml"): "is not UTF-8: byte 0 is 0xff",
        recipe(tmp_path, "#" * 70_000, "large.yaml"): "is larger than 64 KiB",
        recipe(tmp_path, "", "empty.yaml"): "a recipe is a mapping of settings, such as `lr: 0.1`; this holds nothing",
        recipe(tmp_path, "\ufefflr: 0", "mark.yaml"): f"{tmp_path}/mark.yaml:1:5: lr must be a number above 0, found 0",
        recipe(tmp_path, "lr: 0", "no-suffix"): f"{tmp_path}/no-suffix:1:5: lr must be a number above 0, found 0",
        "d2l/table": "`d2l/table` is no recipe but a table of experiments: `archc compare d2l/table` takes it",
        "": "there is no recipe ``, neither a file nor in the zoo; the zoo has cifar/cnn, ",
        "a\0b.yaml": "cannot read the recipe `a\\0b.yaml`: no file has a NUL in its name",
    }
    for name, message in cases.items():
        run = train("d2l/lenet", "--recipe", name, "--out", str(tmp_path / "run"))
        assert run.exit_code == 2, run.output
        assert message in run.stderr.replace("\\x00", "\\0")
        assert run.stderr.startswith("error: ")
        assert "Traceback" not in run.stderr
    assert not (tmp_path / "run").exists()


def test_a_recipe_in_place_of_an_architecture(tmp_path: Path) -> None:
    path = recipe(tmp_path, "lr: 0.1", "mine.yaml")
    run = train(path)
    assert run.exit_code == 2
    assert run.stderr == (
        f"error: `{path}` is no architecture by its name; a recipe goes with one, `archc train FILE --recipe {path}`,"
        f" and a table of experiments to `archc compare {path}`\n"
    )


def test_an_option_and_set_may_not_say_the_same() -> None:
    run = train("d2l/lenet", "--epochs", "3", "--set", "epochs=4")
    assert (run.exit_code, run.stderr) == (2, "error: --epochs and --set epochs say the same; give one of them\n")
    run = train("d2l/lenet", "--epochs", "0")
    assert run.exit_code == 2
    assert run.stderr == "error: --epochs: epochs must be a whole number of at least 1, found 0\n"


def test_check_imports_neither_pydantic_nor_yaml() -> None:
    import subprocess
    import sys

    program = (
        "import sys, click\nfrom archc.cli import main\n"
        "main(['check', 'archs/d2l/lenet.arch'], standalone_mode=False)\n"
        "print([name for name in ('pydantic', 'yaml') if name in sys.modules])\n"
        "import archc.runtime.recipe\n"
        "print([name for name in ('pydantic', 'yaml') if name in sys.modules], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["[]", "['pydantic', 'yaml'] False"]
