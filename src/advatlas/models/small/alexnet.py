"""AlexNet (Krizhevsky et al. 2012) for small images.

bendaya2020 prints 3.85 / 4.25 million parameters and 0.596 / 1.010 billion MACs (MNIST / CIFAR-10): AlexNet's
five convolutions without its strides and its two 4096-unit layers. This is the arrangement nearest to all four
figures among the usual ones: kernels 11, 5, 3, 3, 3 at stride 1, one tower, one linear head.
"""

from __future__ import annotations

from torch import Tensor, nn

from advatlas.models.small.architecture import SmallNetwork, conv, scaled


class AlexNet(SmallNetwork):
    """Five convolutions (64, 256, 384, 384, 256 filters), overlapping pools of stride 1, dropout, linear head."""

    family = "AlexNet"

    def __init__(self, channels: int, size: int, num_classes: int, width: float = 1.0) -> None:
        super().__init__(channels, size, num_classes, width)
        c1, c2, c3, c4, c5 = (scaled(c, width) for c in (64, 256, 384, 384, 256))
        side = size - 10 - 1 - 4 - 1
        self.features = nn.Sequential(
            conv(channels, c1, 11),
            nn.MaxPool2d(2, 1),
            conv(c1, c2, 5),
            conv(c2, c3, 3, padding=1),
            conv(c3, c4, 3, padding=1),
            conv(c4, c5, 3, padding=1),
            nn.MaxPool2d(2, 1),
            nn.Flatten(),
        )
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(c5 * side * side, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
