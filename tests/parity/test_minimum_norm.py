"""C&W, EAD, DeepFool and FMN are no worse than foolbox's and adv-lib's at an equal budget, on two networks."""

from __future__ import annotations

import math

import pytest
import torch
from benchmarks.rivals import load
from torch import Tensor

from advatlas.attacks import Targeted, Untargeted, apgd, carlini_wagner, deepfool, ead, fmn, pgd, square
from advatlas.models.classifier import Classifier
from advatlas.models.training import TrainingOptions
from advatlas.models.zoo import ModelRecipe, train_model

foolbox = load("foolbox") or pytest.skip("foolbox is not installed", allow_module_level=True)
adv_lib = load("adv_lib.attacks") or pytest.skip("adv-lib is not installed", allow_module_level=True)
torchattacks = load("torchattacks") or pytest.skip("torchattacks is not installed", allow_module_level=True)

BUDGET = {"steps": 200, "search_steps": 9, "initial_const": 0.1, "learning_rate": 0.02}
WITHIN = 1.02


@pytest.fixture(scope="module", params=["lenet", "lenet5"])
def victim(request, digits):
    """A network and 16 digits it gets right."""
    from advatlas.data import DATASETS

    dataset = DATASETS["mnist_sample"]
    recipe = ModelRecipe(
        request.param, request.param, "xavier", width=0.5, training=TrainingOptions(epochs=3, batch_size=16)
    )
    network, _, card = train_model(recipe, dataset, digits)
    model = Classifier(
        network,
        name=request.param,
        family=request.param,
        num_classes=10,
        input_size=dataset.input_size,
        mean=dataset.mean,
        std=dataset.std,
        card=card,
    )
    images, labels = digits["test"].pixels(), digits["test"].labels
    right = model(images).argmax(1) == labels
    return model, images[right][:16], labels[right][:16]


def goal_of(labels: Tensor, targeted: bool):
    return Targeted(labels, (labels + 1) % 10) if targeted else Untargeted(labels)


def criterion(goal):
    if goal.targets is None:
        return foolbox.criteria.Misclassification(goal.labels)
    return foolbox.criteria.TargetedMisclassification(goal.targets)


def mean_distance(model, images, adversarial, goal, order):
    """Return success and mean distance of the successful; images of zeros, foolbox's way to fail, are no success."""
    success = goal.success(model(adversarial)) & (adversarial.flatten(1).amax(1) > 0)
    distance = torch.linalg.vector_norm((adversarial - images).flatten(1), ord=order, dim=1)
    return float(success.float().mean()), distance, success


def no_worse(model, images, ours, theirs, goal, order):
    rate, distance, success = mean_distance(model, images, ours, goal, order)
    their_rate, their_distance, their_success = mean_distance(model, images, theirs, goal, order)
    assert their_rate > 0.5
    assert rate >= their_rate
    both = success & their_success
    assert distance[both].mean() <= WITHIN * their_distance[both].mean()


@pytest.mark.parametrize("targeted", [False, True])
def test_carlini_wagner(victim, targeted):
    model, images, labels = victim
    goal = goal_of(labels, targeted)
    ours = carlini_wagner(model, images, goal, **BUDGET)
    assert torch.equal(ours.success, goal.success(model(ours.images)))
    attack = foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=9, steps=200, stepsize=0.02, initial_const=0.1)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1))
    _, theirs, _ = attack(wrapped, images, criterion(goal), epsilons=None)
    no_worse(model, images, ours.images, theirs, goal, 2)
    theirs = adv_lib.carlini_wagner_l2(
        model,
        images,
        labels if goal.targets is None else goal.targets,
        targeted=targeted,
        max_iterations=200,
        learning_rate=0.02,
        binary_search_steps=9,
        initial_const=0.1,
    )
    no_worse(model, images, ours.images, theirs, goal, 2)


