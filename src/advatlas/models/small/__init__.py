"""Networks for 28x28 and 32x32 images: one module an architecture, one line here for each."""

from __future__ import annotations

from advatlas.models.small.alexnet import AlexNet
from advatlas.models.small.architecture import SmallNetwork
from advatlas.models.small.campbell_cnn import CampbellCNN
from advatlas.models.small.googlenet import GoogLeNet
from advatlas.models.small.lenet import LeNet
from advatlas.models.small.lenet5 import LeNet5
from advatlas.models.small.nin import NIN
from advatlas.models.small.resnet20 import ResNet20
from advatlas.models.small.squeezenet import SqueezeNet
from advatlas.models.small.vgg16 import VGG16

ARCHITECTURES: dict[str, type[SmallNetwork]] = {
    "alexnet": AlexNet,
    "campbell_cnn": CampbellCNN,
    "googlenet": GoogLeNet,
    "lenet": LeNet,
    "lenet5": LeNet5,
    "nin": NIN,
    "resnet20": ResNet20,
    "squeezenet": SqueezeNet,
    "vgg16": VGG16,
}

__all__ = ["ARCHITECTURES", "SmallNetwork"]
