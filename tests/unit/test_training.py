"""Training: learns, keeps the best epoch, notices divergence, is the same each time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from advatlas.data import DATASETS
from advatlas.errors import AdvatlasError
from advatlas.models.training import Normalise, TrainingOptions, _learning_rate, evaluate, train
from advatlas.models.zoo import (
    ModelRecipe,
    build_network,
    is_excluded,
    load_card,
    load_classifier,
    save_model,
    train_model,
)

MNIST = DATASETS["mnist_sample"]


def run(digits, network=None, **options):
    network = build_network(ModelRecipe("m", "lenet", "xavier", width=0.25), MNIST) if network is None else network
    chosen = TrainingOptions(**{"epochs": 2, "batch_size": 32, **options})
    return network, train(network, digits["train"], digits["validation"], MNIST.mean, MNIST.std, chosen, seed=3)


def test_it_learns_and_records_each_epoch(digits):
    _, result = run(digits, epochs=3)
    assert result.status == "trained"
    assert [e.epoch for e in result.history] == [1, 2, 3]
    assert result.history[-1].train_loss < result.history[0].train_loss
    assert result.history[-1].validation_accuracy > 0.7
    assert result.history[-1].learning_rate < result.history[0].learning_rate


def test_same_seed_same_weights_and_global_random_state_untouched(digits):
    before = torch.random.get_rng_state()
    first, _ = run(digits, epochs=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(5)
    second, _ = run(digits, epochs=1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_the_best_epoch_is_kept(digits):
    # A learning rate that grows harmful after the first epoch: later epochs are worse.
    network, result = run(digits, epochs=4, optimizer="sgd", learning_rate=0.9, schedule="constant", min_accuracy=0.0)
    best = min(result.history, key=lambda e: e.validation_loss if math.isfinite(e.validation_loss) else math.inf)
    assert result.best_epoch in (best.epoch, 0)
    if result.best_epoch:
        normalise = Normalise(MNIST.mean, MNIST.std)
        assert evaluate(network, digits["validation"], normalise)[0] == pytest.approx(best.validation_loss, rel=1e-4)


def test_the_last_epoch_may_be_kept(digits):
    network, result = run(digits, epochs=3, keep="last", min_accuracy=0.0)
    assert result.best_epoch == 3
    loss = evaluate(network, digits["validation"], Normalise(MNIST.mean, MNIST.std))[0]
    assert loss == pytest.approx(result.history[-1].validation_loss, rel=1e-4)


def test_divergence_is_a_result(digits):
    network, result = run(digits, epochs=5, optimizer="sgd", learning_rate=1e12, schedule="constant")
    assert result.status == "diverged"
    assert "training loss was" in result.reason
    assert len(result.history) < 5
    assert all(p.isfinite().all() for p in network.parameters())


def test_a_network_that_stays_below_the_bar_is_a_result(digits):
    _, result = run(digits, epochs=1, learning_rate=1e-9, min_accuracy=0.5)
    assert result.status == "below_min_accuracy"
    assert "below min_accuracy 0.5" in result.reason


@pytest.mark.parametrize(
    ("schedule", "epoch", "expected"),
    [
        ("cosine", 0, 1.0),
        ("cosine", 5, 0.5),
        ("cosine", 10, 0.0),
        ("constant", 9, 1.0),
        ("step", 4.9, 1.0),
        ("step", 5, 0.1),
        ("step", 8, 0.01),
    ],
)
def test_schedules(schedule, epoch, expected):
    options = TrainingOptions(epochs=10, learning_rate=1.0, schedule=schedule)
    assert _learning_rate(options, epoch) == pytest.approx(expected, abs=1e-12)


def test_warmup_rises():
    options = TrainingOptions(epochs=10, learning_rate=1.0, schedule="constant", warmup_epochs=2)
    rates = [_learning_rate(options, e) for e in (0, 0.5, 1, 1.9, 2)]
    assert rates == sorted(rates)
    assert 0 < rates[0] < 0.02
    assert rates[-1] == 1.0


@pytest.fixture
def saved(tmp_path, digits):
    recipe = ModelRecipe("mine", "googlenet", "msra", width=0.125, training=TrainingOptions(epochs=1, batch_size=64))
    network, _, card = train_model(recipe, MNIST, digits)
    weights, card_path = tmp_path / "weights.safetensors", tmp_path / "card.json"
    save_model(network, card, weights, card_path)
    return network, weights, card_path


def test_a_saved_model_says_the_same(saved, digits):
    network, weights, card_path = saved
    card = load_card(card_path)
    assert is_excluded(card) == (card["status"] != "trained")
    assert card["recipe"]["architecture"] == "googlenet"
    classifier = load_classifier(weights, card)
    images = digits["test"].pixels()[:20]
    expected = network.eval()((images - MNIST.mean[0]) / MNIST.std[0])
    assert torch.allclose(classifier(images), expected, atol=1e-5)
    assert not classifier.training
    assert not any(p.requires_grad for p in classifier.parameters())


def test_damaged_models_are_named(saved):
    _, weights, card_path = saved
    card = load_card(card_path)
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(AdvatlasError, match="differ from the checksum"):
        load_classifier(weights, card)
    weights.unlink()
    with pytest.raises(AdvatlasError, match="no such file"):
        load_classifier(weights, card)
    card_path.write_text('{"name": 1')
    with pytest.raises(AdvatlasError, match="not a model card"):
        load_card(card_path)


def test_training_takes_networks_without_auxiliary_heads(digits):
    plain = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    _, result = run(digits, network=plain)
    assert result.history[-1].validation_accuracy > 0.6
