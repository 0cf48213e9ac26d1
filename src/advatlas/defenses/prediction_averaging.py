"""Perturbed prediction averaging: the mean answer to many noisy copies of an image (donoghue2020 section II-C)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from advatlas.attacks.parameters import Count, Epsilon, Seed
from advatlas.defenses.defense import Defended, defense, noise_of
from advatlas.models.classifier import Classifier


class Averaged(Defended):
    """A classifier that answers for an image and N - 1 copies of it with uniform noise."""

    randomised = True

    def __init__(self, inner: Classifier, samples: int, epsilon: float, combine: str, seed: int) -> None:
        super().__init__(inner)
        self.samples, self.epsilon, self.combine, self.seed = samples, epsilon, combine, seed

    def forward(self, images: Tensor) -> Tensor:
        streams = noise_of(images, self.seed)
        answers = [self.network(images)]
        for _ in range(self.samples - 1):
            noise = streams.uniform(*images.shape[1:]) * (2 * self.epsilon) - self.epsilon
            answers.append(self.network(images + noise))
        stacked = torch.stack(answers)
        if self.combine == "probabilities":
            stacked = stacked.log_softmax(2)
        return stacked.logsumexp(0)


@defense(oblivious=True)
def prediction_averaging(
    classifier: Classifier,
    *,
    epsilon: Epsilon,
    samples: Count = 10,
    combine: Literal["exponentials", "probabilities"] = "exponentials",
    seed: Seed = 0,
) -> Classifier:
    """Predict from the sum over N perturbed copies, the first of which is the image itself.

    Args:
        epsilon: epsilon_max: the noise is uniform in the Linf ball of this radius; noisy copies are not clipped to [0, 1].
            The paper has 0.3 in its text and 0.03 in its Figure 2.
        samples: N; the paper does not say how many.
        combine: ``exponentials`` sums the exponentials of the logits, as the paper writes, so that copies with large logits
            count more; ``probabilities`` averages the probabilities.
    """
    return Averaged(classifier, samples, float(epsilon), combine, seed)
