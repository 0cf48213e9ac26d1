"""Training on adversarial examples (Goodfellow et al. 2015; Madry et al. 2018; campbell2024 2.3.1; donoghue2020 II-C)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from advatlas.attacks import ATTACKS
from advatlas.attacks.goal import Untargeted
from advatlas.attacks.parameters import Share
from advatlas.defenses.defense import TrainingWork, defense
from advatlas.seeds import derive_seed


@defense(oblivious=False)
def adversarial_training(work: TrainingWork, *, attacks: tuple[dict[str, Any], ...], clean_share: Share = 0.0) -> None:
    """Train the undefended model further, on examples that are crafted against it as it is in each step.

    Args:
        attacks: each a dictionary of ``attack`` and ``parameters``; for every batch one of them is drawn. With the four
            attacks of the study this is campbell2024's, with FGSM alone donoghue2020's, with PGD Madry et al.'s.
        clean_share: the share of each batch that is left as it is; 0 is campbell2024's and Madry et al.'s.

    Examples are crafted in ``eval()`` mode and keep their labels. Every network is attacked with what it was trained on,
    and, in studies that know better, with more.
    """
    rng = np.random.default_rng(derive_seed(work.seed, "attacks"))
    model = work.unit_model(work.network.to(work.device))

    def augment(images: Tensor, labels: Tensor, _step: int) -> tuple[Tensor, Tensor]:
        chosen = attacks[rng.integers(len(attacks))]
        attacked = slice(round(clean_share * len(images)), len(images))
        if attacked.start < len(images):
            found = ATTACKS[chosen["attack"]](
                model, images[attacked], Untargeted(labels[attacked]), **chosen["parameters"]
            ).images
            images = torch.cat([images[: attacked.start], found])
        return images, labels

    work.train(work.network, augment=augment)
