"""Models against models: batch norm against none, deeper against shallower, newer against older (juraev2023)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from advatlas.metrics.outcomes import image_weights, interval, known_mean, sign_p_value

MEASURES = ("success", "seconds", "noise")


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each contrast of the study, setting and measure: a difference with its interval.

    A contrast names models and, in the same order, the models they are held against; the difference is the mean over
    these pairs, on the images both models of a pair were attacked on. ``success`` is the share of images, ``seconds`` the
    attack's time an image, ``noise`` 1 - SSIM where both attacks succeeded. Intervals and p-values resample images; images
    crafted in one batch share its time equally, and where all of them were in one, times have no interval.
    """
    made = tables["adversarials"].assign(noise=lambda frame: 1 - frame["ssim"])
    rows = []
    for contrast in options["contrasts"]:
        for setting, chosen in made.groupby("setting", sort=False, observed=True):
            for measure in MEASURES:
                found = _difference(chosen, contrast, measure, options["seed"])
                if found is not None:
                    goal, attack = chosen["goal"].iloc[0], chosen["attack"].iloc[0]
                    head = {"contrast": contrast["name"], "setting": setting, "attack": attack, "goal": goal}
                    rows.append({**head, "measure": measure, **found})
    columns = [
        "contrast",
        "setting",
        "attack",
        "goal",
        "measure",
        "images",
        "of",
        "against",
        "difference",
        "low",
        "high",
        "p_value",
    ]
    return pd.DataFrame(rows, columns=columns)


def _difference(chosen: pd.DataFrame, contrast: dict[str, Any], measure: str, seed: int) -> dict[str, Any] | None:
    values = chosen.pivot(index="image_id", columns="source", values=measure).astype(np.float64)
    won = chosen.pivot(index="image_id", columns="source", values="success").fillna(False).astype(bool)
    if not {*contrast["of"], *contrast["against"]} <= set(values.columns):
        return None
    of, against = values[contrast["of"]].to_numpy(), values[contrast["against"]].to_numpy()
    known = ~(np.isnan(of) | np.isnan(against))
    if measure == "noise":
        known &= won[contrast["of"]].to_numpy() & won[contrast["against"]].to_numpy()
    if not known.any():
        return None
    gaps = np.where(known, of - against, 0.0)
    weights = image_weights(len(gaps), seed, "contrasts", contrast["name"], measure)
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = known_mean((weights @ gaps) / (weights @ known.astype(np.float64)), 1)
        per_pair = gaps.sum(0) / known.sum(0)
    if measure == "seconds" and np.ptp(gaps[known]) == 0:
        draws = np.full(1, np.nan)
    low, high = interval(draws)
    return {
        "images": int(known.any(1).sum()),
        "of": float(np.mean(of[known])),
        "against": float(np.mean(against[known])),
        "difference": float(known_mean(per_pair)),
        "low": low,
        "high": high,
        "p_value": sign_p_value(draws),
    }
