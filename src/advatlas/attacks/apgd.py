"""Auto-PGD (Croce & Hein 2020)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, gradient_and_logits, tick
from advatlas.attacks.balls import Ball, unit_l2
from advatlas.attacks.goal import Goal
from advatlas.attacks.losses import LOSSES, LossName
from advatlas.attacks.parameters import Count, Radius, Seed, Steps
from advatlas.attacks.streams import Streams

# The share of a step that is new; the rest repeats the last one.
NEW = 0.75
# A step is halved where the loss rose in less than this share of the steps since the last checkpoint.
RISES = 0.75


@attack
def apgd(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    epsilon: Radius,
    norm: Literal["linf", "l2"] = "linf",
    steps: Steps = 100,
    restarts: Count = 1,
    loss: LossName = "dlr",
    stop_at_success: bool = True,
    seed: Seed = 0,
) -> Attempt:
    """PGD that needs no step size: it halves each image's own where progress ends, and goes on from the best point.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        epsilon: budget in ``norm``, in units of the pixel range.
        norm: ``linf`` or ``l2``.
        steps: gradient steps of a restart.
        restarts: how often an image that has not succeeded starts again at another random point.
        loss: ``dlr`` (APGD-DLR, and its targeted form with a target) or ``cross_entropy`` (APGD-CE); ``dlr`` needs 3
            classes, or 4 with a target.
        stop_at_success: leave an image as soon as it reaches the goal, which is what counting successes needs; without
            it the point of the highest loss that reached it is returned, which transfers better.
        seed: decides the starting points, together with each image's pixels.

    Costs ``steps + 1`` forward and backward passes a restart. Checkpoints, momentum and the two conditions for halving
    are those of the paper's Algorithm 1.
    """
    count = len(images)
    result = images.clone()
    highest = torch.full((count,), -torch.inf, device=images.device)
    passes = torch.zeros(count, dtype=torch.int64, device=images.device)
    streams = Streams.of(images, seed)
    active = torch.arange(count, device=images.device)
    for restart in range(restarts):
        part = images[active]
        ball = Ball(part, epsilon[active] if isinstance(epsilon, Tensor) else epsilon, norm)
        run = _Run(classifier, ball, goal.select(active), loss, steps, stop_at_success)
        found = run.ascend(_on_the_surface(ball, streams.select(active).at(restart)))
        passes[active] += run.passes
        better = found | (run.shown_loss > highest[active])
        result[active[better]] = run.shown[better]
        highest[active[better]] = run.shown_loss[better]
        active = active[~found]
        tick((restart + 1) / restarts)
        if len(active) == 0:
            break
    return Attempt(result, passes, passes, passes)


def _on_the_surface(ball: Ball, streams: Streams) -> Tensor:
    """Return a random point of each ball's surface, clipped to [0, 1]."""
    shape = ball.images.shape[1:]
    if ball.norm == "linf":
        offset = 2 * streams.uniform(*shape) - 1
        offset = offset / offset.abs().amax((1, 2, 3), keepdim=True)
    else:
        offset = unit_l2(streams.normal(*shape))
    return ball.project(ball.images + ball.radius * offset)


class _Run:
    """One restart on a batch: Algorithm 1, with a step size for each image."""

    def __init__(
        self, classifier: nn.Module, ball: Ball, goal: Goal, loss: str, steps: int, stop_at_success: bool
    ) -> None:
        count = len(ball.images)
        device = ball.images.device
        self.classifier, self.ball, self.goal, self.loss = classifier, ball, goal, loss
        self.steps, self.stop_at_success = steps, stop_at_success
        # What is returned: the point of the highest loss, of those that reached the goal where any did.
        self.shown = ball.images.clone()
        self.shown_loss = torch.full((count,), -torch.inf, device=device)
        self.found = torch.zeros(count, dtype=torch.bool, device=device)
        self.passes = torch.zeros(count, dtype=torch.int64, device=device)
        self.active = torch.arange(count, device=device)

    def ascend(self, start: Tensor) -> Tensor:
        """Run from a start; return which images reached the goal."""
        now, gradient, value = self._evaluate(start)
        before = best = now
        best_gradient, best_value = gradient, value
        pace = 2 * self.ball.epsilon[self.active]
        last_best, halved_last = best_value, torch.ones_like(best_value, dtype=torch.bool)
        rises = torch.zeros_like(best_value)
        checkpoints = _checkpoints(self.steps)
        previous_checkpoint = 0
        ball = self.ball.select(self.active)
        for step in range(self.steps):
            if len(self.active) == 0:
                break
            length = pace.view(-1, 1, 1, 1)
            target = ball.project(now + length * ball.direction(gradient))
            weight = NEW if step else 1.0
            following = ball.project(now + weight * (target - now) + (1 - weight) * (now - before))
            before, old_value = now, value
            kept = self.active
            now, gradient, value = self._evaluate(following)
            if len(self.active) < len(kept):
                # Those that reached the goal have left.
                going = torch.isin(kept, self.active)
                before, old_value, best, best_gradient = (
                    before[going],
                    old_value[going],
                    best[going],
                    best_gradient[going],
                )
                best_value, last_best, halved_last = best_value[going], last_best[going], halved_last[going]
                rises, pace, ball = rises[going], pace[going], ball.select(going)
            higher = value > best_value
            mask = higher.view(-1, 1, 1, 1)
            best, best_gradient = torch.where(mask, now, best), torch.where(mask, gradient, best_gradient)
            best_value = torch.where(higher, value, best_value)
            rises = rises + (value > old_value)
            if step + 1 in checkpoints:
                length_of_stage = step + 1 - previous_checkpoint
                previous_checkpoint = step + 1
                halve = (rises <= RISES * length_of_stage) | (~halved_last & (best_value <= last_best))
                last_best, halved_last, rises = best_value, halve, torch.zeros_like(rises)
                pace = torch.where(halve, pace / 2, pace)
                mask = halve.view(-1, 1, 1, 1)
                now, gradient = torch.where(mask, best, now), torch.where(mask, best_gradient, gradient)
                value = torch.where(halve, best_value, value)
            tick((step + 1) / self.steps)
        return self.found

    def _evaluate(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look at points; keep what is worth showing; drop the images that are done. Return points, gradients, losses."""
        goal = self.goal.select(self.active)
        gradient, logits = gradient_and_logits(self.classifier, points, goal, self.loss)
        value, reached = LOSSES[self.loss](goal, logits).float(), goal.success(logits)
        self.passes[self.active] += 1
        first = reached & ~self.found[self.active]
        same = reached == self.found[self.active]
        better = first | (same & (value > self.shown_loss[self.active]))
        chosen = self.active[better]
        self.shown[chosen], self.shown_loss[chosen] = points[better], value[better]
        self.found[self.active] |= reached
        if self.stop_at_success and bool(reached.any()):
            going = ~reached
            self.active = self.active[going]
            return points[going], gradient[going], value[going]
        return points, gradient, value


def _checkpoints(steps: int) -> set[int]:
    """Return the steps after which the step size is looked at: at 22% of all, then at ever shorter distances."""
    length, decrease, shortest = max(int(0.22 * steps), 1), max(int(0.03 * steps), 1), max(int(0.06 * steps), 1)
    found, at = set(), 0
    while at < steps:
        at += length
        found.add(at)
        length = max(length - decrease, shortest)
    return found
