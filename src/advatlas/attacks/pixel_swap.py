"""Iterative pixel swap (campbell2024 section 2.2.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, default_forward_batch, tick
from advatlas.attacks.goal import Goal
from advatlas.attacks.parameters import Count


@attack
def pixel_swap(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    max_swaps: Count | None = None,
    swaps_per_query: Count = 1,
    forward_batch: Count | None = None,
) -> Attempt:
    """Swap the brightest pixel with the darkest, then the next brightest with the next darkest, until misclassified.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        max_swaps: the most swaps; half of the pixels when not given, which is all there are.
        swaps_per_query: swaps between two looks at the classifier's answer (the paper: after each).
        forward_batch: images in one forward pass; what suits device and image size when not given. The result does not
            depend on it.

    A black-box attack without randomness: brightness is the mean over channels, equal pixels stand in reading order, and
    an image's pixels stay the same multiset. Pixels of equal brightness are not swapped: it ends there. Costs one forward
    pass for every ``swaps_per_query`` swaps; several are looked at in one pass, and of those past the first success the
    cost is not counted, for the method does not need them. An image that fails keeps the swaps that came closest.
    """
    count, _, height, width = images.shape
    pairs = height * width // 2
    most = pairs if max_swaps is None else min(max_swaps, pairs)
    forward_batch = forward_batch or default_forward_batch(images)
    brightness = images.mean(1).flatten(1)
    order = brightness.argsort(dim=1, descending=True, stable=True)
    bright, dark = order[:, :most], order.flip(1)[:, :most]
    limit = (brightness.gather(1, bright) > brightness.gather(1, dark)).sum(1)

    best = images.clone()
    best_swaps = torch.zeros(count, dtype=torch.int64, device=images.device)
    closest = torch.full((count,), -torch.inf, device=images.device)
    queries = torch.zeros_like(best_swaps)
    active = torch.arange(count, device=images.device)[limit > 0]
    current = images[active]
    done = 0
    while len(active):
        # Look at as many states of each image as fill a forward pass.
        ahead = max(1, forward_batch // len(active))
        states = done + swaps_per_query * torch.arange(1, ahead + 1, device=images.device)
        swaps = torch.minimum(states.unsqueeze(0), limit[active].unsqueeze(1))
        coming = slice(done, int(states[-1]))
        shown = _states(current, bright[active, coming], dark[active, coming], swaps - done)
        margin, reached = _look(classifier, shown, goal.select(active), forward_batch)
        # States past the first success, or past an image's last swap, do not count.
        first = torch.where(reached.any(1), reached.int().argmax(1), ahead)
        last = torch.minimum(first, (swaps < limit[active].unsqueeze(1)).sum(1))
        queries[active] += last.clamp(max=ahead - 1) + 1
        seen = torch.arange(ahead, device=images.device) <= last.unsqueeze(1)
        candidate = torch.where(seen, torch.where(reached, torch.inf, margin), -torch.inf)
        value, chosen = candidate.max(1)
        closer = value > closest[active]
        rows = torch.arange(len(active), device=images.device)
        best[active[closer]] = shown[rows, chosen][closer]
        best_swaps[active[closer]] = swaps[rows, chosen][closer]
        closest[active[closer]] = value[closer]
        done += ahead * swaps_per_query
        going = ~reached.any(1) & (limit[active] > done)
        active, current = active[going], shown[going, -1]
        tick(min(1.0, done / most))
    return Attempt(best, best_swaps, queries, 0)


def _states(images: Tensor, bright: Tensor, dark: Tensor, swaps: Tensor) -> Tensor:
    """Return each image N x C x H x W after each of its numbers of swaps N x S, as N x S x C x H x W.

    Args:
        bright, dark: N x J, the pixels of the coming swaps, in order; no pixel stands twice.
    """
    count, channels, height, width = images.shape
    flat = images.flatten(2)
    there, here = (place.unsqueeze(1).expand(-1, channels, -1) for place in (bright, dark))
    exchanged = (torch.arange(bright.shape[1], device=images.device) < swaps.unsqueeze(2)).unsqueeze(2)
    light, shade = flat.gather(2, there).unsqueeze(1), flat.gather(2, here).unsqueeze(1)
    shown = flat.unsqueeze(1).repeat(1, swaps.shape[1], 1, 1)
    shape = (count, swaps.shape[1], channels, bright.shape[1])
    shown.scatter_(3, there.unsqueeze(1).expand(shape), torch.where(exchanged, shade, light))
    shown.scatter_(3, here.unsqueeze(1).expand(shape), torch.where(exchanged, light, shade))
    return shown.view(count, swaps.shape[1], channels, height, width)


def _look(classifier: nn.Module, shown: Tensor, goal: Goal, forward_batch: int) -> tuple[Tensor, Tensor]:
    """Return margin and success of every state, N x S each."""
    states = shown.shape[1]
    margins, successes = [], []
    with torch.no_grad():
        for chunk in torch.arange(len(shown), device=shown.device).split(max(1, forward_batch // states)):
            logits = classifier(shown[chunk].flatten(0, 1))
            part = goal.select(chunk.repeat_interleave(states))
            margins.append(part.margin(logits).float().view(-1, states))
            successes.append(part.success(logits).view(-1, states))
    return torch.cat(margins), torch.cat(successes)
