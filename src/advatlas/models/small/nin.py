"""Network in Network (Lin et al. 2013), the ImageNet model with a 5x5 first convolution at stride 1.

Its 203.2 million MACs on 1x28x28 are bendaya2020's to the digit (Table 1). On 3x32x32 it has 265.4 million where
Table 2 prints 0.2564 billion: a transposed digit, or a network we cannot guess.
"""

from __future__ import annotations

from torch import Tensor, nn

from advatlas.models.small.architecture import SmallNetwork, conv, scaled


class NIN(SmallNetwork):
    """Four blocks of one spatial and two 1x1 convolutions; global average of the last block gives the logits."""

    family = "NIN"

    def __init__(self, channels: int, size: int, num_classes: int, width: float = 1.0) -> None:
        super().__init__(channels, size, num_classes, width)
        c1, c2, c3, c4 = (scaled(c, width) for c in (96, 256, 384, 1024))
        self.features = nn.Sequential(
            conv(channels, c1, 5),
            conv(c1, c1, 1),
            conv(c1, c1, 1),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            conv(c1, c2, 5, padding=2),
            conv(c2, c2, 1),
            conv(c2, c2, 1),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            conv(c2, c3, 3, padding=1),
            conv(c3, c3, 1),
            conv(c3, c3, 1),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Dropout(0.5),
            conv(c3, c4, 3, padding=1),
            conv(c4, c4, 1),
            nn.Conv2d(c4, num_classes, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.features(x)
        return logits
