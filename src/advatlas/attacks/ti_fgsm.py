"""Translation-invariant FGSM (Dong et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from advatlas.attacks.attack import Attempt, attack, input_gradient
from advatlas.attacks.goal import Goal
from advatlas.attacks.momentum_steps import momentum_steps
from advatlas.attacks.parameters import Count, Epsilon, Momentum, Steps, StepSize
from advatlas.errors import AdvatlasError


@attack
def ti_fgsm(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: Epsilon,
    steps: Steps = 10,
    step_size: StepSize | None = None,
    momentum: Momentum = 1.0,
    kernel_size: Count = 15,
) -> Attempt:
    """MI-FGSM with the gradient blurred: in effect the mean gradient over shifted copies of each image.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: Linf budget in units of the pixel range.
        steps: number of steps.
        step_size: length of a step; ``epsilon / steps`` when not given.
        momentum: the decay mu.
        kernel_size: side of the Gaussian kernel in pixels, odd (the paper: 15 at 299 pixels, with sigma = side / 6).

    Costs ``steps`` forward and backward passes. Meant for transfer, above all to defended models.

    Raises:
        AdvatlasError: ``kernel_size`` is even.
    """
    if kernel_size % 2 == 0:
        raise AdvatlasError(f"ti_fgsm: kernel_size: {kernel_size} is even; the kernel needs a middle")
    kernel = _gaussian(kernel_size).to(images).repeat(images.shape[1], 1, 1, 1)

    def gradient_of(adversarial: Tensor, _velocity: Tensor) -> Tensor:
        gradient = input_gradient(classifier, adversarial, goal)
        return F.conv2d(gradient, kernel, padding=kernel_size // 2, groups=images.shape[1])

    adversarial = momentum_steps(
        images, gradient_of, epsilon=epsilon, steps=steps, step_size=step_size, momentum=momentum
    )
    return Attempt(adversarial, steps, steps, steps)


def _gaussian(size: int) -> Tensor:
    """Return the kernel over three standard deviations to each side, summing to 1."""
    line = torch.exp(-(torch.linspace(-3, 3, size) ** 2) / 2) if size > 1 else torch.ones(1)
    kernel = torch.outer(line, line)
    return kernel / kernel.sum()
