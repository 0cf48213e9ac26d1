"""What every small network has in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn


class SmallNetwork(nn.Module):
    """A trainable network: normalised images N x C x H x W in, logits N x K out.

    Subclasses take ``(channels, size, num_classes, width)`` where ``width`` multiplies the number of channels of
    every hidden layer (1.0 is the published network).

    Attributes:
        family: the name under which figures group it.
        min_size: the smallest height and width it can take.
    """

    family: ClassVar[str]
    min_size: ClassVar[int] = 28

    @abstractmethod
    def __init__(self, channels: int, size: int, num_classes: int, width: float = 1.0) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    def training_logits(self, x: Tensor) -> list[tuple[float, Tensor]]:
        """Return the (weight, logits) pairs whose losses are added in training; more than one with aux heads."""
        return [(1.0, self(x))]


def scaled(channels: int, width: float) -> int:
    """Return a channel count multiplied by the width, at least 4 and even."""
    return channels if width == 1.0 else max(4, 2 * round(channels * width / 2))


def conv(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0, inplace: bool = True
) -> nn.Sequential:
    """Return a convolution with bias, followed by ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding), nn.ReLU(inplace=inplace))
