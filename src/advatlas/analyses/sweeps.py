"""What a parameter does to success and to transfer (su2018 Fig. 1 and section 3.4, finding 2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from advatlas.analyses.settings import each_setting
from advatlas.metrics.outcomes import Outcomes, image_weights, interval, known_mean, sign_p_value


def sweeps_of(success: pd.DataFrame) -> list[tuple[dict[str, Any], list[tuple[float, str]]]]:
    """Return the sweeps of a study: settings of one attack and goal that differ in one numeric parameter alone.

    Each is (``attack``, ``goal``, ``parameter``, ``fixed``: the other parameters) and its (value, setting), least first.
    """
    settings = success.drop_duplicates("setting")
    groups: dict[str, tuple[dict[str, Any], list[tuple[float, str]]]] = {}
    for row in settings[["setting", "attack", "goal", "attack_parameters"]].to_dict("records"):
        parameters = json.loads(row["attack_parameters"])
        for name, value in parameters.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or name == "seed":
                continue
            fixed = {key: other for key, other in parameters.items() if key != name}
            key = json.dumps([row["attack"], row["goal"], name, fixed], sort_keys=True)
            head = {
                "attack": row["attack"],
                "goal": row["goal"],
                "parameter": name,
                "fixed": json.dumps(fixed, sort_keys=True),
            }
            groups.setdefault(key, (head, []))[1].append((float(value), row["setting"]))
    return [(head, sorted(values)) for head, values in groups.values() if len(values) > 1]


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each sweep and value: success on the source and transfer to other models, over all models.

    Every value of a sweep is measured on the images that all of them attacked. ``to_previous`` is the change of transfer
    (and ``success_to_previous`` of success) from the value before, with its interval from the same resamples of the images.
    """
    outcomes: dict[str, Outcomes] = {}
    for head, found in each_setting(tables):
        outcomes.setdefault(head["setting"], found)
    rows: list[dict[str, Any]] = []
    for head, values in sweeps_of(tables["success"]):
        here = [(value, setting, outcomes[setting]) for value, setting in values if setting in outcomes]
        attacked = np.logical_and.reduce([~np.isnan(o.reached).all((0, 1)) for _, _, o in here])
        if not attacked.any():
            continue
        weights = image_weights(int(attacked.sum()), options["seed"], "sweeps", head["attack"], head["parameter"])
        before: dict[str, np.ndarray] = {}
        for value, setting, found in here:
            common = found.only(attacked)
            rates, draws = common.rates(), common.rates(weights)
            row = {**head, "value": value, "setting": setting, "images": int(attacked.sum())}
            for name, pairs in (("success", ~common.off_diagonal), ("transfer", common.off_diagonal)):
                drawn = known_mean(draws[:, pairs], 1)
                row[name] = float(known_mean(rates[pairs]))
                row[f"{name}_low"], row[f"{name}_high"] = interval(drawn)
                prefix = "to_previous" if name == "transfer" else "success_to_previous"
                change = drawn - before[name] if name in before else np.full(1, np.nan)
                row[prefix] = row[name] - rows[-1][name] if name in before else np.nan
                row[f"{prefix}_low"], row[f"{prefix}_high"] = interval(change)
                row[f"{prefix}_p_value"] = sign_p_value(change) if name in before else np.nan
                before[name] = drawn
            rows.append(row)
    return pd.DataFrame(rows)
