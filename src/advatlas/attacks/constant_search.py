"""The search for the trade-off constant of C&W and EAD: image by image, each at its own pace.

An image runs an optimiser at one constant until it stalls or has taken all its steps, then goes on to the next constant,
whatever the other images of the batch do; it leaves when its search is over. So a batch is never held up by its slowest
image, and no image's result depends on another's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

# A run makes no progress where its lowest loss has fallen by less than this share since the last review.
STALL = 1e-3
# Ten-fold growth of the constant ends here, as in Carlini & Wagner's code.
LARGEST = 1e10


def review_interval(steps: int, shortest: int) -> int:
    """Return how many optimiser steps lie between two reviews: a fortieth of a run or more, ``shortest`` or more.

    It divides the steps of a run, so that none takes more.
    """
    reviews = max(1, min(40, steps // shortest))
    while steps % reviews:
        reviews -= 1
    return steps // reviews


@dataclass
class ConstantSearch:
    """The state of the search, one value for each image.

    Attributes:
        const: float32, the constant in use.
        taken: int64, optimiser steps of the current run, those it left out included.
        found: bool, whether the current run has reached the goal: since its start, or since the last review.
        over: bool, whether an image's search is over.
    """

    const: Tensor
    lower: Tensor
    upper: Tensor
    runs: Tensor
    taken: Tensor
    found: Tensor
    lowest: Tensor
    previous: Tensor
    over: Tensor
    steps: int
    search_steps: int
    skip: float
    tolerance: float
    recent: bool

    @classmethod
    def start(
        cls,
        images: Tensor,
        initial_const: float,
        steps: int,
        search_steps: int,
        skip: float,
        tolerance: float,
        recent: bool,
    ) -> ConstantSearch:
        """Return the search before its first step.

        Args:
            skip: share of the steps left that a run without progress leaves out; 1 ends it at once, less than 1 goes on
                with the shorter steps of a schedule that falls. 0: every run takes all its steps, and every image all
                its runs.
            tolerance: end an image's search once the smallest constant that succeeded and the largest that failed are
                nearer than this share of the former.
            recent: count only successes since the last review. A run that starts from an adversarial reaches the goal at
                once, whatever its constant.
        """

        def full(value: float | bool | int) -> Tensor:
            return torch.full((len(images),), value, device=images.device)

        infinite = full(torch.inf)
        return cls(
            const=full(float(initial_const)),
            lower=full(0.0),
            upper=infinite,
            runs=full(0),
            taken=full(0),
            found=full(False),
            lowest=infinite,
            previous=infinite,
            over=full(False),
            steps=steps,
            search_steps=search_steps,
            skip=skip,
            tolerance=tolerance,
            recent=recent,
        )

    def select(self, index: Tensor) -> ConstantSearch:
        """Return the search of some of the images."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        selected: dict[str, Any] = {k: v[index] if isinstance(v, Tensor) else v for k, v in values.items()}
        return ConstantSearch(**selected)

    def observe(self, loss: Tensor, reached: Tensor) -> None:
        """Take note of an optimiser step: the loss at its constant, and whether the goal was reached."""
        self.lowest = torch.minimum(self.lowest, loss)
        self.found = self.found | reached
        self.taken = self.taken + 1

    def review(self, stuck: Tensor | None = None) -> Tensor:
        """End the runs that have come to their last step, choose their next constants; return which ended.

        Args:
            stuck: bool, N: runs known not to move any more.

        After a success the constant is halved towards the largest that failed; after a failure it goes up halfway to the
        smallest that succeeded, or ten-fold while none has.
        """
        ended = self.taken >= self.steps
        if self.skip:
            idle = ~(self.lowest < self.previous * (1 - STALL))
            left = ((self.steps - self.taken) * (1 - self.skip)).long()
            self.taken = torch.where(idle, self.steps - left, self.taken)
            ended = self.taken >= self.steps - self.steps // 100
            ended = ended if stuck is None else ended | stuck
            # What a run reached with longer steps says nothing of its progress with shorter ones.
            self.previous = torch.where(idle, torch.inf, self.lowest)
            self.lowest = self.lowest.masked_fill(idle, torch.inf)
        self.upper = torch.where(ended & self.found, torch.minimum(self.upper, self.const), self.upper)
        self.lower = torch.where(ended & ~self.found, torch.maximum(self.lower, self.const), self.lower)
        following = torch.where(self.upper.isfinite(), (self.lower + self.upper) / 2, self.const * 10)
        self.const = torch.where(ended, following, self.const)
        self.runs = self.runs + ended
        self.taken = self.taken.masked_fill(ended, 0)
        self.found = torch.zeros_like(self.found) if self.recent else self.found & ~ended
        self.previous = self.previous.masked_fill(ended, torch.inf)
        self.lowest = self.lowest.masked_fill(ended, torch.inf)
        self.over = ended & ((self.runs >= self.search_steps) | (self.const > LARGEST))
        if self.skip:
            self.over |= ended & (self.upper - self.lower < self.tolerance * self.upper)
        return ended


@dataclass
class Best:
    """The best adversarial found for each image of a batch; of an image without one, the closest attempt.

    Attributes:
        images: float32, N x C x H x W.
        distance: float32, N: infinite where none was found.
    """

    images: Tensor
    distance: Tensor
    margin: Tensor

    @classmethod
    def before(cls, images: Tensor) -> Best:
        """Return the clean images, of which none counts as found."""
        nothing = torch.full((len(images),), torch.inf, device=images.device)
        return cls(images.clone(), nothing, -nothing)

    def offer(self, index: Tensor, images: Tensor, distance: Tensor, margin: Tensor, reached: Tensor) -> None:
        """Keep those candidates, for the images ``index``, that are better than what is there."""
        # Written so that a GPU need not wait for the host to know how many are kept.
        least, largest = self.distance[index], self.margin[index]
        nearer = reached & (distance < least)
        kept = nearer | (~reached & least.isinf() & (margin > largest))
        self.images[index] = torch.where(kept.view(-1, 1, 1, 1), images, self.images[index])
        self.distance[index] = torch.where(nearer, distance, least)
        self.margin[index] = torch.where(kept, margin, largest)
