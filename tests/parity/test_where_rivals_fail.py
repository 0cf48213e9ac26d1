"""What a rival's release gets wrong, each beside ours getting it right; should a release mend it, the test says so."""

from __future__ import annotations

import pytest
import torch
from benchmarks.rivals import load
from torch import Tensor, nn

from advatlas.attacks import Untargeted, carlini_wagner, deepfool, ead
from tests.conftest import classifier_of

torchattacks = load("torchattacks") or pytest.skip("torchattacks is not installed", allow_module_level=True)
foolbox = load("foolbox") or pytest.skip("foolbox is not installed", allow_module_level=True)

BUDGET = {"steps": 200, "search_steps": 6, "initial_const": 1.0, "learning_rate": 0.02}


@pytest.fixture
def victims(lenet, correct_digits):
    images, labels = (part[:16] for part in correct_digits)
    return lenet, images, labels


class Shifted(nn.Module):
    """The same decisions, every logit lower by 100."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) - 100


def test_torchattacks_carlini_wagner_never_moves_saturated_pixels(victims):
    model, images, labels = victims
    saturated = (images == 0) | (images == 1)
    theirs = torchattacks.CW(model, c=10, steps=200, lr=0.02)(images, labels)
    assert torch.equal(theirs[saturated], images[saturated])
    ours = carlini_wagner(model, images, Untargeted(labels), **BUDGET).images
    assert ((ours - images).abs() > 1e-3)[saturated].float().mean() > 0.05


def test_torchattacks_carlini_wagner_fails_on_negative_logits(victims):
    """``max(onehot * outputs)`` of negative logits is 0, an entry that is not there."""
    model, images, labels = victims
    goal = Untargeted(labels)
    attack = torchattacks.CW(model, c=10, steps=200, lr=0.02)
    assert goal.success(model(attack(images, labels))).any()
    shifted = torchattacks.CW(Shifted(model).eval(), c=10, steps=200, lr=0.02)
    assert not goal.success(model(shifted(images, labels))).any()
    below = classifier_of(Shifted(model))
    plain, low = (carlini_wagner(m, images, goal, **BUDGET) for m in (model, below))
    assert low.success.all()
    distance = [(r.images - images).flatten(1).norm(dim=1).mean() for r in (plain, low)]
    assert distance[1] == pytest.approx(float(distance[0]), rel=0.01)


def test_torchattacks_carlini_wagner_does_not_know_its_confidence(victims):
    model, images, labels = victims
    goal = Untargeted(labels)
    theirs = torchattacks.CW(model, c=10, kappa=2, steps=300, lr=0.02)(images, labels)
    fooled = goal.success(model(theirs))
    assert fooled.any()
    assert (goal.margin(model(theirs))[fooled] < 2 - 1e-3).any()
    ours = carlini_wagner(model, images, goal, confidence=2.0, **BUDGET)
    assert (goal.margin(model(ours.images))[ours.success] >= 2 - 1e-3).all()


def test_torchattacks_ead_misses_its_margin_in_a_batch(victims):
    """It subtracts kappa from the columns of all labels of the batch."""
    model, images, labels = victims
    goal = Untargeted(labels)
    attack = torchattacks.EADEN(model, kappa=5, max_iterations=60, binary_search_steps=5, initial_const=1.0)
    theirs = attack(images, labels)
    assert (goal.margin(model(theirs))[goal.success(model(theirs))] < 5 - 1e-2).any()
    ours = ead(model, images, goal, decision_rule="elastic_net", confidence=5.0, **BUDGET)
    assert ours.success.any()
    assert (goal.margin(model(ours.images))[ours.success] >= 5 - 1e-2).all()


@pytest.mark.parametrize("attack", ["L2CarliniWagnerAttack", "EADAttack"])
def test_foolbox_returns_zeros_where_it_fails_and_counts_them(victims, attack):
    model, images, labels = victims
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1))
    rival = getattr(foolbox.attacks, attack)(binary_search_steps=2, steps=3, initial_const=1e-3)
    _, theirs, success = rival(wrapped, images, labels, epsilons=None)
    zeros = theirs.flatten(1).amax(1) == 0
    assert zeros.all()
    assert success.any()
    function = carlini_wagner if attack.startswith("L2") else ead
    ours = function(model, images, Untargeted(labels), steps=3, search_steps=2, initial_const=1e-3)
    assert not ours.success.any()
    assert (ours.images - images).abs().max() < 0.5


def test_torchattacks_deepfool_fails_where_pixels_are_saturated(victims):
    model, images, labels = victims
    goal = Untargeted(labels)
    theirs = goal.success(model(torchattacks.DeepFool(model)(images, labels)))
    assert theirs.float().mean() < 0.9
    assert deepfool(model, images, goal).success.all()
