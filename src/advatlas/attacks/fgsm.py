"""Fast gradient sign method (Goodfellow et al. 2015)."""

from __future__ import annotations

from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, input_gradient, per_image
from advatlas.attacks.goal import Goal
from advatlas.attacks.losses import LossName
from advatlas.attacks.parameters import Epsilon


@attack
def fgsm(
    classifier: nn.Module, images: Tensor, goal: Goal, *, epsilon: Epsilon, loss: LossName = "cross_entropy"
) -> Attempt:
    """One step of ``epsilon`` along the sign of the gradient of the loss, clipped to [0, 1].

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: Linf budget in units of the pixel range.
        loss: what is ascended; su2018's paper says the training loss, its code ascends the ``logit``.

    Costs one forward and one backward pass. bendaya2020 Eq. 1, su2018 Eq. 3.
    """
    gradient = input_gradient(classifier, images, goal, loss)
    return Attempt((images + per_image(epsilon, images) * gradient.sign()).clamp(0, 1), 1, 1, 1)
