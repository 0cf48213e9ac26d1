"""The one form in which every dataset reaches the rest of the library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class ImageSet:
    """Images with their labels and the names by which every later artifact refers to them.

    Attributes:
        ids: one string an image, e.g. ``test/00042``.
        images: uint8, N x C x H x W.
        labels: int64, N.
    """

    ids: np.ndarray
    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def subset(self, indices: np.ndarray | Tensor) -> ImageSet:
        """Return the images at the given positions (or under a boolean mask), in that order."""
        positions = np.array(indices)
        chosen = torch.as_tensor(positions)
        return ImageSet(self.ids[positions], self.images[chosen], self.labels[chosen])

    @classmethod
    def concatenate(cls, parts: Sequence[ImageSet]) -> ImageSet:
        """Return the images of several sets, one after the other."""
        return cls(
            np.concatenate([part.ids for part in parts]),
            torch.cat([part.images for part in parts]),
            torch.cat([part.labels for part in parts]),
        )

    def pixels(self) -> Tensor:
        """Return the images as float32 in [0, 1]."""
        return to_unit(self.images)


def to_unit(images: Tensor) -> Tensor:
    """Return uint8 images as float32 in [0, 1]."""
    return images.to(torch.float32) / 255
