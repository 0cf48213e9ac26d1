"""The three initialisations have the variances of their definitions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from advatlas.models.initialise import initialise


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(16, 64, 5), nn.BatchNorm2d(64), nn.Linear(500, 300))


@pytest.mark.parametrize(
    ("scheme", "conv_variance", "linear_variance"),
    [
        ("gaussian", 0.01**2, 0.01**2),
        ("msra", 2 / (16 * 25), 2 / 500),
        ("xavier", 2 / (16 * 25 + 64 * 25), 2 / 800),
    ],
)
def test_variance(scheme, conv_variance, linear_variance):
    net = network()
    initialise(net, scheme, torch.Generator().manual_seed(0))
    assert net[0].weight.var().item() == pytest.approx(conv_variance, rel=0.05)
    assert net[2].weight.var().item() == pytest.approx(linear_variance, rel=0.05)
    assert net[0].bias.abs().max() == 0
    assert torch.equal(net[1].weight, torch.ones(64))


def test_gaussian_std_is_a_parameter():
    net = network()
    initialise(net, "gaussian", torch.Generator().manual_seed(0), std=0.2)
    assert net[2].weight.std().item() == pytest.approx(0.2, rel=0.05)


def test_same_seed_same_weights_and_global_state_untouched():
    before = torch.random.get_rng_state()
    nets = [network(), network()]
    torch.random.set_rng_state(before)
    for net in nets:
        initialise(net, "xavier", torch.Generator().manual_seed(3))
    assert torch.equal(nets[0][0].weight, nets[1][0].weight)
    assert torch.equal(torch.random.get_rng_state(), before)
