"""The reverse Weibull distribution, fitted by maximum likelihood to many samples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import kstwo

# Fits worse than this are rejected (Weng et al.'s code).
REJECTED = 1e-3
# Fewer maxima than this say nothing about a distribution of three parameters.
FEWEST = 10
# Distances of the location above the largest sample at which the likelihood is looked at, in ranges of the sample.
STARTS = np.geomspace(1e-4, 1e3, 57)
# Taken off the log-likelihood, times the squared shape, as in Weng et al.'s code: a large shape means a location far above
# all samples (the distribution nears Gumbel's, which has none), and the likelihood hardly tells such fits apart.
PENALTY = 0.01
# The likelihood is unbounded for shapes below 1; the regular case, in which the estimate is consistent, is above.
SHAPES = (1.0, 1e4)


@dataclass(frozen=True)
class WeibullFit:
    """Fits of M samples, each value float64 of length M.

    Attributes:
        location: the end point of the distribution, never below the largest sample; the largest sample itself where
            ``method`` is not ``fit``.
        shape, scale: NaN where ``method`` is not ``fit``.
        ks, p_value: Kolmogorov-Smirnov distance between sample and fit, and its p-value (optimistic, for the parameters
            come from the same sample).
        method: ``fit``, ``constant`` or ``maximum``.
    """

    location: np.ndarray
    shape: np.ndarray
    scale: np.ndarray
    ks: np.ndarray
    p_value: np.ndarray
    method: np.ndarray


def fit_reverse_weibull(samples: np.ndarray) -> WeibullFit:
    """Fit ``F(x) = exp(-((location - x) / scale) ** shape)`` to each row of M x B samples.

    For a given location the likelihood has one maximum in shape and scale, so what is searched is the location alone:
    over a grid from close to the largest sample to far above it, then by golden section around each local maximum of
    the grid (the several starts of Weng et al.). Of these the one with the best Kolmogorov-Smirnov p-value is taken.
    """
    samples = np.sort(np.asarray(samples, dtype=np.float64), axis=1)
    count, size = samples.shape
    top, spread = samples[:, -1], samples[:, -1] - samples[:, 0]
    location, shape, scale = top.copy(), np.full(count, np.nan), np.full(count, np.nan)
    ks, p_value = np.full(count, np.nan), np.full(count, np.nan)
    # Differences of rounding are no spread.
    constant = spread <= 1e-6 * np.abs(top)
    method = np.where(constant, "constant", "maximum").astype(object)
    for row in np.flatnonzero(~constant & (size >= FEWEST)):
        unit = (top[row] - samples[row]) / spread[row]
        fit = _fit(unit)
        if fit is None:
            continue
        above, c, s, distance, p = fit
        ks[row], p_value[row] = distance, p
        if p >= REJECTED:
            location[row], shape[row], scale[row] = top[row] + above * spread[row], c, s * spread[row]
            method[row] = "fit"
    return WeibullFit(location, shape, scale, ks, p_value, method)


def _fit(below: np.ndarray) -> tuple[float, float, float, float, float] | None:
    """Fit distances below the largest sample; return end point above it, shape, scale, KS distance and p-value."""
    likelihood, _, _ = _profile(below, STARTS)
    inner = np.r_[-np.inf, likelihood, -np.inf]
    peaks = np.flatnonzero((inner[1:-1] >= inner[:-2]) & (inner[1:-1] >= inner[2:]))
    best: tuple[float, float, float, float, float] | None = None
    for peak in peaks.tolist():
        low, high = np.log(STARTS[max(peak - 1, 0)]), np.log(STARTS[min(peak + 1, len(STARTS) - 1)])
        above = _golden(below, low, high)
        _, shape, scale = (float(v[0]) for v in _profile(below, np.array([above])))
        distance, p = _kolmogorov_smirnov(above + below, shape, scale)
        if np.isfinite(p) and (best is None or p > best[4]):
            best = (above, shape, scale, distance, p)
    return best


def _profile(below: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return penalised log-likelihood a sample, shape and scale, the best for each location ``above`` the largest."""
    penalty = PENALTY / below.size
    logs = np.log(above[:, None] + below[None])
    mean = logs.mean(1)
    low, high = np.full(len(above), SHAPES[0]), np.full(len(above), SHAPES[1])

    def powers(shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        exponent = shape[:, None] * logs
        exponent -= exponent.max(1, keepdims=True)
        weight = np.exp(exponent)
        return weight, weight.sum(1)

    # The derivative of the likelihood in the shape falls through zero once.
    for _ in range(60):
        shape = np.sqrt(low * high)
        weight, total = powers(shape)
        rising = 1 / shape + mean - (weight * logs).sum(1) / total - 2 * penalty * shape > 0
        low, high = np.where(rising, shape, low), np.where(rising, high, shape)
    shape = np.sqrt(low * high)
    largest = (shape[:, None] * logs).max(1)
    _, total = powers(shape)
    log_scale = (largest + np.log(total / below.size)) / shape
    likelihood = np.log(shape) - shape * log_scale + (shape - 1) * mean - 1 - penalty * shape**2
    return likelihood, shape, np.exp(log_scale)


def _golden(below: np.ndarray, low: float, high: float) -> float:
    """Return the location with the highest likelihood between two, whose logarithms are given."""
    ratio = (5**0.5 - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    values = _profile(below, np.exp(np.array([left, right])))[0]
    at_left, at_right = float(values[0]), float(values[1])
    for _ in range(25):
        if at_left > at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = float(_profile(below, np.exp(np.array([left])))[0][0])
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = float(_profile(below, np.exp(np.array([right])))[0][0])
    return float(np.exp((low + high) / 2))


def _kolmogorov_smirnov(distance_below: np.ndarray, shape: float, scale: float) -> tuple[float, float]:
    """Return the largest difference between the sample's and the fitted distribution function, and its p-value."""
    fitted = np.sort(np.exp(-((distance_below / scale) ** shape)))
    steps = np.arange(1, fitted.size + 1) / fitted.size
    largest = float(max((steps - fitted).max(), (fitted - steps + 1 / fitted.size).max()))
    return largest, float(kstwo.sf(largest, fitted.size))
