"""predict: what a model says of the clean test images."""

from __future__ import annotations

from pathlib import Path

from advatlas.data.splits import read_images
from advatlas.models.classifier import fitting_batch, predict_logits, top_classes
from advatlas.models.zoo import is_excluded, load_card, load_classifier
from advatlas.storage.artifacts import artifact_writer, no_rows

# Images read at once.
PART = 512


def predict(images: Path, weights: Path, card_path: Path, output: Path, device: str, batch_size: int) -> None:
    """Write for each test image a model's prediction with its confidence, the least-likely class, and the label's rank
    (0: the model says it; below 5: it is among its first five). No rows if the model is excluded."""
    card = load_card(card_path)
    metadata = {"model": card["name"], "excluded": is_excluded(card)}
    with artifact_writer(output, "predictions", metadata) as writer:
        if is_excluded(card):
            writer.write(no_rows("predictions"))
            return
        classifier = load_classifier(weights, card, device)
        for part in read_images(images, PART):
            pixels = part.pixels()
            logits = predict_logits(classifier, pixels, fitting_batch(batch_size, pixels, device))
            own = logits.gather(1, part.labels.unsqueeze(1))
            prediction = logits.argmax(1)
            writer.write(
                {
                    "image_id": part.ids,
                    "label": part.labels.numpy(),
                    "prediction": prediction.numpy(),
                    "confidence": logits.softmax(1).amax(1).numpy(),
                    **top_classes(logits),
                    "least_likely": logits.argmin(1).numpy(),
                    "label_rank": (logits > own).sum(1).numpy(),
                    "correct": (prediction == part.labels).numpy(),
                }
            )
