"""predict: what a model says of the clean test images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from advatlas.data.splits import load_split
from advatlas.models.classifier import predict_logits
from advatlas.models.zoo import is_excluded, load_card, load_classifier
from advatlas.storage.artifacts import write_artifact


def predict(images: Path, weights: Path, card_path: Path, output: Path, device: str, batch_size: int) -> None:
    """Write a model's prediction, confidence and least-likely class for each test image; no rows if it is excluded."""
    card = load_card(card_path)
    candidates = load_split(images, "test")
    if is_excluded(card):
        candidates = candidates.subset(np.arange(0))
        logits = torch.empty(0, card["num_classes"])
    else:
        classifier = load_classifier(weights, card, device)
        logits = predict_logits(classifier, candidates.pixels(), batch_size)
    prediction = logits.argmax(1)
    columns = {
        "image_id": candidates.ids,
        "label": candidates.labels.numpy(),
        "prediction": prediction.numpy(),
        "confidence": logits.softmax(1).amax(1).numpy(),
        "least_likely": logits.argmin(1).numpy(),
        "correct": (prediction == candidates.labels).numpy(),
    }
    write_artifact(output, "predictions", columns, {"model": card["name"], "excluded": is_excluded(card)})
