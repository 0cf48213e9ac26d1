"""The loop that I-FGSM, BIM, PGD and DGSM share: sign steps, projected."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import input_gradient, linf_box, per_image, tick
from advatlas.attacks.goal import Goal


def sign_steps(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: float | Tensor,
    steps: int,
    step_size: float | Tensor,
    loss: str,
    start: Tensor | None = None,
) -> Tensor:
    """Return the images after ``steps`` sign steps, each projected to the Linf ball of ``epsilon`` and to [0, 1]."""
    length = per_image(step_size, images)
    low, high = linf_box(images, per_image(epsilon, images))
    adversarial = images if start is None else start
    for step in range(steps):
        gradient = input_gradient(classifier, adversarial, goal, loss)
        adversarial = torch.clamp(adversarial + length * gradient.sign(), low, high)
        tick((step + 1) / steps)
    return adversarial
