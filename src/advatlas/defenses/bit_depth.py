"""Bit-depth reduction: images rounded to few grey levels before the network (feature squeezing, Xu et al. 2018)."""

from __future__ import annotations

from torch import Tensor

from advatlas.attacks.parameters import Bits
from advatlas.defenses.defense import Defended, defense, gradients_are_honest
from advatlas.models.classifier import Classifier


class Squeezed(Defended):
    """A classifier that sees rounded images.

    The gradient of rounding is zero wherever there is one, which hides the network's from attacks that do not know; one
    that does takes that of the identity in its place (backward pass differentiable approximation, Athalye et al. 2018).
    """

    def __init__(self, inner: Classifier, bits: int) -> None:
        super().__init__(inner)
        self.levels = 2**bits - 1

    def forward(self, images: Tensor) -> Tensor:
        rounded = (images * self.levels).round() / self.levels
        logits: Tensor = self.network(images + (rounded - images).detach() if gradients_are_honest() else rounded)
        return logits


@defense(oblivious=True)
def bit_depth(classifier: Classifier, *, bits: Bits = 3) -> Classifier:
    """Round every value to ``2 ** bits`` levels before the network sees it.

    Args:
        bits: of each channel, 1 to 7.
    """
    return Squeezed(classifier, bits)
