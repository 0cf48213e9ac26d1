"""Momentum iterative FGSM (Dong et al. 2018), and the I-FGSM with momentum of campbell2024."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, gradient_and_logits, linf_box, per_image, tick
from advatlas.attacks.balls import unit_l2
from advatlas.attacks.goal import Goal
from advatlas.attacks.losses import LossName
from advatlas.attacks.momentum_steps import unit_mean
from advatlas.attacks.parameters import Epsilon, Momentum, Steps, StepSize


@attack
def mi_fgsm(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: Epsilon,
    steps: Steps = 10,
    step_size: StepSize | None = None,
    momentum: Momentum = 1.0,
    accumulate: Literal["gradient", "sign"] = "gradient",
    stop_at_success: bool = False,
    loss: LossName = "cross_entropy",
) -> Attempt:
    """Sign steps along a velocity: ``momentum`` times the last one plus the normalised gradient.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: Linf budget in units of the pixel range.
        steps: number of steps, or the most there may be with ``stop_at_success``.
        step_size: length of a step; ``epsilon / steps`` when not given.
        momentum: the decay mu; 0 gives I-FGSM.
        accumulate: ``gradient`` adds the gradient over its L1 norm (Dong et al.), ``sign`` the gradient's sign over the
            sign's norm (campbell2024 Eq. 3, which does not say which norm: L2 here; where no gradient is zero the norm is
            a constant and makes no difference).
        stop_at_success: leave an image as soon as it reaches the goal (campbell2024: "until misclassification"), which
            gives small distortions and poor transfer.
        loss: what is ascended.

    Costs at most ``steps`` forward and backward passes.
    """
    normalise = unit_mean if accumulate == "gradient" else _unit_sign
    length = per_image(epsilon / steps if step_size is None else step_size, images)
    low, high = linf_box(images, per_image(epsilon, images))
    result = images.clone()
    taken = torch.full((len(images),), steps, device=images.device)
    passes = taken.clone()
    active = torch.arange(len(images), device=images.device)
    adversarial, velocity = images, torch.zeros_like(images)
    for step in range(steps):
        gradient, logits = gradient_and_logits(classifier, adversarial, goal, loss)
        if stop_at_success and bool((reached := goal.success(logits)).any()):
            result[active[reached]] = adversarial[reached]
            taken[active[reached]], passes[active[reached]] = step, step + 1
            going = ~reached
            active, goal = active[going], goal.select(going)
            if len(active) == 0:
                break
            adversarial, velocity, gradient, low, high = (
                part[going] for part in (adversarial, velocity, gradient, low, high)
            )
            length = length[going] if isinstance(length, Tensor) else length
        velocity = momentum * velocity + normalise(gradient)
        adversarial = torch.clamp(adversarial + length * velocity.sign(), low, high)
        tick((step + 1) / steps)
    result[active] = adversarial if len(active) else result[active]
    return Attempt(result, taken, passes, passes)


def _unit_sign(gradient: Tensor) -> Tensor:
    return unit_l2(gradient.sign())
