"""LeNet as Caffe ships it for MNIST: 20 and 50 unpadded 5x5 filters, 500 hidden units (LeCun et al. 1998)."""

from __future__ import annotations

from torch import Tensor, nn

from advatlas.models.small.architecture import SmallNetwork, scaled


class LeNet(SmallNetwork):
    """431,080 parameters and 2.29 million MACs on 1x28x28: bendaya2020 Table 1."""

    family = "LeNet"

    def __init__(self, channels: int, size: int, num_classes: int, width: float = 1.0) -> None:
        super().__init__(channels, size, num_classes, width)
        first, second, hidden = scaled(20, width), scaled(50, width), scaled(500, width)
        side = ((size - 4) // 2 - 4) // 2
        self.features = nn.Sequential(
            nn.Conv2d(channels, first, 5),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 5),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.head = nn.Sequential(
            nn.Linear(second * side * side, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