@pytest.mark.parametrize("targeted", [False, True])
def test_ead(victim, targeted):
    model, images, labels = victim
    goal = goal_of(labels, targeted)
    ours = ead(model, images, goal, **{**BUDGET, "learning_rate": 0.01})
    attack = foolbox.attacks.EADAttack(
        binary_search_steps=9,
        steps=200,
        initial_stepsize=0.01,
        initial_const=0.1,
        regularization=1e-3,
        decision_rule="L1",
    )
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1))
    _, theirs, _ = attack(wrapped, images, criterion(goal), epsilons=None)
    no_worse(model, images, ours.images, theirs, goal, 1)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_deepfool_is_foolbox(victim, norm):
    model, images, labels = victim
    goal = Untargeted(labels)
    ours = deepfool(model, images, goal, norm=norm)
    attack = getattr(foolbox.attacks, {"l2": "L2DeepFoolAttack", "linf": "LinfDeepFoolAttack"}[norm])()
    _, theirs, _ = attack(foolbox.PyTorchModel(model, bounds=(0, 1)), images, labels, epsilons=None)
    no_worse(model, images, ours.images, theirs, goal, 2 if norm == "l2" else math.inf)
    assert ((ours.images - theirs).abs() < 1e-3).float().mean() > 0.99


@pytest.mark.parametrize(("norm", "order"), [("l1", 1), ("l2", 2), ("linf", math.inf)])
def test_fmn_is_no_worse_than_its_authors(victim, norm, order):
    """adv-lib 0.2.8 stays at clipped images for ever where the linear estimate says the boundary is near."""
    model, images, labels = victim
    goal = Untargeted(labels)
    ours = fmn(model, images, goal, norm=norm, steps=200).images
    theirs = adv_lib.fmn(model, images, labels, norm=order, steps=200)
    rate, distance, success = mean_distance(model, images, ours, goal, order)
    their_rate, their_distance, their_success = mean_distance(model, images, theirs, goal, order)
    assert rate >= their_rate
    both = success & their_success
    assert distance[both].mean() <= WITHIN * their_distance[both].mean()


def test_pgd_without_its_random_start_is_torchattacks_bim(victim):
    model, images, labels = victim
    theirs = torchattacks.PGD(model, eps=0.1, alpha=0.02, steps=10, random_start=False)(images, labels)
    ours = pgd(model, images, Untargeted(labels), epsilon=0.1, step_size=0.02, steps=10, random_start=False)
    # torchattacks projects by x0 + clip(x - x0), which rounds differently.
    assert ((ours.images - theirs).abs() < 1e-6).float().mean() > 0.99


def test_l2_pgd_is_torchattacks(victim):
    model, images, labels = victim
    theirs = torchattacks.PGDL2(model, eps=1.5, alpha=0.3, steps=10, random_start=False)(images, labels)
    ours = pgd(model, images, Untargeted(labels), norm="l2", epsilon=1.5, step_size=0.3, steps=10, random_start=False)
    assert (ours.images - theirs).abs().max() < 1e-4


@pytest.mark.parametrize("loss", ["cross_entropy", "dlr"])
def test_apgd_is_no_weaker_than_torchattacks(victim, loss):
    model, images, labels = victim
    goal = Untargeted(labels)
    ours = theirs = 0
    for epsilon in (0.05, 0.1, 0.15, 0.2):
        rival = torchattacks.APGD(model, eps=epsilon, steps=50, loss={"cross_entropy": "ce", "dlr": "dlr"}[loss])
        theirs += int(goal.success(model(rival(images, labels))).sum())
        ours += int(apgd(model, images, goal, epsilon=epsilon, steps=50, loss=loss).success.sum())
    # Random starts differ: one image in 64 may fall to either.
    assert ours >= theirs - 1
    assert theirs > 0


def test_square_is_no_weaker_than_torchattacks(victim):
    model, images, labels = victim
    goal = Untargeted(labels)
    ours = theirs = 0
    for seed in range(3):
        rival = torchattacks.Square(model, eps=0.2, n_queries=300, seed=seed)
        theirs += int(goal.success(model(rival(images, labels))).sum())
        ours += int(square(model, images, goal, epsilon=0.2, queries=300, seed=seed).success.sum())
    assert ours >= theirs - 2
    assert theirs > 0
