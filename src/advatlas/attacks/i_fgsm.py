"""Iterative fast gradient sign method (Kurakin et al. 2017), with the step of su2018."""

from __future__ import annotations

from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack
from advatlas.attacks.goal import Goal
from advatlas.attacks.losses import LossName
from advatlas.attacks.parameters import Epsilon, Steps, StepSize
from advatlas.attacks.sign_steps import sign_steps


@attack
def i_fgsm(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: Epsilon,
    steps: Steps = 10,
    step_size: StepSize | None = None,
    loss: LossName = "cross_entropy",
) -> Attempt:
    """``steps`` sign steps, each projected to the Linf ball of ``epsilon`` and to [0, 1]. No random start.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: Linf budget in units of the pixel range.
        steps: number of steps T.
        step_size: length of a step; ``epsilon / steps`` when not given, as su2018 has it.
        loss: what is ascended; su2018's paper says the training loss, its code ascends the ``logit``.

    Costs T forward and T backward passes. Every image takes all its steps: a larger distance from the boundary is what
    makes the result transfer. bendaya2020 section 2.1, su2018 Eq. 4.
    """
    length = epsilon / steps if step_size is None else step_size
    adversarial = sign_steps(classifier, images, goal, epsilon=epsilon, steps=steps, step_size=length, loss=loss)
    return Attempt(adversarial, steps, steps, steps)
