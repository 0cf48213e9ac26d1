"""Iterative pixel swap (campbell2024 section 2.2.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, tick
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
        forward_batch: images in one forward pass; by default 128 on a CPU and 1,024 on a GPU. The result does not depend
            on it.

    A black-box attack without randomness: brightness is the mean over channels, equal pixels stand in reading order, and
    an image's pixels stay the same multiset. Pixels of equal brightness are not swapped: it ends there. Costs one forward
    pass for every ``swaps_per_query`` swaps; several are looked at in one pass, and of those past the first success the
    cost is not counted, for the method does not need them. An image that fails keeps the swaps that came closest.
    """
    count, _, height, width = images.shape
    pairs = height * width // 2
    most = pairs if max_swaps is None else min(max_swaps, pairs)
    forward_batch = forward_batch or (1024 if images.is_cuda else 128)
    brightness = images.mean(1).flatten(1)
    order = brightness.argsort(dim=1, descending=True, stable=True)
    bright, dark = order[:, :most], order.flip(1)[:, :most]
    unequal = brightness.gather(1, bright) > brightness.gather(1, dark)
    limit = unequal.sum(1)

    best_swaps = torch.zeros(count, dtype=torch.int64, device=images.device)
    closest = torch.full((count,), -torch.inf, device=images.device)
    queries = torch.zeros_like(best_swaps)
    active = torch.arange(count, device=images.device)[limit > 0]
    done = 0
    while len(active):
        # Look at as many states of each image as fill a forward pass.
        ahead = max(1, forward_batch // len(active))
        states = done + swaps_per_query * torch.arange(1, ahead + 1, device=images.device)
        swaps = torch.minimum(states.unsqueeze(0), limit[active].unsqueeze(1))
        margin, reached = _look(
            classifier, images[active], goal.select(active), bright[active], dark[active], swaps, forward_batch
        )
        first = torch.where(reached.any(1), reached.int().argmax(1), ahead)
        # States past the first success, or past an image's last swap, do not count.
        last = (swaps < limit[active].unsqueeze(1)).sum(1)
        queries[active] += torch.minimum(first, last).clamp(max=ahead - 1) + 1
        seen = torch.arange(ahead, device=images.device) <= torch.minimum(first, last).unsqueeze(1)
        candidate = torch.where(seen, margin, -torch.inf)
        chosen = torch.where(reached.any(1), first.clamp(max=ahead - 1), candidate.argmax(1)).unsqueeze(1)
        value = torch.where(reached.any(1), torch.inf, candidate.gather(1, chosen).squeeze(1))
        closer = value > closest[active]
        best_swaps[active] = torch.where(closer, swaps.gather(1, chosen).squeeze(1), best_swaps[active])
        closest[active] = torch.where(closer, value, closest[active])
        done += ahead * swaps_per_query
        active = active[~reached.any(1) & (limit[active] > done)]
        tick(min(1.0, done / most))
    return Attempt(_swapped(images, bright, dark, best_swaps.unsqueeze(1)).squeeze(1), best_swaps, queries, 0)


def _swapped(images: Tensor, bright: Tensor, dark: Tensor, swaps: Tensor) -> Tensor:
    """Return each image N x C x H x W after each of its numbers of swaps N x S, as N x S x C x H x W."""
    count, channels, height, width = images.shape
    states = swaps.shape[1]
    places = torch.arange(height * width, device=images.device).repeat(count, states, 1)
    exchanged = torch.arange(bright.shape[1], device=images.device) < swaps.unsqueeze(2)
    there, here = bright.unsqueeze(1).expand_as(exchanged), dark.unsqueeze(1).expand_as(exchanged)
    places.scatter_(2, there, torch.where(exchanged, here, there))
    places.scatter_(2, here, torch.where(exchanged, there, here))
    pixels = images.flatten(2).unsqueeze(1).expand(-1, states, -1, -1)
    return pixels.gather(3, places.unsqueeze(2).expand(-1, -1, channels, -1)).view(
        count, states, channels, height, width
    )


def _look(
    classifier: nn.Module, images: Tensor, goal: Goal, bright: Tensor, dark: Tensor, swaps: Tensor, forward_batch: int
) -> tuple[Tensor, Tensor]:
    """Return margin and success of every state, N x S each."""
    states = swaps.shape[1]
    margins, successes = [], []
    with torch.no_grad():
        for chunk in torch.arange(len(images), device=images.device).split(max(1, forward_batch // states)):
            shown = _swapped(images[chunk], bright[chunk], dark[chunk], swaps[chunk])
            logits = classifier(shown.flatten(0, 1))
            part = goal.select(chunk.repeat_interleave(states))
            margins.append(part.margin(logits).float().view(-1, states))
            successes.append(part.success(logits).view(-1, states))
    return torch.cat(margins), torch.cat(successes)
