"""The one-pixel attack finds at least as many as torchattacks' OnePixel at the same population and generations."""

from __future__ import annotations

import pytest
import torch

from advatlas import torchvision_compat  # noqa: F401 (torchattacks imports torchvision)
from advatlas.attacks import Untargeted, one_pixel

torchattacks = pytest.importorskip("torchattacks")


@pytest.mark.parametrize(("pixels", "population", "generations"), [(1, 20, 10), (3, 30, 10), (5, 50, 5)])
def test_it_finds_as_many(lenet, correct_digits, pixels, population, generations):
    images, labels = (part[:64] for part in correct_digits)
    torch.manual_seed(0)
    rival = torchattacks.OnePixel(lenet, pixels=pixels, steps=generations, popsize=population, inf_batch=128)
    theirs = (lenet(rival(images, labels)).argmax(1) != labels).sum()
    ours = one_pixel(
        lenet, images, Untargeted(labels), pixels=pixels, population=population, generations=generations
    ).success.sum()
    assert ours >= theirs
