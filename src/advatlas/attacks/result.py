"""What an attack returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class AttackResult:
    """The outcome for each image of a batch, in the order of the batch.

    Attributes:
        images: float32, N x C x H x W in [0, 1]; of a failed image the best attempt, never zeros or NaN.
        success: bool, N: the goal evaluated on ``images``, with the confidence the attack was asked for.
        iterations: int64, N: steps or generations taken.
        forward_queries, backward_queries: int64, N: passes spent on each image, the final check of ``success``
            included.
        seconds: float64, N: wall time of its batch divided by the batch's size, device-synchronised.
    """

    images: Tensor
    success: Tensor
    iterations: Tensor
    forward_queries: Tensor
    backward_queries: Tensor
    seconds: Tensor

    def to(self, device: torch.device | str) -> AttackResult:
        """Return the result on a device."""
        return AttackResult(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    @staticmethod
    def concatenate(parts: Sequence[AttackResult]) -> AttackResult:
        """Join the results of several batches."""
        return AttackResult(**{f.name: torch.cat([getattr(p, f.name) for p in parts]) for f in fields(AttackResult)})
