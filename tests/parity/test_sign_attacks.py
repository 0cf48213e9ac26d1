"""FGSM and I-FGSM give the same bits as torchattacks and foolbox at the same settings.

torchattacks differentiates the mean of the losses, which scales every gradient by 1/N. With N a power of two that is exact
and the signs are those of our sum; for other N a gradient of nearly 0 can round to the other side of it.
"""

from __future__ import annotations

import pytest
import torch

from advatlas import torchvision_compat  # noqa: F401 (torchattacks imports torchvision)
from advatlas.attacks import Targeted, Untargeted, fgsm, i_fgsm

torchattacks = pytest.importorskip("torchattacks")
foolbox = pytest.importorskip("foolbox")

EPSILONS = [2 / 255, 8 / 255, 0.1, 0.2, 0.3]


@pytest.fixture
def victims(lenet, correct_digits):
    images, labels = correct_digits
    assert len(images) == 128
    return lenet, images, labels


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_fgsm_is_torchattacks(victims, epsilon):
    model, images, labels = victims
    theirs = torchattacks.FGSM(model, eps=epsilon)(images, labels)
    assert torch.equal(fgsm(model, images, Untargeted(labels), epsilon=epsilon).images, theirs)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_targeted_fgsm_is_torchattacks(victims, epsilon):
    model, images, labels = victims
    targets = (labels + 3) % 10
    attack = torchattacks.FGSM(model, eps=epsilon)
    attack.set_mode_targeted_by_label(quiet=True)
    theirs = attack(images, targets)
    assert torch.equal(fgsm(model, images, Targeted(labels, targets), epsilon=epsilon).images, theirs)


@pytest.mark.parametrize("steps", [1, 10, 25])
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_i_fgsm_is_torchattacks_bim(victims, epsilon, steps):
    model, images, labels = victims
    theirs = torchattacks.BIM(model, eps=epsilon, alpha=epsilon / steps, steps=steps)(images, labels)
    ours = i_fgsm(model, images, Untargeted(labels), epsilon=epsilon, steps=steps).images
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_fgsm_is_foolbox(victims, epsilon):
    model, images, labels = victims
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1))
    theirs, _, success = foolbox.attacks.FGSM()(wrapped, images, labels, epsilons=epsilon)
    ours = fgsm(model, images, Untargeted(labels), epsilon=epsilon)
    assert torch.equal(ours.images, theirs)
    assert torch.equal(ours.success, success)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_i_fgsm_is_foolbox_bim(victims, epsilon):
    model, images, labels = victims
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1))
    attack = foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=epsilon / 10, steps=10, random_start=False)
    theirs, _, success = attack(wrapped, images, labels, epsilons=epsilon)
    ours = i_fgsm(model, images, Untargeted(labels), epsilon=epsilon, steps=10)
    # foolbox projects by x0 + clip(x - x0), which rounds differently: all but a few pixels agree to the last place.
    assert ((ours.images - theirs).abs() < 1e-6).float().mean() > 0.999
    assert torch.equal(ours.success, success)
