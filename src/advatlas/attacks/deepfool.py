"""DeepFool (Moosavi-Dezfooli et al. 2016)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, tick
from advatlas.attacks.goal import Goal
from advatlas.attacks.parameters import Interval, NonNegative, Steps

# Added to the length of each step besides the relative overshoot, or steps that clipping has shortened never get across.
EXTRA = 1e-4


@attack
def deepfool(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    norm: Literal["l2", "linf"] = "l2",
    steps: Steps = 50,
    top_k: Annotated[int, Interval(2, unit="classes")] = 10,
    overshoot: NonNegative = 0.02,
) -> Attempt:
    """Walk to the nearest decision boundary of the linearised classifier, until one is crossed.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted`, or :class:`Targeted`: then always towards the boundary with the target.
        norm: the distance that is kept small.
        steps: the most steps an image may take.
        top_k: classes looked at in each step: the most likely ones at the current point, the label included. All K is
            the method as published; 10 finds the same perturbations on ImageNet for a hundredth of the cost.
        overshoot: how far past the boundary, relative to the perturbation.

    An image leaves as soon as it reaches the goal. Costs one forward pass a step, and one backward pass for each class
    but the label that is looked at. Unlike the paper, which lets pixels leave [0, 1], each point is clipped to it.
    """
    count = len(images)
    best = images.clone()
    taken = torch.full((count,), steps, dtype=torch.int64, device=images.device)
    backward = torch.zeros_like(taken)
    active = torch.arange(count, device=images.device)
    start, offset, point = images, torch.zeros_like(images), images
    for step in range(steps + 1):
        with torch.enable_grad():
            variable = point.detach().requires_grad_(True)
            logits = classifier(variable)
        reached = goal.success(logits.detach())
        best[active] = point
        taken[active[reached]] = step
        going = ~reached
        active = active[going]
        if len(active) == 0 or step == steps:
            break
        move, passes = _to_the_nearest_boundary(logits, variable, goal, going, top_k, norm)
        backward[active] += passes
        goal, start, offset = goal.select(going), start[going], offset[going] + move
        point = (start + (1 + overshoot) * offset).clamp(0, 1)
        tick(1 - len(active) / count * (1 - step / steps))
    return Attempt(best, taken, taken + 1, backward)


def _to_the_nearest_boundary(
    logits: Tensor, variable: Tensor, goal: Goal, going: Tensor, top_k: int, norm: str
) -> tuple[Tensor, int]:
    """Return the shortest step, of the images still going, across a boundary of the linearised classifier.

    One class after another, so that memory does not grow with their number; the forward pass is shared.
    """
    values = logits.detach()
    if goal.targets is None:
        base = goal.labels
        others = values.scatter(1, base.unsqueeze(1), -torch.inf)
        rivals = others.topk(min(top_k, logits.shape[1]) - 1, dim=1).indices
    else:
        base, rivals = values.argmax(1), goal.targets.unsqueeze(1)
    shortest = torch.full((int(going.sum()),), torch.inf, device=logits.device)
    best = torch.zeros_like(variable[going])
    direction = torch.zeros_like(values)
    for place in range(rivals.shape[1]):
        rival = rivals[:, place]
        direction.zero_().scatter_(1, rival.unsqueeze(1), 1.0).scatter_(1, base.unsqueeze(1), -1.0)
        direction[~going] = 0
        last = place == rivals.shape[1] - 1
        (gradient,) = torch.autograd.grad(logits, variable, direction, retain_graph=not last)
        gradient = gradient[going]
        gap = -(direction * values).sum(1)[going].float()
        # The distance to a plane is the gap over the dual norm of its normal.
        size = (
            gradient.flatten(1).abs().sum(1) if norm == "linf" else torch.linalg.vector_norm(gradient.flatten(1), dim=1)
        )
        distance = gap / size.clamp(min=1e-12)
        unit = gradient.sign() if norm == "linf" else gradient / size.clamp(min=1e-12).view(-1, 1, 1, 1)
        nearer = distance < shortest
        shortest = torch.where(nearer, distance, shortest)
        best = torch.where(nearer.view(-1, 1, 1, 1), (distance + EXTRA).view(-1, 1, 1, 1) * unit, best)
    # Where every gradient is zero there is nowhere to go.
    return best.nan_to_num(0, 0, 0) * (shortest < 1e6).view(-1, 1, 1, 1), rivals.shape[1]
