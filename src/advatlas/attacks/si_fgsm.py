"""Scale-invariant Nesterov FGSM (Lin et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, input_gradient, per_image
from advatlas.attacks.goal import Goal
from advatlas.attacks.momentum_steps import momentum_steps
from advatlas.attacks.parameters import Count, Epsilon, Momentum, Steps, StepSize


@attack
def si_fgsm(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: Epsilon,
    steps: Steps = 10,
    step_size: StepSize | None = None,
    momentum: Momentum = 1.0,
    scales: Count = 5,
    nesterov: bool = False,
) -> Attempt:
    """MI-FGSM with the mean gradient over copies of each image at 1, 1/2, 1/4, ... of its brightness.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: Linf budget in units of the pixel range.
        steps: number of steps.
        step_size: length of a step; ``epsilon / steps`` when not given.
        momentum: the decay mu.
        scales: number of copies m (the paper: 5).
        nesterov: take the gradient where the velocity leads (the paper's SI-NI-FGSM; TransferAttack's SIM does not).

    Costs ``steps * scales`` forward and backward passes. Meant for transfer.
    """
    ahead = per_image(epsilon / steps if step_size is None else step_size, images)

    def gradient_of(adversarial: Tensor, velocity: Tensor) -> Tensor:
        point = adversarial + ahead * momentum * velocity if nesterov else adversarial
        total = torch.zeros_like(images)
        for power in range(scales):
            # By the chain rule the gradient at the copy counts as much as the copy's scale.
            total += input_gradient(classifier, point / 2**power, goal) / 2**power
        return total / scales

    adversarial = momentum_steps(
        images, gradient_of, epsilon=epsilon, steps=steps, step_size=step_size, momentum=momentum
    )
    return Attempt(adversarial, steps, steps * scales, steps * scales)
