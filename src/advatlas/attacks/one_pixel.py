"""One-pixel attack by differential evolution (Su, Vargas & Sakurai 2019)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attempt, attack, default_forward_batch, tick
from advatlas.attacks.goal import Goal
from advatlas.attacks.parameters import Count, Population, Seed, Weight
from advatlas.attacks.streams import Streams


@attack
def one_pixel(
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    *,
    pixels: Count = 1,
    population: Population = 400,
    generations: Count = 100,
    differential_weight: Weight = 0.5,
    strategy: Literal["rand1", "best1"] = "best1",
    forward_batch: Count | None = None,
    seed: Seed = 0,
) -> Attempt:
    """Change at most ``pixels`` pixels of an image; needs the logits only (black box).

    A candidate is a position and a colour for each pixel. Each generation every candidate meets one child, made of
    others by mutation, and the one with the greater loss stays (for an untargeted goal: the one to which the model gives
    the true class less probability). An image leaves as soon as one of its candidates reaches the goal. All images
    evolve together, and each draws from its own random stream.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        goal: :class:`Untargeted` or :class:`Targeted`.
        pixels: pixels that may change.
        population: candidates of an image (the paper: 400).
        generations: generations after the first (the paper: 100).
        differential_weight: F in ``r1 + F (r2 - r3)`` (the paper: 0.5).
        strategy: ``best1`` mutates the best candidate, as torchattacks does, and finds more; ``rand1`` a random one, as the
            paper does.
        forward_batch: candidates in one forward pass; what suits device and image size when not given. The result does
            not depend on it.
        seed: decides the random streams, together with each image's pixels.

    Costs up to ``population * (generations + 1)`` forward passes an image. bendaya2020 section 2.1.
    """
    count, channels = images.shape[:2]
    forward_batch = forward_batch or default_forward_batch(images)
    streams = Streams.of(images, seed)
    iterations = torch.zeros(count, dtype=torch.int64, device=images.device)
    queries = torch.full_like(iterations, population)
    best = images.clone()

    active = torch.arange(count, device=images.device)
    candidates = _first_population(streams, population, pixels, channels)
    loss, success = _evaluate(classifier, images, goal, candidates, forward_batch)
    generation = 0
    while True:
        # An image leaves with the best of its successful candidates; the last generation sends all away.
        leaving = success.any(1) | (generation == generations)
        if leaving.any():
            score = torch.where(success.any(1, keepdim=True), torch.where(success, loss, -torch.inf), loss)
            chosen = score.argmax(1, keepdim=True)
            winners = candidates.gather(1, chosen[..., None].expand(-1, -1, candidates.shape[2]))[leaving]
            best[active[leaving]] = _apply(images[active[leaving]], winners.squeeze(1), channels)
            staying = ~leaving
            active, candidates, loss = active[staying], candidates[staying], loss[staying]
            streams = streams.select(staying)
        if len(active) == 0:
            return Attempt(best, iterations, queries, 0)
        generation += 1
        iterations[active] = generation
        queries[active] += population
        children = _mutate(streams, candidates, loss, differential_weight, strategy)
        child_loss, success = _evaluate(classifier, images[active], goal.select(active), children, forward_batch)
        better = (child_loss > loss) | success
        candidates = torch.where(better[..., None], children, candidates)
        loss = torch.where(better, child_loss, loss)
        tick((count - len(active) * (1 - generation / generations)) / count)


def _first_population(streams: Streams, population: int, pixels: int, channels: int) -> Tensor:
    """Return N x population x (pixels * (2 + channels)) in [0, 1]: uniform positions, colours N(0.5, 0.5) clipped."""
    positions = streams.uniform(population, pixels, 2)
    colours = (0.5 + 0.5 * streams.normal(population, pixels, channels)).clamp(0, 1)
    return torch.cat([positions, colours], -1).flatten(2)


def _mutate(streams: Streams, candidates: Tensor, loss: Tensor, weight: float, strategy: str) -> Tensor:
    """Return one child for each candidate; a value outside [0, 1] is drawn anew."""
    population = candidates.shape[1]
    first, second, third = _three_others(streams, population)

    def pick(index: Tensor) -> Tensor:
        return candidates.gather(1, index[..., None].expand_as(candidates))

    base = pick(first) if strategy == "rand1" else pick(loss.argmax(1, keepdim=True).expand_as(first))
    children = base + weight * (pick(second) - pick(third))
    anew = streams.uniform(*children.shape[1:])
    return torch.where((children < 0) | (children > 1), anew, children)


def _three_others(streams: Streams, population: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw for each candidate three others, all different, uniformly."""
    chosen = torch.arange(population, device=streams.keys.device).expand(len(streams.keys), -1)[None]
    for _ in range(3):
        draw = streams.integers(population - len(chosen), population)
        # The draw counts only those not chosen yet: step over each that is, from the lowest up.
        for taken in chosen.sort(0).values:
            draw = draw + (draw >= taken)
        chosen = torch.cat([chosen, draw[None]])
    return chosen[1], chosen[2], chosen[3]


def _apply(images: Tensor, candidates: Tensor, channels: int) -> Tensor:
    """Return the images M x C x H x W with each one's candidate, M x (pixels * (2 + channels)), painted on it."""
    height, width = images.shape[2:]
    pixels = candidates.unflatten(1, (-1, 2 + channels))
    rows = (pixels[..., 0] * height).long().clamp_(max=height - 1)
    columns = (pixels[..., 1] * width).long().clamp_(max=width - 1)
    painted = images.clone()
    places = torch.arange(len(images), device=images.device)
    for k in range(pixels.shape[1]):
        painted[places, :, rows[:, k], columns[:, k]] = pixels[:, k, 2:]
    return painted


def _evaluate(
    classifier: nn.Module, images: Tensor, goal: Goal, candidates: Tensor, forward_batch: int
) -> tuple[Tensor, Tensor]:
    """Return loss and success of every candidate, N x population each."""
    count, population, _ = candidates.shape
    channels = images.shape[1]
    flat = candidates.flatten(0, 1)
    owners = torch.arange(count, device=images.device).repeat_interleave(population)
    losses, successes = [], []
    with torch.no_grad():
        for chunk in torch.arange(count * population, device=images.device).split(forward_batch):
            owner = owners[chunk]
            logits = classifier(_apply(images[owner], flat[chunk], channels))
            part = goal.select(owner)
            losses.append(part.loss(logits))
            successes.append(part.success(logits))
    return torch.cat(losses).view(count, population), torch.cat(successes).view(count, population)
