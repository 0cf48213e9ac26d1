"""Projected gradient descent with random start and restarts (Madry et al. 2018)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, input_gradient, per_image, tick
from advatlas.attacks.balls import Ball, unit_l2
from advatlas.attacks.goal import Goal
from advatlas.attacks.losses import LossName
from advatlas.attacks.parameters import Count, NonNegative, Radius, Seed, Steps
from advatlas.attacks.streams import Streams


@attack
def pgd(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: Radius,
    norm: Literal["linf", "l2"] = "linf",
    steps: Steps = 40,
    step_size: NonNegative | None = None,
    random_start: bool = True,
    restarts: Count = 1,
    loss: LossName = "cross_entropy",
    seed: Seed = 0,
) -> Attempt:
    """Gradient steps from a random point of the ball, projected to it and to [0, 1].

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: budget in ``norm``, in units of the pixel range.
        norm: ``linf`` steps along the gradient's sign, ``l2`` along the gradient itself.
        steps: steps of each restart.
        step_size: length of a step in ``norm``; ``2.5 * epsilon / steps`` when not given (Madry et al. 2018).
        random_start: start uniformly within the ball; otherwise at the image (and further restarts start at random).
        restarts: how many times; an image that succeeded does not take part again.
        loss: what is ascended.
        seed: decides the starting points, together with each image's pixels.

    An image's result is the end of its first restart that succeeds or, if none does, of the one that came closest.
    Costs ``steps`` forward and backward passes a restart, and one forward pass to see the end of each but the last.
    """
    length = 2.5 * epsilon / steps if step_size is None else step_size
    best = images.clone()
    best_margin = torch.full((len(images),), -torch.inf, device=images.device)
    runs = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    streams = Streams.of(images, seed)
    active = torch.arange(len(images), device=images.device)
    for restart in range(restarts):
        part, part_goal = images[active], goal.select(active)
        ball = Ball(part, epsilon[active] if isinstance(epsilon, Tensor) else epsilon, norm)
        pace = per_image(length[active] if isinstance(length, Tensor) else length, part)
        adversarial = part
        if random_start or restart > 0:
            adversarial = _within(ball, streams.select(active).at(restart))
        for step in range(steps):
            gradient = input_gradient(classifier, adversarial, part_goal, loss)
            adversarial = ball.project(adversarial + pace * ball.direction(gradient))
            tick((restart + (step + 1) / steps) / restarts)
        runs[active] += 1
        if restarts == 1:
            best = adversarial
            break
        with torch.no_grad():
            logits = classifier(adversarial)
        reached, margin = part_goal.success(logits), part_goal.margin(logits).float()
        closer = (margin > best_margin[active]) | reached
        best[active[closer]] = adversarial[closer]
        best_margin[active[closer]] = margin[closer]
        active = active[~reached]
        if len(active) == 0:
            break
    return Attempt(best, runs * steps, runs * (steps + int(restarts > 1)), runs * steps)


def _within(ball: Ball, streams: Streams) -> Tensor:
    """Return points drawn uniformly from the balls, clipped to [0, 1]."""
    shape = ball.images.shape[1:]
    if ball.norm == "linf":
        offset = 2 * streams.uniform(*shape) - 1
    else:
        direction = streams.normal(*shape)
        dimensions = direction[0].numel()
        offset = unit_l2(direction) * streams.uniform(1, 1, 1) ** (1 / dimensions)
    return (ball.images + ball.radius * offset).clamp(0, 1)
