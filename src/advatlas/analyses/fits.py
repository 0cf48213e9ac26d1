"""Does it matter how an image is brought to another model's size? (su2018 section 3.4: crop and white border, not resize)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from advatlas.analyses.settings import each_setting
from advatlas.metrics.outcomes import image_weights, interval, known_mean, sign_p_value


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each setting, direction and fit: transfer, and how often the originals alone are misread.

    Only untargeted settings, and pairs whose sizes differ, count: ``direction`` is ``larger`` where the target is larger
    than the source (a border is put around), ``smaller`` where it is smaller (the centre is cut out). ``beyond_clean`` is
    transfer less ``clean_error``: what the perturbation adds to the damage of cutting or padding. ``to_first`` is the
    difference of ``beyond_clean`` to the first fit.
    """
    sizes = tables["models"].set_index("model")["input_size"]
    clean = {(h["setting"], h["fit"]): o for h, o in each_setting(tables, "clean_error")}
    first: dict[tuple[str, str], np.ndarray] = {}
    rows = []
    for head, outcomes in each_setting(tables):
        if head["goal"] != "untargeted":
            continue
        size = sizes[list(outcomes.models)].to_numpy()
        for direction, pairs in (("larger", size[None] > size[:, None]), ("smaller", size[None] < size[:, None])):
            if not pairs.any():
                continue
            key = (head["setting"], direction)
            wrong = clean[(head["setting"], head["fit"])]
            weights = image_weights(outcomes.reached.shape[2], options["seed"], "fits", *key)
            fooled, errors = outcomes.rates()[pairs], wrong.rates()[pairs]
            drawn = known_mean(outcomes.rates(weights)[:, pairs] - wrong.rates(weights)[:, pairs], 1)
            gap = drawn - first.setdefault(key, drawn)
            low, high = interval(drawn)
            gap_low, gap_high = interval(gap)
            rows.append(
                {
                    **head,
                    "direction": direction,
                    "pairs": int(pairs.sum()),
                    "transfer": float(known_mean(fooled)),
                    "clean_error": float(known_mean(errors)),
                    "beyond_clean": float(known_mean(fooled - errors)),
                    "low": low,
                    "high": high,
                    "to_first": float(np.mean(gap)),
                    "to_first_low": gap_low,
                    "to_first_high": gap_high,
                    "p_value": sign_p_value(gap) if gap.any() else np.nan,
                }
            )
    return pd.DataFrame(rows)
