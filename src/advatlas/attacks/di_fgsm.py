"""Diverse-input FGSM (Xie et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from advatlas.attacks.attack import Attempt, attack
from advatlas.attacks.goal import Goal
from advatlas.attacks.losses import LOSSES
from advatlas.attacks.momentum_steps import momentum_steps
from advatlas.attacks.parameters import Epsilon, Momentum, Positive, Seed, Share, Steps, StepSize
from advatlas.attacks.streams import Streams


@attack
def di_fgsm(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: Epsilon,
    steps: Steps = 10,
    step_size: StepSize | None = None,
    momentum: Momentum = 1.0,
    resize_rate: Positive = 1.1,
    diversity: Share = 0.5,
    seed: Seed = 0,
) -> Attempt:
    """MI-FGSM with the gradient taken at a randomly shrunk and shifted copy of each image.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: Linf budget in units of the pixel range.
        steps: number of steps.
        step_size: length of a step; ``epsilon / steps`` when not given.
        momentum: the decay mu.
        resize_rate: side of the black canvas an image is put on, in sides of the image (the paper: 330/299 = 1.1); the
            image takes a random size between its own and the canvas's, a random place, and the canvas is scaled back.
        diversity: probability that an image is so changed in a step (the paper: 0.5).
        seed: decides the random streams, together with each image's pixels.

    Costs ``steps`` forward and backward passes. Meant for transfer. torchattacks' DIFGSM shrinks to 0.9 instead and has
    no momentum by default.
    """
    streams = Streams.of(images, seed)

    def gradient_of(adversarial: Tensor, _velocity: Tensor) -> Tensor:
        variable = adversarial.detach().requires_grad_(True)
        with torch.enable_grad():
            seen = _diverse(variable, streams.uniform(4), resize_rate, diversity)
            loss = LOSSES["cross_entropy"](goal, classifier(seen)).sum()
            (gradient,) = torch.autograd.grad(loss, variable)
        return gradient

    adversarial = momentum_steps(
        images, gradient_of, epsilon=epsilon, steps=steps, step_size=step_size, momentum=momentum
    )
    return Attempt(adversarial, steps, steps, steps)


def _diverse(images: Tensor, draws: Tensor, rate: float, probability: float) -> Tensor:
    """Return each image scaled by 1/rate to 1 and moved within its frame, as four uniform draws say."""
    scale = 1 / rate + (1 - 1 / rate) * draws[:, 0]
    room = 1 - scale
    right, down = room * (2 * draws[:, 1] - 1), room * (2 * draws[:, 2] - 1)
    zero = torch.zeros_like(scale)
    maps = torch.stack(
        [torch.stack([1 / scale, zero, -right / scale], 1), torch.stack([zero, 1 / scale, -down / scale], 1)], 1
    )
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return torch.where((draws[:, 3] < probability).view(-1, 1, 1, 1), moved.clamp(0, 1), images)
