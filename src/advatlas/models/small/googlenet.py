"""GoogLeNet (Szegedy et al. 2015) at its own strides on small images, with both auxiliary heads.

With auxiliary heads of 128 filters and 1024 units on globally pooled features the count is 6.40 million
parameters and 17 / 33 million MACs: bendaya2020's Tables 1 and 2. The heads take part in training alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advatlas.models.small.architecture import SmallNetwork, conv, scaled


class _Inception(nn.Module):
    def __init__(self, inputs: int, b1: int, r3: int, b3: int, r5: int, b5: int, pool: int) -> None:
        super().__init__()
        self.branch1 = conv(inputs, b1, 1)
        self.branch3 = nn.Sequential(conv(inputs, r3, 1), conv(r3, b3, 3, padding=1))
        self.branch5 = nn.Sequential(conv(inputs, r5, 1), conv(r5, b5, 5, padding=2))
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), conv(inputs, pool, 1))
        self.outputs = b1 + b3 + b5 + pool

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)], 1)


class _AuxiliaryHead(nn.Sequential):
    def __init__(self, inputs: int, num_classes: int, width: float) -> None:
        filters, hidden = scaled(128, width), scaled(1024, width)
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            conv(inputs, filters, 1),
            nn.Flatten(),
            nn.Linear(filters, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.7),
            nn.Linear(hidden, num_classes),
        )


class GoogLeNet(SmallNetwork):
    """Nine inception modules; auxiliary heads after 4a and 4d with weight 0.3 each."""

    family = "GoogLeNet"

    def __init__(self, channels: int, size: int, num_classes: int, width: float = 1.0) -> None:
        super().__init__(channels, size, num_classes, width)

        def inception(inputs: int, *branches: int) -> _Inception:
            return _Inception(inputs, *(scaled(b, width) for b in branches))

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        c1, c2 = scaled(64, width), scaled(192, width)
        self.stem = nn.Sequential(
            conv(channels, c1, 7, stride=2, padding=3),
            pool(),
            conv(c1, c1, 1),
            conv(c1, c2, 3, padding=1),
            pool(),
        )
        self.inception3a = inception(c2, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(self.inception3a.outputs, 128, 128, 192, 32, 96, 64)
        self.pool3 = pool()
        self.inception4a = inception(self.inception3b.outputs, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(self.inception4a.outputs, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(self.inception4b.outputs, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(self.inception4c.outputs, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(self.inception4d.outputs, 256, 160, 320, 32, 128, 128)
        self.pool4 = nn.MaxPool2d(3, 2, padding=1)  # the map is 1x1 by now on 28x28 images
        self.inception5a = inception(self.inception4e.outputs, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(self.inception5a.outputs, 384, 192, 384, 48, 128, 128)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(self.inception5b.outputs, num_classes),
        )
        self.auxiliary1 = _AuxiliaryHead(self.inception4a.outputs, num_classes, width)
        self.auxiliary2 = _AuxiliaryHead(self.inception4d.outputs, num_classes, width)

    def _trunk(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.pool3(self.inception3b(self.inception3a(self.stem(x))))
        first = self.inception4a(x)
        second = self.inception4d(self.inception4c(self.inception4b(first)))
        x = self.inception5b(self.inception5a(self.pool4(self.inception4e(second))))
        return first, second, self.head(x)

    def forward(self, x: Tensor) -> Tensor:
        return self._trunk(x)[2]

    def training_logits(self, x: Tensor) -> list[tuple[float, Tensor]]:
        first, second, logits = self._trunk(x)
        return [(1.0, logits), (0.3, self.auxiliary1(first)), (0.3, self.auxiliary2(second))]
