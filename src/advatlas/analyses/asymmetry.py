"""Is transfer from i to j what it is from j to i? (su2018 section 3.4, finding 3)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from advatlas.analyses.settings import each_setting
from advatlas.metrics.outcomes import Outcomes, image_weights, interval, known_mean
from advatlas.seeds import derive_seed

PERMUTATIONS = 999


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each setting and fit: the mean of ``|r_ij - r_ji|`` over pairs of models.

    Even a symmetric matrix has such differences by chance; ``by_chance`` is their mean when for each pair and image the two
    directions are swapped at random, and the p-value says how often that gives as much. ``low`` and ``high`` resample
    images. The most asymmetric pair is named, with both rates.
    """
    rows = []
    for head, outcomes in each_setting(tables):
        rates = outcomes.rates()
        upper = np.triu_indices(len(outcomes.models), 1)
        gaps = np.abs(rates - rates.T)[upper]
        if not np.isfinite(gaps).any():
            continue
        weights = image_weights(outcomes.reached.shape[2], options["seed"], "asymmetry", head["setting"], draws=500)
        draws = outcomes.rates(weights)
        low, high = interval(known_mean(np.abs(draws - draws.transpose(0, 2, 1))[:, upper[0], upper[1]], 1))
        by_chance = swapped(outcomes, derive_seed(options["seed"], "asymmetry", head["setting"], head["fit"]))
        mean = float(known_mean(gaps))
        widest = int(np.nanargmax(gaps))
        first, second = upper[0][widest], upper[1][widest]
        if rates[first, second] < rates[second, first]:
            first, second = second, first
        rows.append(
            {
                **head,
                "pairs": len(gaps),
                "mean_difference": mean,
                "low": low,
                "high": high,
                "by_chance": float(by_chance.mean()),
                "p_value": float(((by_chance >= mean).sum() + 1) / (len(by_chance) + 1)),
                "widest_from": outcomes.models[first],
                "widest_to": outcomes.models[second],
                "widest_rate": rates[first, second],
                "widest_rate_back": rates[second, first],
            }
        )
    return pd.DataFrame(rows)


def swapped(outcomes: Outcomes, seed: int, permutations: int = PERMUTATIONS) -> np.ndarray:
    """Return the mean of ``|r_ij - r_ji|`` in matrices whose directions are swapped at random, by pair and image."""
    upper = np.triu_indices(len(outcomes.models), 1)
    forward, back = outcomes.reached[upper], outcomes.reached.transpose(1, 0, 2)[upper]
    both = ~(np.isnan(forward) | np.isnan(back))
    gain = np.where(both, forward - back, 0.0)
    count = np.maximum(both.sum(1), 1)
    rng = np.random.default_rng(seed)
    found = np.empty(permutations)
    for draw in range(permutations):
        signs = rng.integers(0, 2, gain.shape) * 2 - 1
        found[draw] = np.mean(np.abs((gain * signs).sum(1)) / count)
    return found
