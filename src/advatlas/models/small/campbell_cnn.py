"""The network of campbell2024 Figure 1: two convolutional blocks and one fully connected head.

The paper gives the numbers of channels in a picture alone; 32 and 64 filters of 3x3 and 128 hidden units are ours. Its log
softmax at the end is left to the loss, so that attacks see logits: they give the same probabilities.
"""

from __future__ import annotations

from torch import Tensor, nn

from advatlas.models.small.architecture import SmallNetwork, scaled


class CampbellCNN(SmallNetwork):
    """Convolution, batch norm, ReLU, max pooling and dropout, twice; then two linear layers."""

    family = "CampbellCNN"

    def __init__(self, channels: int, size: int, num_classes: int, width: float = 1.0) -> None:
        super().__init__(channels, size, num_classes, width)
        first, second, hidden = scaled(32, width), scaled(64, width), scaled(128, width)
        self.features = nn.Sequential(_block(channels, first), _block(first, second), nn.Flatten())
        self.head = nn.Sequential(
            nn.Linear(second * (size // 4) ** 2, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
    )
