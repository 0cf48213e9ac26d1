"""Elastic-net attack (EAD; Chen et al. 2018)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, gradient_and_logits, tick
from advatlas.attacks.constant_search import Best, ConstantSearch, review_interval
from advatlas.attacks.goal import Goal
from advatlas.attacks.parameters import Confidence, Count, NonNegative, Positive, Steps

# An iterate is shown to the classifier where the point its gradient was taken at has closed all but this share of the gap.
NEAR = 0.1
# Of the steps left a run without progress leaves out this share.
SKIP = 0.7
# A search ends when the constant is known to this share; finer ones change the mean distance by a thousandth.
TOLERANCE = 0.15


@attack
def ead(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    decision_rule: Literal["l1", "elastic_net"] = "l1",
    beta: NonNegative = 1e-3,
    confidence: Confidence = 0.0,
    steps: Steps = 1000,
    search_steps: Count = 9,
    learning_rate: Positive = 0.01,
    initial_const: Positive = 0.01,
    abort_early: bool = True,
    warm_start: bool = True,
) -> Attempt:
    """Minimise ``const * max(confidence - margin, 0) + ||x' - x||^2 + beta * ||x' - x||_1`` by FISTA; search the constant.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        decision_rule: which of the adversarials found is returned: the least L1 (EAD-L1), or the least elastic net.
        beta: weight of the L1 norm, and the threshold of shrinking (as in the authors' code, not times the step).
        confidence: kappa: the margin in logits by which the goal must be reached to count as success.
        steps: the most steps of a run at one constant.
        search_steps: constants tried for an image.
        learning_rate: of the first step of a run; it falls with the root of the steps left.
        initial_const: the first constant; ten-fold until one succeeds, then halving of the interval.
        abort_early: where an image's own loss has stalled (fallen by less than 0.1% in a fortieth of a run), go on with the
            shorter steps of the end of the run; and end its search when the constant is known to 15%. To end the run
            there, as others do, costs distance: it is the short steps that make the change sparse.
        warm_start: start the next run from the best adversarial found, if any; otherwise always from the image.

    Each image has its own constant, run and end. A step costs a forward and a backward pass at the extrapolated point; the
    iterate itself costs another forward pass, and only where it can become the result: it is nearer than the best so
    far and the extrapolated point is at the boundary or past it. su2018 Eq. 6.
    """
    best = Best.before(images)
    forward = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    backward = torch.zeros_like(forward)
    active = torch.arange(len(images), device=images.device)
    interval = review_interval(steps, shortest=20)
    skip = SKIP if abort_early else 0.0
    search = ConstantSearch.start(images, initial_const, steps, search_steps, skip, tolerance=TOLERANCE, recent=False)
    clean = iterate = extrapolated = images
    gap = torch.full((len(images),), torch.inf, device=images.device)

    def show(chosen: Tensor) -> Tensor:
        """Show some of the iterates to the classifier, keep the best; return which of all reached the goal."""
        reached = torch.zeros_like(chosen)
        if bool(chosen.any()):
            with torch.no_grad():
                logits = classifier(iterate[chosen])
            part = goal.select(chosen)
            margin = part.margin(logits).float()
            reached[chosen] = part.success(logits) & (margin >= confidence)
            distance = _distance(iterate[chosen] - clean[chosen], decision_rule, beta)
            best.offer(active[chosen], iterate[chosen], distance, margin, reached[chosen])
            forward[active[chosen]] += 1
        return reached

    while len(active):
        for _ in range(interval):
            gradient, logits = gradient_and_logits(classifier, extrapolated, goal, "margin")
            margin, offset = goal.margin(logits).float(), extrapolated - clean
            gap = torch.where(gap.isinf(), (confidence - margin).clamp(min=0), gap)
            missing = (confidence - margin).clamp(min=0)
            elastic_net = offset.square().sum((1, 2, 3)) + beta * offset.abs().sum((1, 2, 3))
            pull = (search.const * (missing > 0)).view(-1, 1, 1, 1)
            rate = learning_rate * (1 - search.taken / steps).clamp(min=0).sqrt().view(-1, 1, 1, 1)
            inertia = (search.taken / (search.taken + 3)).view(-1, 1, 1, 1)

            near = missing <= NEAR * gap
            reached = show(near & (_distance(iterate - clean, decision_rule, beta) < best.distance[active]))
            search.observe(elastic_net + search.const * missing, reached)

            moved = _shrink(extrapolated - rate * (2 * offset - pull * gradient), clean, beta)
            extrapolated = moved + inertia * (moved - iterate)
            iterate = moved
        forward[active] += interval
        backward[active] += interval
        # A run that shrinking keeps at the image stays there: its steps only get shorter.
        ended = search.review(stuck=(iterate == clean).flatten(1).all(1) & (extrapolated == clean).flatten(1).all(1))
        if bool(ended.any()):
            show(ended & best.distance[active].isinf())  # the best attempt, should none succeed
            again = clean
            if warm_start:
                found = best.distance[active].isfinite().view(-1, 1, 1, 1)
                again = torch.where(found, best.images[active], again)
            fresh = ended.view(-1, 1, 1, 1)
            iterate, extrapolated = torch.where(fresh, again, iterate), torch.where(fresh, again, extrapolated)
            going = ~search.over
            active, goal, search, gap = active[going], goal.select(going), search.select(going), gap[going]
            clean, iterate, extrapolated = clean[going], iterate[going], extrapolated[going]
        tick(1 - len(active) / len(images))
    return Attempt(best.images, backward, forward, backward, confidence)


def _distance(offset: Tensor, decision_rule: str, beta: float) -> Tensor:
    l1 = offset.abs().sum((1, 2, 3))
    return l1 if decision_rule == "l1" else offset.square().sum((1, 2, 3)) + beta * l1


def _shrink(moved: Tensor, clean: Tensor, beta: float) -> Tensor:
    """Take ``beta`` off each pixel's change, set changes of less back to none, and keep to [0, 1]."""
    offset = moved - clean
    return torch.where(offset.abs() > beta, (moved - beta * offset.sign()).clamp(0, 1), clean)
