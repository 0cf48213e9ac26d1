"""The one-pixel attack finds at least as many as torchattacks' OnePixel at the same populations and generations.

Both search at random, and few digits can be fooled by a pixel: the counts are summed over budgets and seeds.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from advatlas import torchvision_compat  # noqa: F401 (torchattacks imports torchvision)
from advatlas.attacks import Untargeted, one_pixel

torchattacks = pytest.importorskip("torchattacks")

BUDGETS = [(1, 20, 10), (1, 10, 10), (3, 30, 10), (5, 50, 5)]  # pixels, population, generations
SEEDS = [0, 1, 2]


def test_it_finds_as_many(lenet, correct_digits):
    images, labels = (part[:64] for part in correct_digits)
    ours = theirs = 0
    for pixels, population, generations in BUDGETS:
        rival = torchattacks.OnePixel(lenet, pixels=pixels, steps=generations, popsize=population, inf_batch=128)
        budget = {"pixels": pixels, "population": population, "generations": generations}
        for seed in SEEDS:
            np.random.seed(seed)
            torch.manual_seed(seed)
            theirs += int((lenet(rival(images, labels)).argmax(1) != labels).sum())
            ours += int(one_pixel(lenet, images, Untargeted(labels), **budget, seed=seed).success.sum())
    assert theirs > 0
    assert ours >= theirs
