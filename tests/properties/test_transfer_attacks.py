"""The transfer family: what each does to the gradient, and that it does transfer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from advatlas.attacks import (
    Targeted,
    Untargeted,
    bim,
    dgsm,
    di_fgsm,
    i_fgsm,
    mi_fgsm,
    pgd,
    si_fgsm,
    ti_fgsm,
    vmi_fgsm,
)
from advatlas.attacks.attack import input_gradient
from advatlas.attacks.di_fgsm import _diverse
from advatlas.attacks.ti_fgsm import _gaussian
from advatlas.errors import AdvatlasError
from advatlas.models.ensemble import Ensemble
from tests.conftest import classifier_of, small_network


@pytest.fixture
def model():
    return classifier_of(small_network())


@pytest.fixture
def batch(model):
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return images, model(images).argmax(1)


def test_without_what_they_add_they_are_i_fgsm(model, batch):
    images, labels = batch
    goal = Untargeted(labels)
    plain = i_fgsm(model, images, goal, epsilon=0.1, steps=4).images
    still = {"epsilon": 0.1, "steps": 4, "momentum": 0.0}
    assert torch.equal(mi_fgsm(model, images, goal, **still).images, plain)
    assert torch.equal(mi_fgsm(model, images, goal, accumulate="sign", **still).images, plain)
    assert torch.equal(di_fgsm(model, images, goal, diversity=0.0, **still).images, plain)
    assert torch.equal(ti_fgsm(model, images, goal, kernel_size=1, **still).images, plain)
    assert torch.equal(si_fgsm(model, images, goal, scales=1, **still).images, plain)
    assert torch.equal(bim(model, images, goal, epsilon=0.1, steps=4, step_size=0.025).images, plain)
    # Neighbours at distance 0 have the image's own gradient: no variance to correct by, up to rounding.
    still_there = vmi_fgsm(model, images, goal, neighbours=2, spread=0.0, **still).images
    assert (still_there == plain).float().mean() > 0.999


def test_momentum_is_the_papers_recursion(model, batch):
    images, labels = batch
    goal = Untargeted(labels)
    x, velocity = images, torch.zeros_like(images)
    for _ in range(5):
        gradient = input_gradient(model, x, goal)
        velocity = 0.9 * velocity + gradient / gradient.abs().sum((1, 2, 3), keepdim=True)
        x = (x + 0.02 * velocity.sign()).clamp(images - 0.1, images + 0.1).clamp(0, 1)
    found = mi_fgsm(model, images, goal, epsilon=0.1, steps=5, momentum=0.9)
    assert (found.images - x).abs().max() < 1e-6


def test_stopping_at_success_returns_the_first_success(model, batch):
    images, labels = batch
    goal = Untargeted(labels)
    stopped = mi_fgsm(model, images, goal, epsilon=0.2, steps=20, stop_at_success=True)
    for steps in range(1, 20):
        result = mi_fgsm(model, images, goal, epsilon=0.2, steps=steps, step_size=0.01)
        here = stopped.iterations == steps
        assert torch.equal(stopped.images[here], result.images[here])
        assert (result.success | (stopped.iterations > steps)).all()
    assert (stopped.iterations < 20).any()


def test_dgsm_climbs_the_difference_of_two_logits(model, batch):
    images, labels = batch
    goal = Targeted(labels, (labels + 3) % 10)
    one = dgsm(model, images, goal, epsilon=0.05, steps=1, step_size=0.05)
    variable = images.clone().requires_grad_(True)
    logits = model(variable)
    rows = torch.arange(6)
    (gradient,) = torch.autograd.grad((logits[rows, goal.targets] - logits[rows, labels]).sum(), variable)
    agree = (one.images == (images + 0.05 * gradient.sign()).clamp(0, 1)).float().mean()
    assert agree > 0.999
    with pytest.raises(AdvatlasError, match="dgsm: goal must be Targeted, not Untargeted"):
        dgsm(model, images, Untargeted(labels), epsilon=0.1)


def test_the_diverse_input_is_a_smaller_picture_on_black():
    images = torch.ones(200, 1, 20, 20)
    draws = torch.rand(200, 4, generator=torch.Generator().manual_seed(0))
    seen = _diverse(images, draws, 1.5, 1.0)
    side = seen.sum((1, 2, 3)).sqrt() / 20
    assert side.min() > 1 / 1.5 - 0.03
    assert side.max() < 1.001
    assert side.min() < 0.72
    assert (seen[:, :, 10, 10] > 0.9).float().mean() > 0.9
    assert torch.equal(_diverse(images, draws, 1.5, 0.0), images)
    changed = (_diverse(images, draws, 1.5, 0.5) != images).flatten(1).any(1).float().mean()
    assert 0.35 < changed < 0.65


def test_the_kernel_is_a_gaussian():
    kernel = _gaussian(15)
    assert kernel.sum() == pytest.approx(1.0)
    assert torch.allclose(kernel, kernel.T)
    assert kernel.argmax() == 7 * 15 + 7
    assert kernel[7, 7] / kernel[7, 0] == pytest.approx(torch.exp(torch.tensor(4.5)).item(), rel=1e-4)
    with pytest.raises(AdvatlasError, match="kernel_size: 4 is even"):
        ti_fgsm(
            classifier_of(small_network()),
            torch.rand(1, 1, 28, 28),
            Untargeted(torch.tensor([1])),
            epsilon=0.1,
            kernel_size=4,
        )


def test_si_takes_the_gradient_of_the_mean_over_scales(model, batch):
    images, labels = batch
    goal = Untargeted(labels)
    variable = images.clone().requires_grad_(True)
    mean = sum(goal.loss(model(variable / 2**i)) for i in range(3)) / 3
    (gradient,) = torch.autograd.grad(mean.sum(), variable)
    found = si_fgsm(model, images, goal, epsilon=0.1, steps=1, scales=3).images
    assert (found == (images + 0.1 * gradient.sign()).clamp(0, 1)).float().mean() > 0.999
    ahead = si_fgsm(model, images, goal, epsilon=0.1, steps=4, scales=2, nesterov=True).images
    assert not torch.equal(ahead, si_fgsm(model, images, goal, epsilon=0.1, steps=4, scales=2).images)


def test_pgd_starts_within_the_ball_and_restarts_never_hurt(lenet, correct_digits):
    images, labels = (part[:48] for part in correct_digits)
    goal = Untargeted(labels)
    for norm, epsilon in (("linf", 0.08), ("l2", 1.0)):
        before = None
        for restarts in (1, 2, 4):
            result = pgd(lenet, images, goal, epsilon=epsilon, norm=norm, steps=8, restarts=restarts, seed=3)
            order = 2 if norm == "l2" else float("inf")
            distance = torch.linalg.vector_norm((result.images - images).flatten(1), ord=order, dim=1)
            assert (distance <= epsilon * (1 + 1e-5)).all()
            assert before is None or result.success[before].all()
            before = result.success
        assert before.any()
        assert not before.all()
        start = pgd(lenet, images, goal, epsilon=epsilon, norm=norm, steps=1, step_size=0.0, seed=3).images
        assert ((start - images).abs() > 0).flatten(1).any(1).all()
        other = pgd(lenet, images, goal, epsilon=epsilon, norm=norm, steps=1, step_size=0.0, seed=4).images
        assert not torch.equal(start, other)


def test_an_ensemble_is_the_mean_of_its_logits(batch):
    first, second = (classifier_of(small_network(seed=s)) for s in (0, 1))
    images, labels = batch
    ensemble = Ensemble([first, second], [3.0, 1.0])
    assert torch.allclose(ensemble(images), 0.75 * first(images) + 0.25 * second(images), atol=1e-6)
    result = i_fgsm(ensemble, images, Untargeted(labels), epsilon=0.1)
    assert torch.equal(result.success, ensemble(result.images).argmax(1) != labels)
    with pytest.raises(AdvatlasError, match="classifiers is empty"):
        Ensemble([])
    with pytest.raises(AdvatlasError, match="weights must be 2 numbers"):
        Ensemble([first, second], [1.0])
    wide = classifier_of(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)), classes=3)
    with pytest.raises(AdvatlasError, match="differ in classes"):
        Ensemble([first, wide])(images)


def test_momentum_transfers_better_than_none_and_an_ensemble_better_still(digits):
    """Mean transfer from one LeNet to two others; small networks, one data set: the direction, not the size."""
    from advatlas.data import DATASETS
    from advatlas.models.classifier import Classifier
    from advatlas.models.training import TrainingOptions
    from advatlas.models.zoo import ModelRecipe, train_model

    dataset = DATASETS["mnist_sample"]
    models = []
    for seed in range(4):
        recipe = ModelRecipe(
            "lenet", "lenet", "xavier", width=0.5, seed=seed, training=TrainingOptions(epochs=3, batch_size=16)
        )
        network, _, _ = train_model(recipe, dataset, digits)
        models.append(
            Classifier(
                network,
                name=str(seed),
                family="LeNet",
                num_classes=10,
                input_size=dataset.input_size,
                mean=dataset.mean,
                std=dataset.std,
            )
        )
    images, labels = digits["test"].pixels(), digits["test"].labels
    right = torch.stack([m(images).argmax(1) == labels for m in models]).all(0)
    images, labels = images[right][:96], labels[right][:96]
    goal = Untargeted(labels)

    def transfer(adversarial):
        return sum(float(goal.success(m(adversarial)).float().mean()) for m in models[2:]) / 2

    budget = {"epsilon": 0.15, "steps": 10}
    without = transfer(i_fgsm(models[0], images, goal, **budget).images)
    momentum = transfer(mi_fgsm(models[0], images, goal, **budget).images)
    ensemble = transfer(mi_fgsm(Ensemble(models[:2]), images, goal, **budget).images)
    assert momentum >= without
    assert ensemble > without
