"""Norms, projections and balls, one an image."""

from __future__ import annotations

import torch
from torch import Tensor

from advatlas.attacks.attack import linf_box


def l2_norms(values: Tensor) -> Tensor:
    """Return the L2 norms of N x C x H x W as N x 1 x 1 x 1, never below 1e-12."""
    norms: Tensor = torch.linalg.vector_norm(values, dim=(1, 2, 3), keepdim=True)
    return norms.clamp(min=1e-12)


def unit_l2(values: Tensor) -> Tensor:
    """Return each image's values divided by their L2 norm."""
    return values / l2_norms(values)


def project_l2(offsets: Tensor, radius: float | Tensor) -> Tensor:
    """Return the nearest points of the L2 balls around 0."""
    return offsets * (radius / l2_norms(offsets)).clamp(max=1)


def project_l1(offsets: Tensor, radius: Tensor) -> Tensor:
    """Return the nearest points of the L1 balls around 0 (Duchi et al. 2008).

    Args:
        offsets: float, N x C x H x W.
        radius: float, N x 1 x 1 x 1.
    """
    flat = offsets.flatten(1)
    limit = radius.flatten(1)
    ordered = flat.abs().sort(1, descending=True).values
    excess = ordered.cumsum(1) - limit
    counts = torch.arange(1, flat.shape[1] + 1, device=flat.device)
    kept = ((ordered * counts) > excess).sum(1, keepdim=True).clamp(min=1)
    threshold = (excess.gather(1, kept - 1) / kept).clamp(min=0)
    return (flat.sign() * (flat.abs() - threshold).clamp(min=0)).view_as(offsets)


class Ball:
    """The points within the budget of each image and within [0, 1].

    Args:
        images: float32, N x C x H x W.
        epsilon: one budget for all, or N of them.
        norm: ``linf`` or ``l2``.
    """

    def __init__(self, images: Tensor, epsilon: float | Tensor, norm: str) -> None:
        self.images, self.norm = images, norm
        budget = torch.as_tensor(epsilon, dtype=images.dtype, device=images.device)
        self.epsilon = budget.expand(len(images))
        self.radius = self.epsilon.view(-1, 1, 1, 1)
        self.low, self.high = linf_box(images, self.radius)

    def select(self, index: Tensor) -> Ball:
        """Return the balls of some of the images."""
        return Ball(self.images[index], self.epsilon[index], self.norm)

    def project(self, points: Tensor) -> Tensor:
        """Return the points brought back into the balls and to [0, 1]."""
        if self.norm == "linf":
            return torch.clamp(points, self.low, self.high)
        return (self.images + project_l2(points - self.images, self.radius)).clamp(0, 1)

    def direction(self, gradient: Tensor) -> Tensor:
        """Return the step of length 1 in the norm along a gradient."""
        return gradient.sign() if self.norm == "linf" else unit_l2(gradient)
