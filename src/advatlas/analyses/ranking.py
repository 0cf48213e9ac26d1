"""Which attack's examples transfer best? (su2018 section 3.4: FGSM, I-FGSM, EAD-L1, C&W, in this order)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from advatlas.analyses.settings import each_setting
from advatlas.metrics.outcomes import image_weights, interval, known_mean, sign_p_value


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each setting, best first within each goal: mean transfer over all pairs of different models.

    All settings of a goal are compared on the images that all of them attacked, with the study's first fit. ``to_next`` is
    the difference to the setting ranked below, with its interval and p-value from the same resamples of the images.
    """
    success = tables["success"].groupby("setting", sort=False)[["count", "n"]].sum()
    by_goal: dict[str, list[tuple[dict[str, Any], Any]]] = {}
    seen = set()
    for head, outcomes in each_setting(tables):
        if head["setting"] not in seen:
            seen.add(head["setting"])
            by_goal.setdefault(head["goal"], []).append((head, outcomes))
    rows = []
    for goal, settings in by_goal.items():
        attacked = np.logical_and.reduce([~np.isnan(o.reached).all((0, 1)) for _, o in settings])
        if not attacked.any():
            continue
        weights = image_weights(int(attacked.sum()), options["seed"], "ranking", goal)
        found = []
        for head, outcomes in settings:
            common = outcomes.only(attacked)
            others = common.off_diagonal
            mean = float(known_mean(common.rates()[others]))
            found.append((mean, known_mean(common.rates(weights)[:, others], 1), head))
        found.sort(key=lambda entry: -entry[0])
        for rank, (mean, draws, head) in enumerate(found):
            low, high = interval(draws)
            below = found[rank + 1] if rank + 1 < len(found) else None
            gap = None if below is None else draws - below[1]
            gap_low, gap_high = (np.nan, np.nan) if gap is None else interval(gap)
            white = success.loc[head["setting"]]
            rows.append(
                {
                    "goal": goal,
                    "rank": rank + 1,
                    "setting": head["setting"],
                    "attack": head["attack"],
                    "fit": head["fit"],
                    "images": int(attacked.sum()),
                    "success": white["count"] / white["n"] if white["n"] else np.nan,
                    "transfer": mean,
                    "low": low,
                    "high": high,
                    "to_next": np.nan if below is None else mean - below[0],
                    "to_next_low": gap_low,
                    "to_next_high": gap_high,
                    "p_value": np.nan if gap is None else sign_p_value(gap),
                }
            )
    return pd.DataFrame(rows)
