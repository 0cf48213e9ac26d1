"""Basic iterative method (Kurakin et al. 2017)."""

from __future__ import annotations

from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack
from advatlas.attacks.goal import Goal
from advatlas.attacks.losses import LossName
from advatlas.attacks.parameters import Epsilon, Steps, StepSize
from advatlas.attacks.sign_steps import sign_steps


@attack
def bim(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: Epsilon = 8 / 255,
    steps: Steps = 10,
    step_size: StepSize = 2 / 255,
    loss: LossName = "cross_entropy",
) -> Attempt:
    """I-FGSM with a step of its own length, which does not follow from the budget; torchattacks' defaults.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: Linf budget in units of the pixel range.
        steps: number of steps.
        step_size: length of a step (alpha).
        loss: what is ascended.

    Costs ``steps`` forward and backward passes.
    """
    adversarial = sign_steps(classifier, images, goal, epsilon=epsilon, steps=steps, step_size=step_size, loss=loss)
    return Attempt(adversarial, steps, steps, steps)
