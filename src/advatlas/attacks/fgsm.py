"""Fast gradient sign method (Goodfellow et al. 2015)."""

from __future__ import annotations

from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, input_gradient
from advatlas.attacks.goal import Goal
from advatlas.attacks.parameters import Epsilon


@attack
def fgsm(classifier: nn.Module, images: Tensor, goal: Goal, *, epsilon: Epsilon) -> Attempt:
    """One step of ``epsilon`` along the sign of the gradient of the goal's loss, clipped to [0, 1].

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: Linf budget in units of the pixel range.

    Costs one forward and one backward pass. bendaya2020 Eq. 1, su2018 Eq. 3.
    """
    gradient = input_gradient(classifier, images, goal)
    return Attempt((images + epsilon * gradient.sign()).clamp(0, 1), 1, 1, 1)
