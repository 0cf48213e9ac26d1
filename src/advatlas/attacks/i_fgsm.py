"""Iterative fast gradient sign method (Kurakin et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, input_gradient, tick
from advatlas.attacks.goal import Goal
from advatlas.attacks.parameters import Epsilon, Steps, StepSize


@attack
def i_fgsm(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: Epsilon,
    steps: Steps = 10,
    step_size: StepSize | None = None,
) -> Attempt:
    """``steps`` sign steps, each projected to the Linf ball of ``epsilon`` and to [0, 1]. No random start.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: Linf budget in units of the pixel range.
        steps: number of steps T.
        step_size: length of a step; ``epsilon / steps`` when not given, as su2018 has it.

    Costs T forward and T backward passes. Every image takes all its steps: a larger distance from the boundary is what
    makes the result transfer. bendaya2020 section 2.1, su2018 Eq. 4.
    """
    length = epsilon / steps if step_size is None else step_size
    low, high = (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1)
    adversarial = images
    for step in range(steps):
        gradient = input_gradient(classifier, adversarial, goal)
        adversarial = torch.clamp(adversarial + length * gradient.sign(), low, high)
        tick((step + 1) / steps)
    return Attempt(adversarial, steps, steps, steps)
