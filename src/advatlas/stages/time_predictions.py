"""time-predictions: how long a model takes to classify an image (campbell2024 Tables 2 and 11-14).

Measured warm, on the device the model runs on, many times: the paper's single numbers have no spread.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch

from advatlas.attacks.attack import synchronise
from advatlas.data.splits import read_images
from advatlas.models.zoo import is_excluded, load_card, load_classifier
from advatlas.storage.artifacts import artifact_writer, no_rows

# Passes before the clock starts, and passes that are timed.
WARM_UP, REPEATS = 3, 15
# One image after the other as in use, and a full batch as in evaluation.
BATCHES = (1, 64)


@torch.no_grad()
def time_predictions(images: Path, weights: Path, card_path: Path, output: Path, device: str) -> None:
    """Write seconds an image of many timed passes, for each batch size; no rows if the model is excluded."""
    card = load_card(card_path)
    with artifact_writer(output, "prediction_times", {"model": card["name"], "device": device}) as writer:
        shown = next(read_images(images, max(BATCHES)), None)
        if is_excluded(card) or shown is None:
            writer.write(no_rows("prediction_times"))
            return
        classifier = load_classifier(weights, card, device)
        for size in BATCHES:
            batch = shown.pixels()[:size].to(device)
            seconds = []
            for _ in range(WARM_UP + REPEATS):
                synchronise(batch.device)
                started = time.perf_counter()
                classifier(batch)
                synchronise(batch.device)
                seconds.append((time.perf_counter() - started) / len(batch))
            timed = seconds[WARM_UP:]
            writer.write({"batch_size": [len(batch)] * REPEATS, "repeat": list(range(REPEATS)), "seconds": timed})
