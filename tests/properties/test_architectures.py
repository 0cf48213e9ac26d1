"""Every architecture of su2018 and juraev2023 at its full input size, with random weights: one step of everything."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from advatlas.attacks import ATTACKS, Untargeted
from advatlas.data.fitting import fit_images
from advatlas.metrics.clever_sampling import Sampling, collect_maxima
from advatlas.models.classifier import Classifier
from advatlas.models.complexity import count_macs, count_parameters
from advatlas.models.folding import fold_batch_norm
from advatlas.models.pretrained import fetch, zoo

PAPERS = [name for name in zoo() if not name.startswith("efficientnet")]


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_one_step_of_everything(name):
    recipe = dataclasses.replace(zoo()[name], weights="random")
    network, card = fetch(recipe)
    # Counted as built; the card says the same, and what the paper says is held against it in test_pretrained.
    assert card["parameters"] == count_parameters(network) == recipe.parameters
    assert card["macs"] == count_macs(network, recipe.input_size) == recipe.macs
    classifier = Classifier(
        fold_batch_norm(network, recipe.input_size),
        name=name,
        family=recipe.family,
        num_classes=1000,
        input_size=recipe.input_size,
        mean=recipe.mean,
        std=recipe.std,
    )
    images = torch.rand(1, *recipe.input_size, generator=torch.Generator().manual_seed(0))
    labels = classifier(images).argmax(1)
    # Cross-entropy is flat where random weights make one logit much larger than the rest.
    result = ATTACKS["fgsm"](classifier, images, Untargeted(labels), epsilon=0.01, loss="logit")
    assert (result.images - images).abs().max() <= 0.01 + 1e-6
    assert not torch.equal(result.images, images)
    shown = fit_images(fit_images(result.images, 128, "white"), recipe.view.size, "white")
    logits = classifier(shown)
    assert logits.shape == (1, 1000)
    assert bool(logits.isfinite().all())
    maxima = collect_maxima(
        classifier, images, labels, (labels + 1).unsqueeze(1) % 1000, Sampling(blocks=1, block_size=1, radius=0.1)
    )
    assert np.isfinite(maxima.values["l2"].numpy()).all()
