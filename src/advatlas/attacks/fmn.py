"""Fast minimum-norm attack (Pintor et al. 2021)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, gradient_and_logits, tick
from advatlas.attacks.balls import project_l1, project_l2, unit_l2
from advatlas.attacks.constant_search import Best
from advatlas.attacks.goal import Goal
from advatlas.attacks.parameters import Positive, Steps

Norm = Literal["l1", "l2", "linf"]


@attack
def fmn(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    norm: Norm = "l2",
    steps: Steps = 100,
    step_size: Positive = 1.0,
    final_step_size: Positive = 0.01,
    shrink: Positive = 0.05,
    final_shrink: Positive = 0.001,
) -> Attempt:
    """Find a small perturbation by steps within a ball that shrinks on success and grows on failure.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        norm: the distance that is made small.
        steps: number of steps.
        step_size: L2 length of the first step (alpha), from there by a cosine to the last.
        final_step_size: that of the last.
        shrink: share by which a ball changes in the first step (gamma).
        final_shrink: that of the last.

    Costs ``steps`` forward and backward passes, a hundredth of C&W's or EAD's: the measure of how far these are from the
    best one can do. As long as no adversarial has been found the ball reaches to the boundary of the linearised
    classifier, and grows at least as fast as later: in the paper clipping to [0, 1] can hold it back for ever.
    """
    best = Best.before(images)
    everything = torch.arange(len(images), device=images.device)
    offset = torch.zeros_like(images)
    radius = torch.full((len(images),), torch.inf, device=images.device)
    for step in range(steps):
        cosine = (1 + math.cos(math.pi * step / steps)) / 2
        alpha = final_step_size + (step_size - final_step_size) * cosine
        gamma = final_shrink + (shrink - final_shrink) * cosine
        gradient, logits = gradient_and_logits(classifier, images + offset, goal, "margin")
        margin, reached = goal.margin(logits).float(), goal.success(logits)
        distance = _norms(offset, norm)
        best.offer(everything, images + offset, distance, margin, reached)
        found = best.distance.isfinite()
        to_boundary = distance - margin / _norms(gradient, _DUAL[norm]).clamp(min=1e-12)
        smaller = torch.minimum(radius * (1 - gamma), best.distance)
        larger = torch.where(radius.isfinite(), radius * (1 + gamma), 0)
        growing = torch.where(found, larger, torch.maximum(larger, to_boundary))
        radius = torch.where(reached, smaller, growing)
        offset = _project(offset + alpha * unit_l2(gradient), radius, norm)
        offset = (images + offset).clamp(0, 1) - images
        tick((step + 1) / steps)
    return Attempt(best.images.clamp(0, 1), steps, steps, steps)


_DUAL: dict[str, Norm] = {"l1": "linf", "l2": "l2", "linf": "l1"}


def _norms(values: Tensor, norm: str) -> Tensor:
    order = {"l1": 1.0, "l2": 2.0, "linf": math.inf}[norm]
    norms: Tensor = torch.linalg.vector_norm(values.flatten(1), ord=order, dim=1)
    return norms


def _project(offset: Tensor, radius: Tensor, norm: str) -> Tensor:
    limit = radius.clamp(0, 1e6).view(-1, 1, 1, 1)
    if norm == "linf":
        return torch.clamp(offset, -limit, limit)
    return project_l1(offset, limit) if norm == "l1" else project_l2(offset, limit)
