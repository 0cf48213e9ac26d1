"""Intervals: no rate travels without its n and its 95% interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm


def wilson(count: np.ndarray | float, n: np.ndarray | float, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper ends of Wilson's score interval of proportions ``count / n``.

    NaN where ``n`` is 0. Wilson (1927); Brown, Cai & DasGupta (2001) recommend it at any n.
    """
    count, n = np.asarray(count, dtype=np.float64), np.asarray(n, dtype=np.float64)
    z = norm.ppf(0.5 + level / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = count / n
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        low, high = centre - half, centre + half
    # At the ends the interval closes exactly; arithmetic leaves 1e-17 there.
    return np.where(count == 0, np.where(n > 0, 0.0, np.nan), low), np.where(
        count == n, np.where(n > 0, 1.0, np.nan), high
    )


def with_interval(frame: pd.DataFrame) -> pd.DataFrame:
    """Add ``rate``, ``low`` and ``high`` (Wilson, 95%) to a frame with ``count`` and ``n``; NaN where n is 0."""
    count, n = frame["count"].to_numpy(np.float64), frame["n"].to_numpy(np.float64)
    rate = np.divide(count, n, out=np.full_like(count, np.nan), where=n > 0)
    low, high = wilson(count, n)
    return frame.assign(rate=rate, low=low, high=high)


def bootstrap_mean(values: np.ndarray, seed: int, level: float = 0.95, draws: int = 2000) -> tuple[float, float]:
    """Return the percentile interval of a mean over images, resampled ``draws`` times; NaN for no values."""
    if len(values) == 0:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = rng.choice(values, (draws, len(values))).mean(1)
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
