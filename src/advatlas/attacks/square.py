"""Square attack in Linf (Andriushchenko et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, linf_box, per_image, tick
from advatlas.attacks.goal import Goal
from advatlas.attacks.parameters import Count, Epsilon, Seed, Share
from advatlas.attacks.streams import Streams

# At these shares of the queries the squares' area is halved (the paper's schedule for 10,000 queries).
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@attack
def square(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: Epsilon,
    queries: Count = 5000,
    area: Share = 0.8,
    seed: Seed = 0,
) -> Attempt:
    """Random search: paint a square of ``+epsilon`` or ``-epsilon`` at random, keep it if the margin grows.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: Linf budget in units of the pixel range.
        queries: the most forward passes an image may take.
        area: share of the image the first squares cover (p; the paper and AutoAttack: 0.8); halved nine times.
        seed: decides the random streams, together with each image's pixels.

    Needs the logits only (black box), so it sees through hidden gradients. An image leaves as soon as it reaches the goal;
    costs at most ``queries`` forward passes.
    """
    count, channels, height, width = images.shape
    budget = per_image(epsilon, images)
    low, high = linf_box(images, budget)
    streams = Streams.of(images, seed)
    # The start is vertical stripes, one pixel wide.
    best = torch.where(streams.uniform(channels, 1, width) < 0.5, low, high)
    with torch.no_grad():
        logits = classifier(best)
    margin, reached = goal.margin(logits).float(), goal.success(logits)
    used = torch.ones(count, dtype=torch.int64, device=images.device)
    result = best.clone()
    active = torch.arange(count, device=images.device)
    rows = torch.arange(height, device=images.device).view(1, 1, -1, 1)
    columns = torch.arange(width, device=images.device).view(1, 1, 1, -1)
    for query in range(1, queries):
        if bool(reached.any()):
            going = ~reached
            result[active[reached]] = best[reached]
            active, goal, streams = active[going], goal.select(going), streams.select(going)
            best, low, high, margin = best[going], low[going], high[going], margin[going]
            if len(active) == 0:
                break
        side = _side(query / queries, area, height, width)
        draws = streams.uniform(2 + channels)
        top = (draws[:, 0] * (height - side + 1)).long().clamp(max=height - side).view(-1, 1, 1, 1)
        left = (draws[:, 1] * (width - side + 1)).long().clamp(max=width - side).view(-1, 1, 1, 1)
        inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
        colour = torch.where(draws[:, 2:].view(-1, channels, 1, 1) < 0.5, low, high)
        trial = torch.where(inside, colour, best)
        # A square that changes nothing would waste a query: paint it the other way.
        idle = (trial == best).flatten(1).all(1).view(-1, 1, 1, 1)
        trial = torch.where(idle & inside, low + high - colour, trial)
        with torch.no_grad():
            logits = classifier(trial)
        trial_margin, reached = goal.margin(logits).float(), goal.success(logits)
        used[active] += 1
        better = (trial_margin > margin) | reached
        best = torch.where(better.view(-1, 1, 1, 1), trial, best)
        margin = torch.where(better, trial_margin, margin)
        tick(query / queries)
    result[active] = best
    return Attempt(result, used, used, 0)


def _side(progress: float, area: float, height: int, width: int) -> int:
    """Return the side of the squares at a share of the queries."""
    pixels = height * width * area / 2 ** sum(progress > at for at in HALVINGS)
    return max(1, min(round(math.sqrt(pixels)), height - 1, width - 1))
