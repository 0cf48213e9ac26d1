"""Carlini & Wagner's L2 attack (2017)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, gradient_and_logits, tick
from advatlas.attacks.constant_search import Best, ConstantSearch, review_interval
from advatlas.attacks.goal import Goal
from advatlas.attacks.parameters import Confidence, Count, Positive, Steps

# [0, 1] is the part of tanh between -REACH and REACH, and the variable is held there. A pixel at 0 or 1 so starts exactly
# where it is and at a slope that lets it move. The usual squeeze of the image by 0.999999 pins it for hundreds of steps.
REACH = 0.7
LIMIT = math.atanh(REACH)
# Adam's constants (Kingma & Ba 2015).
BETA1, BETA2, TINY = 0.9, 0.999, 1e-8


@attack
def carlini_wagner(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    confidence: Confidence = 0.0,
    steps: Steps = 1000,
    search_steps: Count = 9,
    learning_rate: Positive = 0.01,
    initial_const: Positive = 0.01,
    abort_early: bool = True,
    warm_start: bool = True,
) -> Attempt:
    """Minimise ``||x' - x||^2 + const * max(confidence - margin(x'), 0)`` with Adam, and search for the constant.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        confidence: kappa: the margin in logits by which the goal must be reached to count as success; larger ones transfer
            better.
        steps: the most steps of a run at one constant.
        search_steps: constants tried for an image.
        learning_rate: Adam's, in tanh space.
        initial_const: the first constant; ten-fold until one succeeds, then halving of the interval.
        abort_early: end an image's run when its own loss has stalled (fallen by less than 0.1% in a fortieth of a run).
        warm_start: start the next run from the best adversarial found, if any; otherwise always from the image.

    Each image has its own constant, run and end; nothing waits for the slowest. Costs one forward and one backward pass
    a step, at most ``steps * search_steps``; most images need far less. The image returned is the nearest that reached
    the goal with the confidence asked for, or, where none did, the one with the largest margin.
    su2018 section 3.2, Eq. 5; Carlini & Wagner 2017, section VI-A, f6.
    """
    origin = _in_tanh_space(images)
    best = Best.before(images)
    passes = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    active = torch.arange(len(images), device=images.device)
    interval = review_interval(steps, shortest=10)
    skip = 1.0 if abort_early else 0.0
    search = ConstantSearch.start(images, initial_const, steps, search_steps, skip, tolerance=0.0, recent=True)
    variable, mean, square = origin, torch.zeros_like(origin), torch.zeros_like(origin)
    clean = images
    while len(active):
        for _ in range(interval):
            tanh = variable.tanh()
            adversarial = ((tanh / REACH + 1) / 2).clamp(0, 1)
            # There and back through tanh a pixel that has not moved is not the same to the last place.
            adversarial = torch.where((adversarial - clean).abs() < 1e-6, clean, adversarial)
            gradient, logits = gradient_and_logits(classifier, adversarial, goal, "margin")
            margin, offset = goal.margin(logits).float(), adversarial - clean
            distance = offset.square().sum((1, 2, 3))
            missing = (confidence - margin).clamp(min=0)
            reached = goal.success(logits) & (margin >= confidence)
            best.offer(active, adversarial, distance, margin, reached)
            search.observe(distance + search.const * missing, reached)
            pull = (search.const * (missing > 0)).view(-1, 1, 1, 1)
            slope = (2 * offset - pull * gradient) * (1 - tanh.square())
            mean = BETA1 * mean + (1 - BETA1) * slope
            square = BETA2 * square + (1 - BETA2) * slope.square()
            taken = search.taken.view(-1, 1, 1, 1)
            step = (mean / (1 - BETA1**taken)) / ((square / (1 - BETA2**taken)).sqrt() + TINY)
            variable = (variable - learning_rate * step).clamp(-LIMIT, LIMIT)
        passes[active] += interval
        ended = search.review()
        if bool(ended.any()):
            again = origin[active]
            if warm_start:
                found = best.distance[active].isfinite().view(-1, 1, 1, 1)
                again = torch.where(found, _in_tanh_space(best.images[active]), again)
            fresh = ended.view(-1, 1, 1, 1)
            variable = torch.where(fresh, again, variable)
            mean, square = mean.masked_fill(fresh, 0), square.masked_fill(fresh, 0)
            going = ~search.over
            active, goal, search = active[going], goal.select(going), search.select(going)
            clean, variable, mean, square = clean[going], variable[going], mean[going], square[going]
        tick(1 - len(active) / len(images))
    return Attempt(best.images, passes, passes, passes, confidence)


def _in_tanh_space(images: Tensor) -> Tensor:
    return torch.atanh((REACH * (2 * images - 1)).clamp(-REACH, REACH)).clamp(-LIMIT, LIMIT)
