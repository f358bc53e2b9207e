"""How much memory networks take, against what torch keeps."""

from math import prod

import pytest

from archc.api import compile
from archc.compiler.analysis.memory import Memory, memory
from archc.files import open_text
from archc.network import network
from tests.campaigns.costs import NEAR, measure


def needed(body: str, batch: int) -> Memory:
    return memory(network(open_text(f"arch Net {{ {body} }}"), {}).checked.shaped, batch=batch)


@pytest.mark.parametrize(
    "name", ["d2l/lenet", "papers/alexnet", "resnet18", "googlenet", "mobilenet_v3_small", "vit_b_32"]
)
def test_activations_are_what_autograd_saves(name: str) -> None:
    found = measure(name, "cpu")
    assert found.activations == found.saved
    assert found.macs == found.flops / 2


def test_turned_maps_are_near() -> None:
    found = measure("swin_t", "cpu")
    assert found.activations == pytest.approx(found.saved, rel=NEAR)
    assert found.macs == found.flops / 2


def test_weights_gradients_and_the_optimizer() -> None:
    model = compile("resnet18", num_classes=10)
    module = model.module()
    found = memory(model.checked.shaped, batch=1)
    assert found.weights == sum(value.nbytes for value in module.state_dict().values())
    assert found.gradients == sum(value.nbytes for value in module.parameters())
    assert found.optimizer == 2 * found.gradients
    assert found.training == found.weights + found.activations + found.gradients + found.optimizer


def test_a_relu_and_the_convolution_after_it_keep_one_value() -> None:
    found = needed("input x: [3, 8, 8]; conv(4, 3, padding=1) -> relu -> conv(4, 3, padding=1)", 5)
    assert found.activations == 4 * 5 * (3 * 64 + 4 * 64)


def test_without_anything_learned_nothing_is_kept() -> None:
    assert needed("input x: [3, 8, 8]; max_pool(2) -> relu -> flatten", 5).activations == 0


def test_modules_that_are_used_twice_weigh_once() -> None:
    found = needed("input x: [8]; input y: [8]; module m = linear(8); x -> m as a; y -> m as b; add { a; b }", 1)
    assert (found.weights, found.activations) == (4 * 72, 4 * 16)


@pytest.mark.parametrize(
    ("body", "most"),
    [
        ("input x: [8]; relu -> relu -> relu", 16),  # each value goes when the next one is there
        ("input x: [8]; relu as a; relu -> relu; add { identity; a }", 24),  # `a` waits for its second use
        ("input x: [8]; chunk(2) as (a, b); a -> relu", 12),  # the parts lie in the memory of the whole
        ("input x: [8]; dropout -> relu", 16),  # active in training only
        ("input x: [8]; input y: [8]; x -> relu -> relu as z; add { z; y }", 24),  # `y` waits from the beginning
        ("input x: [8] int64; embedding(10, 1)", 16 + 8),  # whole numbers have 8 bytes, that is twice 4
        ("input x: [8]; relu as a; linear(99) as b; output a; output b when training", 16),  # `b` is never run
    ],
)
def test_values_live_until_their_last_use(body: str, most: int) -> None:
    assert needed(body, 3).evaluation == 4 * 3 * most


def test_weights_are_no_values() -> None:
    found = needed("input x: [8]; p: parameter([8]) as p; mul { x; p }", 10)
    assert found.evaluation == 4 * 10 * (8 + 8)
    assert (found.weights, found.activations) == (4 * 8, 4 * 10 * 8)


def test_a_chain_in_evaluation() -> None:
    shaped = compile("d2l/lenet").checked.shaped
    sizes = [prod(int(str(size)) for size in tensor.shape) for tensor in shaped.types]
    assert memory(shaped, batch=256).evaluation == 4 * 256 * (sizes[1] + sizes[2])  # the first map and its sigmoid
