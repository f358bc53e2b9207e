"""Recipes: what is read, how layers merge, and what is said of every way to get one wrong."""

import re
from itertools import pairwise
from typing import Any

import pytest

from archc.runtime.errors import SettingsError
from archc.runtime.recipe import Recipe, read_changes, resolve
from archc.runtime.recipe_text import Layer, read_recipe
from archc.runtime.settings import Settings


def recipe(text: str, *changes: str) -> Recipe:
    return resolve([read_recipe(text, "my.yaml"), read_changes(changes)], recipe="my.yaml")


def refused(text: str, *changes: str) -> str:
    with pytest.raises(SettingsError) as caught:
        recipe(text, *changes)
    assert caught.value.exit_status == 2
    return str(caught.value)


OPTIMIZERS = "sgd, adam, adamw, nadam, radam, adamax, rmsprop, adagrad, adadelta, muon"

VALUES: dict[str, tuple[str, dict[str, Any]]] = {
    "a number with an exponent, text in YAML 1.1": ("lr: 1e-3", {}),
    "one with a sign": ("lr: 2.5E+1", {"lr": 25.0}),
    "a whole number for a real one": ("lr: 1", {"lr": 1}),
    "a leading zero, octal in YAML 1.1": ("epochs: 010\nseed: 011", {"seed": 11}),
    "underscores": ("batch_size: 1_000", {"batch_size": 1000}),
    "null": ("normalize: null\ntest_batch_size: ~\nimage_size:", {}),
    "one level for all channels": (
        "normalize: {mean: 0.5, std: 2}", {"normalize": {"mean": [0.5], "std": [2.0]}},
    ),
    "a square": ("image_size: 96", {"image_size": [96, 96]}),
    "comments and blanks": ("# c\n\nlr: 0.5   # d\n", {"lr": 0.5}),
    "CRLF": ("lr: 0.5\r\nseed: 3\r\n", {"lr": 0.5, "seed": 3}),
    "JSON": ('{"lr": 0.5, "compile": true}', {"lr": 0.5, "compile": True}),
    "a part of the default": (
        "schedule: {warmup: 0.1}", {"schedule": {"name": "one_cycle", "warmup": 0.1, "div_factor": 25}},
    ),
    "steps as names": (
        "augment: crop, flip", {"augment": {"crop": {"padding": 4, "resize": 0}, "flip": {"probability": 0.5}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    text, changed = VALUES[name]
    assert recipe(text).settings.changed() == changed


MISTAKES = {
    # what is no recipe
    "": "my.yaml: a recipe is a mapping of settings, such as `lr: 0.1`; this holds nothing",
    "# only a comment": "my.yaml: a recipe is a mapping of settings, such as `lr: 0.1`; this holds nothing",
    "- lr": "my.yaml: a recipe is a mapping of settings, such as `lr: 0.1`; this holds a list of 1",
    "lr=0.1": "my.yaml: a recipe is a mapping of settings, such as `lr: 0.1`; this holds the single value 'lr=0.1'",
    "lr: 1\n---\nlr: 2": "my.yaml:2:1: a recipe is one document, and a second one begins here",
    "lr: [1": "my.yaml:1:7: this is no YAML: while parsing a flow sequence expected ',' or ']', but got '<stream end>'",
    "lr: 1\n  seed: 2": "my.yaml:2:7: this is no YAML: mapping values are not allowed here; is the line indented too"
    " far, or should a value with a colon in it stand in quotes?",
    "seed: 1\n\tlr: 2": "my.yaml:2:1: here is a tab, and YAML takes spaces only",
    "seed:\t1": "my.yaml:1:6: here is a tab, and YAML takes spaces only",
    "epochs 3\nlr: 0.1": "my.yaml:1:1: 'epochs 3' is no setting: write `key: value`, with a colon and a space",
    "seed: 1\n\nlr=0.1 # x": "my.yaml:3:1: 'lr=0.1 # x' is no setting: write `key: value`, with a colon and a space",
    "lr:1\n# two\nseed: 2": "my.yaml:1:1: 'lr:1' is no setting: write `key: value`, with a colon and a space",
    "lr: \0": "my.yaml:1:5: the character U+0000 has no place in YAML",
    "seed: 1\nlr: \x1b[31m": "my.yaml:2:5: the character U+001B has no place in YAML",
    # what YAML has and a recipe has not
    "lr: !!python/object/apply:os.system [ls]": "my.yaml:1:5: a recipe has no tags, and this is"
    " 'tag:yaml.org,2002:python/object/apply:os.system'",
    "lr: !!float 1": "my.yaml:1:5: a recipe has no tags, and this is 'tag:yaml.org,2002:float'",
    "a: &a [1]\nb: [*a, *a]": "my.yaml:1:4: a recipe has no anchors and aliases: write the value out",
    "lr: *a": "my.yaml:1:5: a recipe has no anchors and aliases: write the value out",
    "[1]: 2": "my.yaml:1:1: a key of a recipe is one word",
    "lr: 1\nlr: 2": "my.yaml:2:1: 'lr' is set twice, first at my.yaml:1:1",
    "optimizer: {name: sgd, name: adam}": "my.yaml:1:24: 'name' is set twice, first at my.yaml:1:13",
    "a: " + "[" * 25 + "]" * 25: "my.yaml:1:24: a recipe nests at most 20 deep",
    # keys
    "seed: 1\nepoch: 3": "my.yaml:2:1: no setting is called 'epoch'; did you mean 'epochs'?",
    "Epochs: 3": "my.yaml:1:1: no setting is called 'Epochs'; did you mean 'epochs'?",
    "momentum: 0.9": "my.yaml:1:1: no setting is called 'momentum'; did you mean 'optimizer.momentum'?",
    "optimizer:\n  name: sgd\n  momentun: 0.9": "my.yaml:3:3: optimizer sgd has no 'momentun';"
    " did you mean 'momentum'?",
    "optimizer: {momentum: 0.9}": "my.yaml:1:13: optimizer adamw has no momentum; sgd, rmsprop and muon have",
    "schedule: step": "my.yaml:1:11: schedule step needs step_size, a whole number of at least 1",
    "normalize: {mean: [0.5]}": "my.yaml:1:12: normalize needs std, a list, each a number above 0",
    "augment: {flop: true}": "my.yaml:1:11: augment: there is no step 'flop'; did you mean 'flip'?",
    "augment:\n  flip: true\n  crop: {paddin: 4}": "my.yaml:3:10: augment: crop has no argument 'paddin';"
    " did you mean 'padding'?",
    "augment:\n  - crop\n  - flip: {odds: 1}": "my.yaml:3:12: augment: flip has no argument 'odds';"
    " it takes probability",
    "augment: [crop, flop]": "my.yaml:1:17: augment: there is no step 'flop'; did you mean 'flip'?",
    "augment: crop=4": "my.yaml:1:10: augment: there is no step 'crop=4'; with a value the step is written {crop: 4}",
    "augment: {crop: 4.5, flip: 2}": "my.yaml:1:17: augment: crop.padding must be a whole number from 0 to 1024,"
    " found 4.5\nmy.yaml:1:28: augment: flip.probability must be a number from 0 to 1, found 2",
    "learning_rate: 0.1": "my.yaml:1:1: no setting is called 'learning_rate'; did you mean 'lr'?",
    "optimizer: {nmae: sgd}": "my.yaml:1:13: optimizer adamw has no 'nmae'; did you mean 'name'?",
    "optimizer: {name: sgd, lr: 0.1}": "my.yaml:1:24: optimizer sgd has no lr: it is a setting of its own,"
    " beside optimizer",
    "optimizer: {sgd: {momentum: 1}}": "my.yaml:1:13: optimizer adamw has no 'sgd'; another optimizer is taken by"
    " `optimizer: sgd`",
    # values
    "compile: no": "my.yaml:1:10: compile must be one of auto, true, false, found 'no'; did you mean false?",
    "deterministic: no": "my.yaml:1:16: deterministic must be true or false, found 'no'; did you mean false?",
    "compile: 1": "my.yaml:1:10: compile must be one of auto, true, false, found 1",
    "epochs: true": "my.yaml:1:9: epochs must be a whole number of at least 1, found true",
    "epochs: 2.0": "my.yaml:1:9: epochs must be a whole number of at least 1, found 2.0",
    "epochs: 1:30": "my.yaml:1:9: epochs must be a whole number of at least 1, found '1:30'",
    "epochs: 2020-01-01": "my.yaml:1:9: epochs must be a whole number of at least 1, found '2020-01-01'",
    "batch_size: 9999999999": "my.yaml:1:13: batch_size must be a whole number of at least 1, found 9999999999;"
    " at most 2,147,483,647",
    "lr: .inf": "my.yaml:1:5: lr must be a number above 0, found inf",
    "lr: 1e400": "my.yaml:1:5: lr must be a number above 0, found inf",
    "lr: .nan": "my.yaml:1:5: lr must be a number above 0, found nan",
    'lr: "0.1"': "my.yaml:1:5: lr must be a number above 0, found '0.1'; without quotes it is the number 0.1",
    "lr:": "my.yaml:1:4: lr must be a number above 0, found null",
    "lr: [1]": "my.yaml:1:5: lr must be a number above 0, found [1]",
    "optimizer: SGD": f"my.yaml:1:12: optimizer must be one of {OPTIMIZERS}, found 'SGD'; did you mean 'sgd'?",
    "optimizer: {name: sdg}": f"my.yaml:1:12: optimizer must be one of {OPTIMIZERS}, found 'sdg'; did you mean 'sgd'?",
    "optimizer: {name: {a: b}}": f"my.yaml:1:12: optimizer must be one of {OPTIMIZERS}, found {{'a': 'b'}}",
    "optimizer: [sgd]": f"my.yaml:1:12: optimizer must be one of {OPTIMIZERS}, found ['sgd']",
    "optimizer: {name: sgd, nesterov: true}": "my.yaml:1:12: nesterov needs a momentum above 0 and no dampening",
    "optimizer: {betas: [0.9, 1.5]}": "my.yaml:1:26: optimizer.betas must be a pair, each a number of at least 0 and"
    " below 1, found 1.5",
    "optimizer: {betas: [0.9]}": "my.yaml:1:20: optimizer.betas must be a pair, each a number of at least 0 and"
    " below 1, found [0.9]",
    "normalize: {mean: 0.1, std: [0]}": "my.yaml:1:30: normalize.std must be a list, each a number above 0, found 0",
    "aux_weights: {a: -1}": "my.yaml:1:18: aux_weights.a must be a number of at least 0, or a mapping from names,"
    " found -1",
    "schedule: {warmup: -1}": "my.yaml:1:20: schedule.warmup must be a number of at least 0 and below 1, found -1",
    "precision: fp17": "my.yaml:1:12: precision must be one of auto, fp32, bf16, fp16, found 'fp17';"
    " did you mean 'fp16'?",
    "loss: nll\nlabel_smoothing: 0.1": "my.yaml:2:1: label_smoothing is for loss cross_entropy, and the loss is nll",
    "image_size: [224]": "my.yaml:1:13: image_size must be a pair, each a whole number of at least 1, or null,"
    " found [224]",
    "image_size: [1, 2, 3]": "my.yaml:1:13: image_size must be a pair, each a whole number of at least 1, or null,"
    " found [1, 2, 3]",
    "data: 3": "my.yaml:1:7: data must be a name, found 3",
    "params: [4]": "my.yaml:1:9: params must be a mapping, found [4]",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_clear_message(text: str) -> None:
    assert refused(text) == MISTAKES[text]


def test_all_mistakes_are_told_at_once() -> None:
    assert refused("epoch: 3\nlr: 0\ndata: 1\n", "seed=-1").split("\n") == [
        "my.yaml:1:1: no setting is called 'epoch'; did you mean 'epochs'?",
        "my.yaml:2:5: lr must be a number above 0, found 0",
        "my.yaml:3:7: data must be a name, found 1",
        "--set seed: seed must be a whole number of at least 0, found -1",
    ]
    many = refused("".join(f"k{number}: 1\n" for number in range(500))).split("\n")
    assert (len(many), many[-1]) == (21, "and 480 more mistakes")


HOSTILE = {
    "50,000 brackets": "[" * 50_000,
    "50,000 brackets under a key": "lr: " + "[" * 50_000,
    "50,000 braces": "{" * 50_000,
    "lists in lists": "- " * 30_000,
    "keys in keys": "? " * 30_000,
    "mappings in mappings": "\n".join(" " * depth + "a:" for depth in range(350)),
    "anchors": "&a " * 20_000,
    "aliases of aliases": "a: &a [x, x]\n" + "".join(f"{c}: &{c} [*{b}, *{b}]\n" for b, c in pairwise("abcdefghi")),
    "colons": "a:" * 30_000,
    "commas": "[" + "," * 60_000,
    "quotes": "'" * 60_001,
    "a long word": "lr: " + "x" * 60_000,
    "a long number": "lr: " + "9" * 60_000,
    "a long key": "x" * 60_000 + ": 1",
    "thousands of keys": "".join(f"k{number}: 1\n" for number in range(6_000)),
    "one key a thousand times": "lr: 1\n" * 9_000,
    "a merge key": "<<: {lr: 1}",
    "a directive": "%YAML 9.9\n---\nlr: 1",
}  # fmt: skip


def test_the_origin_of_many_settings_is_their_number() -> None:
    whole = resolve([read_recipe("lr: 0.1", "my.yaml")]).text()
    layers = [read_recipe(whole, "run/recipe.yaml"), read_changes(["epochs=3"])]
    begins, ends = resolve(layers, recipe="run/recipe.yaml").origin.split("; ")
    assert re.fullmatch(r"recipe run/recipe\.yaml \(\d\d settings\)", begins)
    assert ends == "command line (epochs)"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_refused_shortly(name: str) -> None:
    message = refused(HOSTILE[name])  # the brackets once took minutes
    assert len(message) < 20_000
    assert message.startswith("my.yaml")


def test_layers_merge() -> None:
    text = (
        "optimizer: {name: sgd, momentum: 0.9, nesterov: true}\nlr: 0.1\n"
        "params: {ratio: 4, depth: 2}\naugment: {flip: true}"
    )
    assert recipe(text).settings.epochs == Settings().epochs
    kept = recipe(text, "lr=0.2", "optimizer.momentum=0.5", "params.ratio=2", "augment.crop=2")
    assert kept.settings.lr == 0.2
    assert kept.settings.optimizer.model_dump() == {"name": "sgd", "momentum": 0.5, "dampening": 0.0, "nesterov": True}
    assert kept.task.params == {"ratio": 2, "depth": 2}
    assert list(kept.settings.augment) == ["flip", "crop"]
    assert recipe(text, "optimizer=sgd").settings.optimizer == recipe(text).settings.optimizer
    assert recipe(text, "optimizer=adam").settings.optimizer == Settings(optimizer="adam").optimizer
    assert recipe(text, "optimizer=adam", "optimizer.eps=0.1").settings.optimizer.model_dump()["eps"] == 0.1
    assert recipe(text, "augment.flip=false").settings.augment == {}
    assert recipe("schedule: cosine", "schedule.warmup=0.1").settings.schedule.warmup == 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["lr"], "--set takes KEY=VALUE, and this is 'lr'; for example --set lr=0.01"),
        (["=1"], "--set takes KEY=VALUE, and this is '=1'; for example --set lr=0.01"),
        (["lr="], "--set takes KEY=VALUE, and this is 'lr='; for example --set lr=0.01"),
        (["lr=1", "lr=2"], "--set lr is given twice"),
        (["lr=x"], "--set lr: lr must be a number above 0, found 'x'"),
        (["epoch=1"], "--set epoch: no setting is called 'epoch'; did you mean 'epochs'?"),
        (
            ["optimizer.momentum=1"],
            "--set optimizer.momentum: optimizer adamw has no momentum; sgd, rmsprop and muon have",
        ),
        (["lr=[" + "[" * 3000], "--set lr:1:22: a recipe nests at most 20 deep"),
        (["lr.x=1"], "--set lr.x: lr must be a number above 0, found {'x': 1}"),
        ([".=1"], "--set .: no setting is called ''; "),
    ],
)
def test_a_wrong_change_is_named(changes: list[str], message: str) -> None:
    assert refused("seed: 1", *changes).startswith(message)


def test_the_origin_says_which_settings_come_from_where() -> None:
    layers = [
        read_recipe("lr: 0.1\nseed: 4\noptimizer: sgd\n", "d2l/lenet"),
        read_changes(["seed=5", "optimizer.momentum=0.5"]),
    ]
    assert resolve(layers, recipe="d2l/lenet").origin == (
        "recipe d2l/lenet (lr, optimizer); command line (seed, optimizer); the rest by default"
    )
    assert resolve(layers[:1]).origin == ""
    assert recipe("lr: 1", "lr=2").origin == "recipe my.yaml; command line (lr); the rest by default"


def test_a_resolved_recipe_gives_the_same_run() -> None:
    first = recipe(
        "optimizer: {name: adam, betas: [0.8, 0.9]}\nimage_size: [3, 4]\nnormalize: {mean: [0], std: [1e-3]}\n"
        "augment: {resized_crop: {scale: [0.5, 1]}}\nparams: {cfg: [64, M]}\ndata: 'no'\n"
        "schedule: {name: step, step_size: 2}"
    )
    again = resolve([read_recipe(first.text(), "recipe.yaml")], recipe="recipe.yaml")
    assert (again.task, again.settings) == (first.task, first.settings)
    assert again.named == {*Settings.model_fields, "data", "data_root", "params", "weights"}


def test_arguments_in_python_have_no_place() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve([Layer("arguments", {"epochs": 0}, {})])
    assert str(caught.value) == "epochs must be a whole number of at least 1, found 0"
