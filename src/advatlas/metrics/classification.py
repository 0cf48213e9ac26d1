"""Macro F1, for one set of answers or for many resamples of the images at once."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from advatlas.metrics.outcomes import image_weights

# Resamples behind an interval of F1.
DRAWS = 1000


def macro_f1(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> float:
    """Return the mean over classes of the harmonic mean of precision and recall.

    Args:
        labels: int, N, in [0, num_classes).
        predictions: the same.
        num_classes: K.

    Classes that are neither a label nor a prediction do not count, as in scikit-learn's ``f1_score(average="macro")``;
    NaN without images.
    """
    return float(_f1(labels, predictions, num_classes, np.ones((1, len(labels))))[0])


def macro_f1_interval(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int, seed: int, *parts: object
) -> tuple[float, float]:
    """Return the 95% interval of macro F1 over images resampled with replacement: bias-corrected (Efron 1981).

    With few images of each class a resample misses some classes and its F1 is too low; plain percentiles would be too.
    """
    if len(labels) == 0:
        return float("nan"), float("nan")
    weights = image_weights(len(labels), seed, *parts, draws=DRAWS)
    draws = _f1(labels, predictions, num_classes, weights)
    found = macro_f1(labels, predictions, num_classes)
    below = ((draws < found).mean() + (draws <= found).mean()) / 2
    if not 0 < below < 1:
        return found, found
    low, high = norm.cdf(2 * norm.ppf(below) + norm.ppf([0.025, 0.975]))
    return float(np.quantile(draws, low)), float(np.quantile(draws, high))


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
