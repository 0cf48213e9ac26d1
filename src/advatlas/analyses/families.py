"""Do adversarial examples transfer within a family more than between families? (su2018 section 3.4, finding 5)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from advatlas.analyses.settings import each_setting
from advatlas.metrics.outcomes import image_weights, interval, known_mean
from advatlas.seeds import derive_seed

PERMUTATIONS = 9999


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each setting and fit: mean transfer within and across families, and their difference.

    The interval resamples images; the one-sided p-value permutes the families among the models, for a difference at
    least as large.
    """
    family = tables["models"].set_index("model")["family"]
    rows = []
    for head, outcomes in each_setting(tables):
        names = family[list(outcomes.models)].to_numpy()
        within = _same(names) & outcomes.off_diagonal
        across = ~_same(names)
        if not within.any() or not across.any():
            continue
        rates = outcomes.rates()
        weights = image_weights(outcomes.reached.shape[2], options["seed"], "families", head["setting"])
        draws = outcomes.rates(weights)
        low, high = interval(known_mean(draws[:, within], 1) - known_mean(draws[:, across], 1))
        inside, outside = known_mean(rates[within]), known_mean(rates[across])
        seed = derive_seed(options["seed"], "families", head["setting"], head["fit"])
        rows.append(
            {
                **head,
                "pairs_within": int(within.sum()),
                "pairs_across": int(across.sum()),
                "within": inside,
                "across": outside,
                "difference": inside - outside,
                "low": low,
                "high": high,
                "p_value": permutation_p(rates, names, seed),
            }
        )
    columns = ["setting", "attack", "goal", "fit", "pairs_within", "pairs_across", "within", "across", "difference",
               "low", "high", "p_value"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _same(names: np.ndarray) -> np.ndarray:
    same: np.ndarray = names[:, None] == names[None]
    return same


def permutation_p(rates: np.ndarray, families: np.ndarray, seed: int, permutations: int = PERMUTATIONS) -> float:
    """Return the one-sided p-value of within-family minus cross-family transfer, by permuting families among models."""
    others = ~np.eye(len(families), dtype=bool)

    def difference(names: np.ndarray) -> float:
        same = _same(names)
        return float(known_mean(rates[same & others]) - known_mean(rates[~same]))

    rng = np.random.default_rng(seed)
    seen = difference(families)
    as_large = sum(difference(rng.permutation(families)) >= seen - 1e-12 for _ in range(permutations))
    return (as_large + 1) / (permutations + 1)
