"""Directed gradient sign method (donoghue2020)."""

from __future__ import annotations

from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack
from advatlas.attacks.goal import Targeted
from advatlas.attacks.parameters import Epsilon, Steps, StepSize
from advatlas.attacks.sign_steps import sign_steps


@attack
def dgsm(
    classifier: nn.Module,
    images: Tensor,
    goal: Targeted,
    *,
    epsilon: Epsilon,
    steps: Steps = 20,
    step_size: StepSize | None = None,
) -> Attempt:
    """Sign steps that lower the target's loss minus the true class's, within the Linf ball of ``epsilon``.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Targeted`; the attack has no untargeted form.
        epsilon: Linf budget in units of the pixel range.
        steps: number of steps N; the paper does not say how many.
        step_size: length a of a step; ``2.5 * epsilon / steps`` when not given (Madry et al. 2018), for the paper does
            not say it either.

    Starts at the image itself and costs ``steps`` forward and backward passes. donoghue2020 section II-B; on the
    difference of the two cross-entropies everything but the two logits cancels.
    """
    length = 2.5 * epsilon / steps if step_size is None else step_size
    adversarial = sign_steps(classifier, images, goal, epsilon=epsilon, steps=steps, step_size=length, loss="directed")
    return Attempt(adversarial, steps, steps, steps)
