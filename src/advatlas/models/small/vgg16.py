"""VGG-16 (Simonyan & Zisserman 2015) on 32x32 images with its two 4096-unit layers: bendaya2020 Table 2."""

from __future__ import annotations

from torch import Tensor, nn

from advatlas.models.small.architecture import SmallNetwork, conv, scaled


class VGG16(SmallNetwork):
    """Thirteen 3x3 convolutions in five blocks, each ended by a pool; 33.6 million parameters, 332 million MACs."""

    family = "VGG"
    min_size = 32

    def __init__(self, channels: int, size: int, num_classes: int, width: float = 1.0) -> None:
        super().__init__(channels, size, num_classes, width)
        layers: list[nn.Module] = []
        inputs = channels
        for repeats, outputs in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
            for _ in range(repeats):
                layers.append(conv(inputs, scaled(outputs, width), 3, padding=1))
                inputs = scaled(outputs, width)
            layers.append(nn.MaxPool2d(2))
        hidden = scaled(4096, width)
        side = size // 32
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Sequential(
            nn.Linear(inputs * side * side, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
