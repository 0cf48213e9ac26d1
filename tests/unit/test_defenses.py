"""Defenses: closed forms, gradients, independence of the batch, and what an attacker who knows of them sees."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from torch import nn

from advatlas.attacks import ATTACKS, fgsm
from advatlas.attacks.goal import Untargeted
from advatlas.data import DATASETS
from advatlas.defenses import DEFENSES
from advatlas.defenses.adaptive import AttackersView
from advatlas.defenses.defense import drawing, honest_gradients
from advatlas.errors import AdvatlasError
from advatlas.models.training import TrainingOptions
from advatlas.models.zoo import (
    DefendedRecipe,
    ModelRecipe,
    is_excluded,
    load_card,
    load_classifier,
    save_model,
    train_defended,
    train_model,
    wrapped_card,
    write_card,
)
from advatlas.progress import silent
from advatlas.stages.train import defend
from advatlas.storage.artifacts import read_artifact
from tests.conftest import classifier_of, small_network


def _wrapped(name, classifier, **parameters):
    defense = DEFENSES[name]
    full = {p.name: p.default for p in defense.parameters.values() if not p.required} | parameters
    return defense.wrap(classifier, full)


@pytest.fixture
def images():
    return torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def network():
    return classifier_of(small_network())


def _gradient(model, images, labels=None):
    variable = images.clone().requires_grad_(True)
    labels = torch.zeros(len(images), dtype=torch.int64) if labels is None else labels
    return torch.autograd.grad(nn.functional.cross_entropy(model(variable), labels, reduction="sum"), variable)[0]


def test_smoothing_is_a_gaussian_correlation_with_reflected_borders(network, images):
    sigma, kernel = 0.8, 5
    offsets = np.arange(kernel) - kernel // 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    blurred = images.numpy()
    for axis in (2, 3):
        blurred = correlate1d(blurred, weights, axis=axis, mode="mirror")
    smoothed = _wrapped("feature_smoothing", network, sigma=sigma, kernel=kernel)
    assert torch.allclose(smoothed(images), network(torch.from_numpy(blurred)), atol=1e-5)
    assert not torch.allclose(smoothed(images), network(images), atol=1e-2)


def test_an_attack_goes_through_the_blur(network, images):
    smoothed = _wrapped("feature_smoothing", network, sigma=1.0, kernel=3).double()
    exact = _gradient(smoothed, images.double())
    step, place = 1e-6, (2, 0, 13, 9)
    ends = []
    for sign in (-1, 1):
        moved = images.double().clone()
        moved[place] += sign * step
        labels = torch.zeros(len(images), dtype=torch.int64)
        ends.append(nn.functional.cross_entropy(smoothed(moved), labels, reduction="sum").item())
    assert exact[place].item() == pytest.approx((ends[1] - ends[0]) / (2 * step), rel=1e-4)


def test_rounding_hides_the_gradient_and_the_attackers_view_passes_it_on(network, images):
    rounded = _wrapped("bit_depth", network, bits=2)
    assert set(np.unique((images * 3).round() / 3)) <= {0, np.float32(1 / 3), np.float32(2 / 3), 1}
    assert torch.equal(rounded(images), network((images * 3).round() / 3))
    assert (_gradient(rounded, images) == 0).all()
    view = AttackersView(rounded, samples=5)
    assert view.passes == 1
    assert torch.allclose(view(images), rounded(images), atol=1e-6)
    assert torch.allclose(_gradient(view, images), _gradient(network, (images * 3).round() / 3), atol=1e-6)


def test_masking_leaves_answers_alone_and_its_noise_is_normal_around_the_gradient(network, images):
    epsilon, draws = 0.05, 300
    masked = _wrapped("gradient_masking", network, epsilon=epsilon, seed=4)
    assert torch.equal(masked(images), network(images))
    exact = _gradient(network, images)
    noise = []
    for number in range(draws):
        with drawing(number):
            noise.append(_gradient(masked, images) - exact)
    noise = torch.stack(noise) / epsilon
    assert noise.std().item() == pytest.approx(1, rel=0.01)
    # Expectation over transformation: the mean is the gradient itself, to 5 standard errors of every pixel.
    assert noise.mean(0).abs().max() < 5 / math.sqrt(draws)
    one, other = noise[0].flatten(), noise[1].flatten()
    assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1]) < 0.05


def test_averaging_sums_exponentials_or_averages_probabilities(network, images):
    class Recording(nn.Module):
        def __init__(self):
            super().__init__()
            self.shown = []

        def forward(self, x):
            self.shown.append(x)
            return network(x)

    for combine in ("exponentials", "probabilities"):
        inner = classifier_of(Recording())
        averaged = _wrapped("prediction_averaging", inner, epsilon=0.1, samples=7, combine=combine)
        answer = averaged(images).softmax(1)
        shown = inner.network.shown
        assert len(shown) == 7
        assert torch.equal(shown[0], images)
        noise = torch.stack(shown[1:]) - images
        assert noise.abs().max() <= 0.1 + 1e-6
        assert noise.mean().abs() < 0.002
        assert noise.std().item() == pytest.approx(0.1 / math.sqrt(3), rel=0.02)
        logits = torch.stack([network(x) for x in shown])
        if combine == "exponentials":
            expected = logits.exp().sum(0) / logits.exp().sum((0, 2)).unsqueeze(1)
        else:
            expected = logits.softmax(2).mean(0)
        assert torch.allclose(answer, expected, atol=1e-5)


def test_one_copy_is_no_defense(network, images):
    alone = _wrapped("prediction_averaging", network, epsilon=0.3, samples=1)
    assert torch.allclose(alone(images), network(images), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("prediction_averaging", {"epsilon": 0.2, "samples": 4}), ("gradient_masking", {"epsilon": 0.1})],
)
def test_what_is_drawn_for_an_image_does_not_depend_on_its_neighbours(network, images, name, parameters):
    defended = _wrapped(name, network, **parameters)
    together = _gradient(defended, images)
    for place in range(len(images)):
        alone = _gradient(defended, images[place : place + 1])
        assert torch.allclose(alone[0], together[place], atol=1e-5)
    assert torch.allclose(defended(images.flip(0)).flip(0), defended(images), atol=1e-5)
    with drawing(1):
        other = _gradient(defended, images)
    assert not torch.allclose(other, together, atol=1e-4)


def test_the_attackers_view_averages_draws_that_the_defender_does_not_make(network, images):
    averaged = _wrapped("prediction_averaging", network, epsilon=0.2, samples=3)
    view = AttackersView(averaged, samples=4)
    assert view.passes == 4
    expected = []
    for number in (1, 2, 3, 4):
        with drawing(number):
            expected.append(averaged(images))
    assert torch.allclose(view(images), torch.stack(expected).mean(0), atol=1e-6)
    assert AttackersView(network, samples=4).passes == 1
    stacked = _wrapped("feature_smoothing", averaged)
    assert AttackersView(stacked, samples=4).passes == 4


def test_an_attack_on_a_view_needs_no_knowledge_of_it(correct_digits, lenet):
    images, labels = (part[:32] for part in correct_digits)
    rounded = _wrapped("bit_depth", lenet, bits=2)
    unaware = fgsm(rounded, images, Untargeted(labels), epsilon=0.3)
    knowing = fgsm(AttackersView(rounded, 1), images, Untargeted(labels), epsilon=0.3)
    assert torch.equal(unaware.images, images), "a gradient of zero moves nothing"
    assert knowing.success.sum() > unaware.success.sum() + 5


def test_wrong_parameters_are_named(network):
    for name, parameters, words in (
        ("feature_smoothing", {"sigma": 0.0, "kernel": 3}, "feature_smoothing: sigma: 0.0 is outside"),
        ("feature_smoothing", {"sigma": 1.0, "kernel": 4}, "feature_smoothing: kernel: 4 is even"),
        ("prediction_averaging", {"epsilon": 0.1, "samples": 0}, "prediction_averaging: samples: 0 is outside"),
        ("bit_depth", {"bits": 8}, "bit_depth: bits: 8 is outside"),
        ("gradient_masking", {"epsilon": 0.0, "seed": 0}, "gradient_masking: epsilon: 0.0 is outside"),
    ):
        with pytest.raises(AdvatlasError, match=words.replace("(", r"\(")):
            DEFENSES[name].wrap(network, parameters)


@pytest.fixture(scope="module")
def base(tmp_path_factory, digits):
    """A network trained on digits, saved: its folder and card."""
    folder = tmp_path_factory.mktemp("base")
    recipe = ModelRecipe("base", "lenet", "xavier", width=0.3, training=TrainingOptions(epochs=6, batch_size=32))
    network, _, card = train_model(recipe, DATASETS["mnist_sample"], digits)
    save_model(network, card, folder / "weights.safetensors", folder / "card.json")
    return folder, load_card(folder / "card.json"), recipe


def _defended(base, digits, tmp_path, name, parameters, **training):
    folder, card, _ = base
    options = TrainingOptions(**{"epochs": 4, "batch_size": 32, **training})
    defended = DefendedRecipe(name, name, "base", parameters, 0, options)
    network, result, made = train_defended(
        defended, folder / "weights.safetensors", card, DATASETS["mnist_sample"], digits
    )
    save_model(network, made, tmp_path / "weights.safetensors", tmp_path / "card.json")
    made = load_card(tmp_path / "card.json")
    return load_classifier(tmp_path / "weights.safetensors", made), result


def _accuracy_under(model, images, labels, epsilon):
    adversarial = ATTACKS["pgd"](model, images, Untargeted(labels), epsilon=epsilon, steps=10).images
    return (model(adversarial).argmax(1) == labels).float().mean().item()


def test_training_on_examples_of_pgd_makes_a_network_robust(base, digits, tmp_path):
    attacks = ({"attack": "pgd", "parameters": {"epsilon": 0.15, "steps": 5}},)
    defended, result = _defended(
        base, digits, tmp_path, "adversarial_training", {"attacks": attacks, "clean_share": 0.25}
    )
    assert len(result.history) == 4
    undefended = load_classifier(base[0] / "weights.safetensors", base[1])
    images, labels = digits["test"].pixels()[:200], digits["test"].labels[:200]
    before, after = (_accuracy_under(model, images, labels, 0.15) for model in (undefended, defended))
    assert after > before + 0.25
    assert defended.card["defense"] == "adversarial_training"
    assert defended.card["undefended"] == "base"
    assert "temperature" not in defended.card


def test_distillation_trains_at_a_temperature_and_is_used_without(base, digits, tmp_path):
    parameters = {"temperature": 20.0, "retrain_teacher": True}
    defended, _ = _defended(base, digits, tmp_path, "distillation", parameters, epochs=10)
    undefended = load_classifier(base[0] / "weights.safetensors", base[1])
    images, labels = digits["test"].pixels()[:200], digits["test"].labels[:200]
    assert (defended(images).argmax(1) == labels).float().mean() > 0.8
    margins = [model(images).topk(2).values.diff().abs().mean() for model in (defended, undefended)]
    assert margins[0] > 3 * margins[1], "logits are some T times as large"
    view = AttackersView(defended, 1)
    assert torch.allclose(view(images) * 20, defended(images), rtol=1e-4, atol=1e-4)
    # Probabilities saturate, so that gradients vanish in float32; those of the view do not.
    right = defended(images).argmax(1) == labels
    hidden = _gradient(defended, images[right], labels[right]).flatten(1).abs().amax(1)
    seen = _gradient(view, images[right], labels[right]).flatten(1).abs().amax(1)
    assert (hidden < 1e-6).float().mean() > 0.5
    assert (seen > 1e-6).all()


def test_a_stack_is_a_model_like_any_other(base, tmp_path):
    folder, card, _ = base
    smoothing = DefendedRecipe("smooth", "feature_smoothing", "base", {"sigma": 1.0, "kernel": 3})
    first = wrapped_card(smoothing, card)
    averaging = {"epsilon": 0.1, "samples": 3, "combine": "exponentials", "seed": 1}
    second = wrapped_card(DefendedRecipe("both", "prediction_averaging", "smooth", averaging), first)
    write_card(second, tmp_path / "card.json")
    model = load_classifier(folder / "weights.safetensors", load_card(tmp_path / "card.json"))
    assert model.name == "both"
    assert model.card["defense"] == "feature_smoothing + prediction_averaging"
    assert (model.card["undefended"], model.card["attacked_as"]) == ("base", "base")
    plain = load_classifier(folder / "weights.safetensors", card)
    images = torch.rand(4, 1, 28, 28)
    expected = _wrapped("prediction_averaging", _wrapped("feature_smoothing", plain), **averaging)(images)
    assert torch.equal(model(images), expected)


def test_honest_gradients_end_with_the_block(network, images):
    rounded = _wrapped("bit_depth", network, bits=3)
    with honest_gradients():
        assert (_gradient(rounded, images) != 0).any()
    assert (_gradient(rounded, images) == 0).all()


def test_what_is_made_of_an_excluded_model_is_excluded(base, digits, tmp_path):
    folder, card, _ = base
    status = {**card, "status": "diverged", "reason": "the training loss was nan in epoch 1"}
    write_card(status, tmp_path / "base.json")
    options = {**dataclasses.asdict(TrainingOptions()), "epochs": 3}
    recipe = DefendedRecipe("student", "distillation", "base", {"temperature": 5.0}, 0, TrainingOptions(**options))
    outputs = [tmp_path / name for name in ("weights.safetensors", "card.json", "training.parquet")]
    defend(
        dataclasses.asdict(recipe), folder / "weights.safetensors", tmp_path / "base.json", tmp_path / "no images",
        *outputs, "cpu", silent(),
    )  # fmt: skip
    made = load_card(tmp_path / "card.json")
    assert is_excluded(made)
    assert made["name"] == "student"
    assert len(read_artifact(tmp_path / "training.parquet", "training")) == 0
