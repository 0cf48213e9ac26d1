"""Several classifiers as one: the source of examples that transfer (Dong et al. 2018; Liu et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from advatlas.errors import AdvatlasError


class Ensemble(nn.Module):
    """The weighted mean of the logits of classifiers that agree on images and classes.

    Args:
        classifiers: each maps images in [0, 1] to logits N x K.
        weights: one for each, scaled to sum to one; equal when not given.

    Raises:
        AdvatlasError: no classifier, or weights that are not as many, negative, or all zero.
    """

    weights: Tensor

    def __init__(self, classifiers: Sequence[nn.Module], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not classifiers:
            raise AdvatlasError("ensemble: classifiers is empty")
        shares = [1.0] * len(classifiers) if weights is None else list(weights)
        if len(shares) != len(classifiers) or min(shares) < 0 or sum(shares) == 0:
            raise AdvatlasError(f"ensemble: weights must be {len(classifiers)} numbers, none negative, not {shares}")
        self.classifiers = nn.ModuleList(classifiers)
        self.register_buffer("weights", torch.tensor(shares) / sum(shares))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits = [classifier(images) for classifier in self.classifiers]
        if len({part.shape for part in logits}) > 1:
            raise AdvatlasError(f"ensemble: classifiers differ in classes: {[part.shape[1] for part in logits]}")
        return torch.einsum("m,mnk->nk", self.weights, torch.stack(logits))
