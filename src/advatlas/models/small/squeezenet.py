"""SqueezeNet 1.1 (Iandola et al. 2016) at stride 1 and with two of its three pools, for small images.

726.4 thousand parameters and 29.5 million MACs on 1x28x28, 727.6 thousand and 41.1 million on 3x32x32:
bendaya2020's Tables 1 and 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advatlas.models.small.architecture import SmallNetwork, conv, scaled


class _Fire(nn.Module):
    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = conv(inputs, squeeze, 1)
        self.expand1 = conv(squeeze, expand, 1)
        self.expand3 = conv(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        return torch.cat([self.expand1(x), self.expand3(x)], 1)


class SqueezeNet(SmallNetwork):
    """A convolution, eight fire modules, dropout and a 1x1 convolution averaged over space."""

    family = "SqueezeNet"

    def __init__(self, channels: int, size: int, num_classes: int, width: float = 1.0) -> None:
        super().__init__(channels, size, num_classes, width)
        stem = scaled(64, width)
        layers: list[nn.Module] = [conv(channels, stem, 3), nn.MaxPool2d(3, 2, ceil_mode=True)]
        inputs = stem
        for index, (squeeze, expand) in enumerate(
            [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]
        ):
            if index == 2:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            s, e = scaled(squeeze, width), scaled(expand, width)
            layers.append(_Fire(inputs, s, e))
            inputs = 2 * e
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Dropout(0.5), nn.Conv2d(inputs, num_classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
