"""Macro F1, for one set of answers or for many resamples of the images at once."""

from __future__ import annotations

import numpy as np

from advatlas.metrics.outcomes import image_weights, interval

# Resamples behind an interval of F1.
DRAWS = 1000


def macro_f1(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> float:
    """Return the mean over classes of the harmonic mean of precision and recall.

    Args:
        labels, predictions: int, N, in [0, num_classes).

    Classes that are neither a label nor a prediction do not count, as in scikit-learn's ``f1_score(average="macro")``;
    NaN without images.
    """
    return float(_f1(labels, predictions, num_classes, np.ones((1, len(labels))))[0])


def macro_f1_interval(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int, seed: int, *parts: object
) -> tuple[float, float]:
    """Return the 95% percentile interval of macro F1 over images resampled with replacement."""
    if len(labels) == 0:
        return float("nan"), float("nan")
    weights = image_weights(len(labels), seed, *parts, draws=DRAWS)
    return interval(_f1(labels, predictions, num_classes, weights))


def _f1(labels: np.ndarray, predictions: np.ndarray, num_classes: int, weights: np.ndarray) -> np.ndarray:
    """Return macro F1 under each row of weights (how often each image counts), B x N."""
    classes = np.arange(num_classes)
    is_label, is_said = labels[:, None] == classes, predictions[:, None] == classes
    hits = weights @ (is_label & is_said)
    either = weights @ is_label + weights @ is_said
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(either > 0, 2 * hits / either, 0.0)
        mean: np.ndarray = scores.sum(1) / (either > 0).sum(1)
    return mean
