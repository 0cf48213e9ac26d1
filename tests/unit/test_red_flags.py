"""Warnings that explain themselves, and errors that name what a classifier does wrong."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from advatlas.attacks import RedFlagWarning, Targeted, Untargeted, fgsm, red_flags, run_attack
from advatlas.attacks.red_flags import PAGE
from advatlas.errors import AdvatlasError
from tests.conftest import classifier_of, small_network

ROOT = Path(__file__).resolve().parents[2]


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.02 * torch.randn_like(x)


class Steps(nn.Module):
    """A network behind 8 grey levels: no gradient gets through."""

    def forward(self, x: Tensor) -> Tensor:
        return (x * 7).round() / 7


def batch(model: nn.Module) -> tuple[Tensor, Untargeted]:
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return images, Untargeted(model(images).argmax(1))


def names(model: nn.Module, images: Tensor | None = None, goal: Untargeted | None = None) -> list[str]:
    default_images, default_goal = batch(model)
    return [f.name for f in red_flags(model, default_images if images is None else images, goal or default_goal)]


def test_a_sound_classifier_has_none():
    assert names(classifier_of(small_network())) == []


def test_probabilities():
    model = classifier_of(nn.Sequential(small_network(), nn.Softmax(1)))
    assert names(model) == ["probabilities"]
    images, goal = batch(model)
    with pytest.warns(RedFlagWarning, match="returns probabilities, not logits"):
        fgsm(model, images, goal, epsilon=0.1)


def test_zero_gradients():
    model = classifier_of(nn.Sequential(Steps(), small_network()))
    assert names(model) == ["zero-gradients"]
    sure = classifier_of(nn.Sequential(small_network(), Scaled()))
    assert "zero-gradients" in names(sure)


class Scaled(nn.Module):
    """Logits so far apart that cross-entropy rounds to zero."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 1e6


def test_a_randomised_classifier():
    assert names(classifier_of(nn.Sequential(Noisy(), small_network()))) == ["randomised"]


def test_nothing_is_right():
    model = classifier_of(small_network())
    images, goal = batch(model)
    assert names(model, images, Untargeted((goal.labels + 1) % 10)) == ["clean-accuracy"]


def test_images_outside_the_range():
    model = classifier_of(small_network())
    images, goal = batch(model)
    assert names(model, images * 255, goal) == ["range"]


def test_a_run_warns_before_it_starts_and_each_flag_has_its_place_in_the_documentation():
    page = (ROOT / PAGE).read_text()
    model = classifier_of(nn.Sequential(Noisy(), small_network(), nn.Softmax(1)))
    images, goal = batch(model)
    with pytest.warns(RedFlagWarning) as caught:
        run_attack(fgsm, model, images, Untargeted((goal.labels + 1) % 10), {"epsilon": 0.1})
    said = " ".join(str(w.message) for w in caught)
    assert "probabilities" in said
    assert "different logits" in said
    for name in ("probabilities", "zero-gradients", "randomised", "clean-accuracy", "range"):
        assert f"\n## {name}\n" in page
    for word in said.split():
        if word.startswith(f"({PAGE}#"):
            assert f"\n## {word.rstrip(').,').split('#')[1]}\n" in page


def test_a_sound_run_is_quiet():
    model = classifier_of(small_network())
    images, goal = batch(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_attack(fgsm, model, images, goal, {"epsilon": 0.1})


class Returns(nn.Module):
    def __init__(self, make) -> None:
        super().__init__()
        self.make = make
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor):
        return self.make(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: torch.full((len(x), 10), torch.nan), "classifier returns NaN or infinite logits"),
        (lambda x: torch.full((len(x), 10), torch.inf), "classifier returns NaN or infinite logits"),
        (lambda x: x.flatten(1)[:, :1], "classifier has 1 class"),
        (lambda x: x.flatten(1)[:, :2], "labels reach from 1 to 2, but classifier has the classes 0 to 1"),
        (lambda x: x, "classifier must return float logits N x K"),
        (lambda x: x.flatten(1)[:, :10].long(), "classifier must return float logits N x K"),
        (lambda x: (x, x), "classifier must return float logits N x K, not tuple"),
    ],
)
def test_what_a_classifier_returns_is_checked(make, message):
    goal = Untargeted(torch.tensor([1, 2]))
    with pytest.raises(AdvatlasError, match=f"fgsm: {message}"):
        fgsm(Returns(make), torch.rand(2, 1, 28, 28), goal, epsilon=0.1)


def test_a_classifier_that_breaks_down_on_the_way_is_found_out():
    def fragile(x: Tensor) -> Tensor:
        logits = x.flatten(1)[:, :10]
        return logits * torch.nan if x.amax() > 0.9 else logits

    with pytest.raises(AdvatlasError, match="NaN"):
        fgsm(Returns(fragile), torch.full((2, 1, 28, 28), 0.85), Untargeted(torch.tensor([1, 2])), epsilon=0.1)


def test_labels_and_targets_must_be_classes():
    model = classifier_of(small_network())
    images = torch.rand(2, 1, 28, 28)
    with pytest.raises(AdvatlasError, match="labels reach from -1 to 2"):
        fgsm(model, images, Untargeted(torch.tensor([-1, 2])), epsilon=0.1)
    with pytest.raises(AdvatlasError, match="target_classes reach from 3 to 10"):
        fgsm(model, images, Targeted(torch.tensor([1, 2]), torch.tensor([3, 10])), epsilon=0.1)
