"""The loop that MI-FGSM and the transfer attacks built on it share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from advatlas.attacks.attack import linf_box, per_image, tick

# Of the adversarials and the velocity so far, the gradient to accumulate.
GradientOf = Callable[[Tensor, Tensor], Tensor]


def momentum_steps(
    images: Tensor,
    gradient_of: GradientOf,
    *,
    epsilon: float | Tensor,
    steps: int,
    step_size: float | Tensor | None,
    momentum: float,
) -> Tensor:
    """Return the images after sign steps along the accumulated, normalised gradient (Dong et al. 2018, Alg. 1).

    Args:
        step_size: length of a step; ``epsilon / steps`` if None.
    """
    length = per_image(epsilon / steps if step_size is None else step_size, images)
    low, high = linf_box(images, per_image(epsilon, images))
    adversarial, velocity = images, torch.zeros_like(images)
    for step in range(steps):
        velocity = momentum * velocity + unit_mean(gradient_of(adversarial, velocity))
        adversarial = torch.clamp(adversarial + length * velocity.sign(), low, high)
        tick((step + 1) / steps)
    return adversarial


def unit_mean(gradient: Tensor) -> Tensor:
    """Return each image's gradient over its mean absolute value: its L1 norm, up to a constant that no sign feels."""
    return gradient / gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-30)
