"""The three-convolution network that bendaya2020 calls LeNet-5: Caffe's ``cifar10_full``.

Its 89,578 parameters and 12.3 million MACs on 3x32x32 are exactly those of the paper's Table 2; LeCun's LeNet-5
has 62 thousand parameters. Caffe's local response normalisation is kept.
"""

from __future__ import annotations

from torch import Tensor, nn

from advatlas.models.small.architecture import SmallNetwork, scaled


class LeNet5(SmallNetwork):
    """Convolutions of 32, 32 and 64 padded 5x5 filters, each followed by an overlapping pool; one linear head."""

    family = "LeNet-5"

    def __init__(self, channels: int, size: int, num_classes: int, width: float = 1.0) -> None:
        super().__init__(channels, size, num_classes, width)
        first, second, third = scaled(32, width), scaled(32, width), scaled(64, width)
        side = size
        for _ in range(3):
            side = -(-(side - 3) // 2) + 1
        self.features = nn.Sequential(
            nn.Conv2d(channels, first, 5, padding=2),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.ReLU(inplace=True),
            nn.LocalResponseNorm(3, alpha=5e-5, beta=0.75),
            nn.Conv2d(first, second, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.AvgPool2d(3, 2, ceil_mode=True),
            nn.LocalResponseNorm(3, alpha=5e-5, beta=0.75),
            nn.Conv2d(second, third, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.AvgPool2d(3, 2, ceil_mode=True),
            nn.Flatten(),
        )
        self.head = nn.Linear(third * side * side, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
