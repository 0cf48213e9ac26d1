"""Gradient masking: noise on the gradient that an attacker sees, for what it is (campbell2024 section 2.3.3)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from advatlas.attacks.parameters import Positive, Seed
from advatlas.defenses.defense import Defended, defense, noise_of
from advatlas.models.classifier import Classifier


class _NoisyGradient(torch.autograd.Function):
    """The identity, with G + epsilon N(0, 1) for the gradient G of each image."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, epsilon: float, seed: int) -> Tensor:
        ctx.epsilon, ctx.streams = epsilon, noise_of(images, seed)
        return images.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradients[0]
        return gradient + ctx.epsilon * ctx.streams.normal(*gradient.shape[1:]).to(gradient), None, None


class Masked(Defended):
    """A classifier whose answers are those of the inner one, and whose gradient with respect to images is noisy."""

    randomised = True

    def __init__(self, inner: Classifier, epsilon: float, seed: int) -> None:
        super().__init__(inner)
        self.epsilon, self.seed = epsilon, seed

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(_NoisyGradient.apply(images, self.epsilon, self.seed))  # type: ignore[no-untyped-call]
        return logits


@defense(oblivious=False)
def gradient_masking(classifier: Classifier, *, epsilon: Positive = 0.01, seed: Seed = 0) -> Classifier:
    """Add normal noise to the gradient: ``G' = G + epsilon N(0, 1)`` (campbell2024 Eq. 12).

    Args:
        epsilon: standard deviation of the noise, in units of the loss's gradient with respect to a pixel; the paper does
            not say which it used.

    Predictions stay as they are. The paper reports that clean accuracy fell, which noise on this gradient cannot do: it
    may have put the noise on the gradients of the weights, in training.
    """
    return Masked(classifier, epsilon, seed)
