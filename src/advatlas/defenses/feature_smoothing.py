"""Feature smoothing: a Gaussian blur before the network (Xu et al. 2018; campbell2024 section 2.3.2)."""

from __future__ import annotations

from torch import Tensor

from advatlas import torchvision_compat  # noqa: F401 (torchvision, imported where needed, needs it)
from advatlas.attacks.parameters import Kernel, Positive
from advatlas.defenses.defense import Defended, defense
from advatlas.models.classifier import Classifier


class Smoothed(Defended):
    """A classifier that sees blurred images. The blur is differentiable, so an attack may go right through it."""

    def __init__(self, inner: Classifier, sigma: float, kernel: int) -> None:
        super().__init__(inner)
        self.sigma, self.kernel = sigma, kernel

    def forward(self, images: Tensor) -> Tensor:
        from torchvision.transforms.functional import gaussian_blur

        logits: Tensor = self.network(gaussian_blur(images, [self.kernel, self.kernel], [self.sigma, self.sigma]))
        return logits


@defense(oblivious=True)
def feature_smoothing(classifier: Classifier, *, sigma: Positive = 1.0, kernel: Kernel = 3) -> Classifier:
    """Blur every image with a Gaussian kernel before the network sees it.

    Args:
        sigma: standard deviation in pixels; the paper does not say which.
        kernel: width in pixels, odd; borders are reflected.
    """
    return Smoothed(classifier, sigma, kernel)
