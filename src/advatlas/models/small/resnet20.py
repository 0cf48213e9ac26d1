"""ResNet-20 for small images (He et al. 2016, section 4.2), with 1x1 convolutions where the shape changes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from advatlas.models.small.architecture import SmallNetwork, scaled


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x), inplace=True)


class ResNet20(SmallNetwork):
    """One convolution and three stages of three residual blocks with 16, 32 and 64 filters."""

    family = "ResNet"

    def __init__(self, channels: int, size: int, num_classes: int, width: float = 1.0) -> None:
        super().__init__(channels, size, num_classes, width)
        c1, c2, c3 = (scaled(c, width) for c in (16, 32, 64))
        self.stem = nn.Sequential(
            nn.Conv2d(channels, c1, 3, padding=1, bias=False), nn.BatchNorm2d(c1), nn.ReLU(inplace=True)
        )
        blocks = [_Block(c1, c1, 1) for _ in range(3)]
        blocks += [_Block(c1, c2, 2), _Block(c2, c2, 1), _Block(c2, c2, 1)]
        blocks += [_Block(c2, c3, 2), _Block(c3, c3, 1), _Block(c3, c3, 1)]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c3, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.stem(x)))
        return logits
