"""Random numbers that belong to an image and not to its place in a batch.

Each image has its own stream, seeded by its pixels and a seed. Draw ``k`` of an image is a hash of its stream's key and
``k``, in 64-bit integer arithmetic: the same on every device and machine, whatever else is in the batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# The constants of splitmix64 (Steele et al. 2014), as signed 64-bit integers; products wrap around.
_GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX2 = 0x94D049BB133111EB - (1 << 64)


def _shift_right(values: Tensor, bits: int) -> Tensor:
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _mix(values: Tensor) -> Tensor:
    values = (values ^ _shift_right(values, 30)) * _MIX1
    values = (values ^ _shift_right(values, 27)) * _MIX2
    return values ^ _shift_right(values, 31)


class Streams:
    """One random stream for each image of a batch.

    Args:
        keys: int64, N.
        drawn: how many numbers have been drawn of each stream.
    """

    def __init__(self, keys: Tensor, drawn: int = 0) -> None:
        self.keys, self.drawn = keys, drawn

    @classmethod
    def of(cls, images: Tensor, seed: int) -> Streams:
        """Return the streams of float32 images N x ..., which depend on the pixels and the seed alone."""
        bits = images.detach().contiguous().reshape(len(images), -1).to(torch.float32).view(torch.int32)
        places = torch.arange(1, bits.shape[1] + 1, device=bits.device) * _GAMMA
        content = _mix(bits.to(torch.int64) + places).sum(1)
        return cls(_mix(content ^ _mix(torch.tensor(seed, device=bits.device) + _GAMMA)))

    def select(self, index: Any) -> Streams:
        """Return the streams of some of the images, at the same place."""
        return Streams(self.keys[index], self.drawn)

    def at(self, chapter: int) -> Streams:
        """Return the streams of another chapter of the same images, from its start; chapters do not overlap."""
        return Streams(_mix(self.keys ^ _mix(torch.tensor(chapter + 1, device=self.keys.device) * _MIX1)))

    def uniform(self, *shape: int) -> Tensor:
        """Draw float32 uniformly from [0, 1), N x shape, and move on."""
        count = 1
        for extent in shape:
            count *= extent
        counters = torch.arange(self.drawn + 1, self.drawn + count + 1, device=self.keys.device) * _GAMMA
        self.drawn += count
        bits = _mix(self.keys.unsqueeze(1) + counters)
        return (_shift_right(bits, 40).to(torch.float32) * 2.0**-24).reshape(len(self.keys), *shape)

    def normal(self, *shape: int) -> Tensor:
        """Draw float32 from the standard normal distribution, N x shape, and move on."""
        first, second = self.uniform(2, *shape).double().unbind(1)
        radius = torch.sqrt(-2 * torch.log(1 - first))
        return (radius * torch.cos(2 * torch.pi * second)).float()

    def integers(self, high: int, *shape: int) -> Tensor:
        """Draw int64 uniformly from {0, ..., high - 1}, N x shape, and move on."""
        return (self.uniform(*shape).double() * high).long().clamp_(max=high - 1)
