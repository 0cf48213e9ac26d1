"""Parameters and MACs against the published tables of bendaya2020."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from advatlas.models.complexity import count_macs, count_parameters
from advatlas.models.small import ARCHITECTURES

# architecture, input, parameters and MACs as printed (millions), tolerance of each.
PUBLISHED = [
    ("alexnet", (1, 28, 28), 3.8500, 595.9, 0.010, 0.002),
    ("googlenet", (1, 28, 28), 6.4000, 17.0, 0.001, 0.035),
    ("lenet", (1, 28, 28), 0.4311, 2.3, 0.001, 0.005),
    ("nin", (1, 28, 28), 6.5500, 203.2, 0.001, 0.001),
    ("resnet20", (1, 28, 28), 0.2791, 31.6, 0.03, 0.02),
    ("squeezenet", (1, 28, 28), 0.7265, 29.6, 0.001, 0.005),
    ("alexnet", (3, 32, 32), 4.2500, 1010.0, 0.02, 0.02),
    ("googlenet", (3, 32, 32), 6.4000, 32.8, 0.001, 0.02),
    ("lenet5", (3, 32, 32), 0.0896, 12.3, 0.001, 0.001),
    ("nin", (3, 32, 32), 6.5500, 256.4, 0.001, 0.04),
    ("squeezenet", (3, 32, 32), 0.7276, 41.1, 0.001, 0.001),
    ("vgg16", (3, 32, 32), 33.6400, 332.1, 0.001, 0.001),
]


@pytest.mark.parametrize(("name", "size", "parameters", "macs", "near_parameters", "near_macs"), PUBLISHED)
def test_published_counts(name, size, parameters, macs, near_parameters, near_macs):
    network = ARCHITECTURES[name](size[0], size[1], 10)
    assert count_parameters(network) / 1e6 == pytest.approx(parameters, rel=near_parameters)
    assert count_macs(network, size) / 1e6 == pytest.approx(macs, rel=near_macs)


def test_macs_of_a_hand_counted_network():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 5 * 5, 7))
    assert count_macs(network, (3, 5, 5)) == 25 * 4 * 27 + 100 * 7
    assert count_parameters(network) == 4 * 27 + 4 + 700 + 7


def test_counting_leaves_the_mode_alone():
    network = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(4, 2)).train()
    count_macs(network, (1, 2, 2))
    assert network.training


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("width", [0.25, 1.0])
def test_every_network_maps_images_to_logits(name, width):
    architecture = ARCHITECTURES[name]
    for channels, size in ((1, 28), (3, 32)):
        if size < architecture.min_size:
            continue
        network = architecture(channels, size, 7, width).eval()
        x = torch.rand(2, channels, size, size)
        assert network(x).shape == (2, 7)
        weights, logits = zip(*network.training_logits(x), strict=True)
        assert weights[0] == 1.0
        assert torch.equal(logits[0], network(x))
