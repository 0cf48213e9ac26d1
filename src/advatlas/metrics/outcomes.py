"""What became of every image between every two models, and rates that are resampled over the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from advatlas.seeds import derive_seed

# Resamples of the images behind every interval.
DRAWS = 2000


@dataclass(frozen=True)
class Outcomes:
    """Whether the goal was reached: sources x targets x images, NaN where an image was not attacked.

    Attributes:
        models: names of the rows and of the columns.
        reached: float64, S x T x N.
    """

    models: tuple[str, ...]
    reached: np.ndarray

    @property
    def off_diagonal(self) -> np.ndarray:
        """Bool S x T: the pairs of different models."""
        return ~np.eye(len(self.models), dtype=bool)

    def rates(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return S x T rates over the images; with weights B x N (how often each image was drawn) B x S x T."""
        known = ~np.isnan(self.reached)
        reached = np.where(known, self.reached, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            if weights is None:
                result: np.ndarray = reached.sum(2) / known.sum(2)
                return result
            flat = (-1, self.reached.shape[2])
            count = weights @ reached.reshape(flat).T
            of = weights @ known.reshape(flat).astype(np.float64).T
            return np.asarray((count / of).reshape(len(weights), *self.reached.shape[:2]))

    def only(self, images: np.ndarray) -> Outcomes:
        """Return the outcomes of some images (a boolean mask)."""
        return Outcomes(self.models, self.reached[:, :, images])


def outcomes_of(table: pd.DataFrame, models: Sequence[str], images: int, column: str = "reached") -> Outcomes:
    """Return the outcomes of one setting and fit, from its rows of the table ``outcomes``.

    Args:
        models: those to take; rows of others are left out.
        images: how many the study selected.
    """
    place = {name: index for index, name in enumerate(models)}
    reached = np.full((len(models), len(models), images), np.nan)
    for source, target, image, values in zip(
        table["source"].astype(str), table["target"].astype(str), table["image"], table[column], strict=True
    ):
        if source in place and target in place:
            reached[place[source], place[target], np.asarray(image, dtype=np.int64)] = np.asarray(
                values, dtype=np.float64
            )
    return Outcomes(tuple(models), reached)


def by_image(places: Any, values: Any, images: int) -> np.ndarray:
    """Return values of some images as float64 for all of them, NaN where there is none.

    Args:
        places: of the values among the images.
        images: how many the study selected.
    """
    found = np.full(images, np.nan)
    found[np.asarray(places, dtype=np.int64)] = np.asarray(values, dtype=np.float64)
    return found


def resampled_mean(values: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of the values that are not NaN, with its percentile interval; NaN where all are.

    Args:
        values: N.
        weights: draws x N, of :func:`image_weights`.
    """
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = (weights[:, known] @ values[known]) / weights[:, known].sum(1)
    return (float(values[known].mean()) if known.any() else np.nan, *interval(draws))


def known_mean(values: np.ndarray, axis: int | None = None) -> Any:
    """Return the mean of the values that are not NaN; NaN, without a warning, where all are."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, values, 0.0).sum(axis) / known.sum(axis)


def image_weights(images: int, seed: int, *parts: object, draws: int = DRAWS) -> np.ndarray:
    """Return how often each image is drawn in each resample, with replacement: float64, draws x images."""
    rng = np.random.default_rng(derive_seed(seed, "bootstrap", *parts))
    return rng.multinomial(images, np.full(images, 1 / images), size=draws).astype(np.float64)


def interval(draws: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of resampled values; NaN draws are left out."""
    finite = draws[np.isfinite(draws)]
    if len(finite) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def sign_p_value(draws: np.ndarray) -> float:
    """Return the two-sided bootstrap p-value of a difference being zero: twice the smaller share beyond it."""
    finite = draws[np.isfinite(draws)]
    if len(finite) == 0:
        return float("nan")
    beyond = min((finite <= 0).sum(), (finite >= 0).sum())
    return float(min(1.0, 2 * (beyond + 1) / (len(finite) + 1)))
