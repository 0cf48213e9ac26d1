"""Variance-tuned momentum FGSM (Wang & He 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, input_gradient, per_image
from advatlas.attacks.goal import Goal
from advatlas.attacks.momentum_steps import momentum_steps
from advatlas.attacks.parameters import Count, Epsilon, Momentum, NonNegative, Seed, Steps, StepSize
from advatlas.attacks.streams import Streams


@attack
def vmi_fgsm(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: Epsilon,
    steps: Steps = 10,
    step_size: StepSize | None = None,
    momentum: Momentum = 1.0,
    neighbours: Count = 20,
    spread: NonNegative = 1.5,
    seed: Seed = 0,
) -> Attempt:
    """MI-FGSM with each gradient corrected by how gradients vary around the step before.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: Linf budget in units of the pixel range.
        steps: number of steps.
        step_size: length of a step; ``epsilon / steps`` when not given.
        momentum: the decay mu.
        neighbours: points drawn around an image in each step, N (the paper: 20; torchattacks: 5).
        spread: half side of the cube they are drawn from, in epsilons (beta; the paper: 1.5).
        seed: decides the random streams, together with each image's pixels.

    Costs ``steps * (neighbours + 1)`` forward and backward passes. Meant for transfer.
    """
    streams = Streams.of(images, seed)
    reach = spread * per_image(epsilon, images)
    variance = torch.zeros_like(images)

    def gradient_of(adversarial: Tensor, _velocity: Tensor) -> Tensor:
        nonlocal variance
        gradient = input_gradient(classifier, adversarial, goal)
        corrected = gradient + variance
        around = torch.zeros_like(images)
        for _ in range(neighbours):
            offset = reach * (2 * streams.uniform(*images.shape[1:]) - 1)
            around += input_gradient(classifier, adversarial + offset, goal)
        variance = around / neighbours - gradient
        return corrected

    adversarial = momentum_steps(
        images, gradient_of, epsilon=epsilon, steps=steps, step_size=step_size, momentum=momentum
    )
    passes = steps * (neighbours + 1)
    return Attempt(adversarial, steps, passes, passes)
