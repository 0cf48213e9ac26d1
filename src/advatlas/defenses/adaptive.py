"""What an attacker who knows of a defense attacks in its place (Athalye et al. 2018; Tramer et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advatlas.defenses.defense import Defended, drawing, honest_gradients
from advatlas.models.classifier import Classifier


class AttackersView(nn.Module):
    """A defended classifier with a gradient that means something.

    * Through what is differentiable the gradient goes as it is (feature smoothing).
    * What is not passes on the gradient of the identity (bit depth): BPDA.
    * What is randomised is averaged over several draws, of answers and so of gradients: expectation over transformation.
      The draws are not those the defender will make.
    * Logits of a distilled network are divided by its temperature, so that the softmax does not saturate.

    Args:
        classifier: any model; of an undefended one this is the model itself.
        samples: draws for a randomised defense.

    Attributes:
        passes: passes of the classifier that one pass of this view costs.
    """

    def __init__(self, classifier: Classifier, samples: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.temperature = float(classifier.card.get("temperature", 1.0))
        randomised = any(isinstance(module, Defended) and module.randomised for module in classifier.modules())
        self.passes = samples if randomised else 1
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        with honest_gradients():
            if self.passes == 1:
                logits: Tensor = self.classifier(images)
            else:
                answers = []
                for number in range(1, self.passes + 1):
                    with drawing(number):
                        answers.append(self.classifier(images))
                logits = torch.stack(answers).mean(0)
        return logits / self.temperature
