"""Robustness against accuracy: the Pareto frontier and the fit a + b ln(1 - accuracy) (su2018 section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from advatlas.analyses.robustness import divided, divisors, measures
from advatlas.metrics.outcomes import image_weights, interval

# The six models through which the paper draws its line.
PAPER_SIX = ("alexnet", "vgg16", "vgg19", "resnet_v2_152", "inception_resnet_v2", "nasnet")


def pareto(accuracy: np.ndarray, robustness: np.ndarray) -> np.ndarray:
    """Return bool M: models no other model beats, being at least as good in both and better in one.

    NaN in either leaves a model out.
    """
    known = ~(np.isnan(accuracy) | np.isnan(robustness))
    better = (accuracy[None] >= accuracy[:, None]) & (robustness[None] >= robustness[:, None])
    strictly = (accuracy[None] > accuracy[:, None]) | (robustness[None] > robustness[:, None])
    beaten = (better & strictly & known[None]).any(1)
    on_it: np.ndarray = known & ~beaten
    return on_it


def fit_log(accuracy: np.ndarray, robustness: np.ndarray) -> tuple[float, float]:
    """Return a and b of the least-squares fit ``robustness = a + b ln(1 - accuracy)``; NaN for fewer than two models."""
    known = np.isfinite(robustness) & (accuracy < 1)
    if known.sum() < 2 or len(np.unique(accuracy[known])) < 2:
        return float("nan"), float("nan")
    b, a = np.polyfit(np.log(1 - accuracy[known]), robustness[known], 1)
    return float(a), float(b)


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each measure, set of images, divisor, accuracy and set of models: the fit with its intervals.

    ``accuracy`` is ``published`` (the paper's Table 1) or ``measured`` on the study's candidates. ``models`` is ``pareto``
    (the frontier of these data, found anew in each resample), ``paper`` (the paper's six, where all are there) or ``all``.
    Intervals are bootstrap over images: they say how well these models' points are known, not what other models would do.
    ``log_correlation`` is Pearson's between the measure and ln(1 - accuracy).
    """
    models = tables["models"].set_index("model")
    rows = []
    for measure in measures(tables):
        chosen = models.loc[list(measure.models)]
        weights = image_weights(measure.values.shape[1], options["seed"], "frontier", measure.setting, measure.goal)
        for images in ("all", "common"):
            means, draws = measure.means(images), measure.means(images, weights)
            for divisor in divisors(measure.name):
                by = np.array([divided(measure.name, size, divisor) for size in chosen["input_size"]])
                for kind, column in (("published", "published_top1"), ("measured", "test_accuracy")):
                    accuracy = chosen[column].to_numpy(np.float64)
                    for which in ("pareto", "paper", "all"):
                        found = _fit(which, measure.models, accuracy, means / by, draws / by)
                        if found is not None:
                            head = {"measure": measure.name, "setting": measure.setting, "goal": measure.goal}
                            rows.append({**head, "images": images, "divisor": divisor, "accuracy": kind, **found})
    columns = ["measure", "setting", "goal", "images", "divisor", "accuracy", "models", "members", "n_models",
               "a", "a_low", "a_high", "b", "b_low", "b_high", "log_correlation"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _fit(
    which: str, names: tuple[str, ...], accuracy: np.ndarray, means: np.ndarray, draws: np.ndarray
) -> dict[str, Any] | None:
    known = ~np.isnan(accuracy)
    if which == "paper" and not set(PAPER_SIX) <= set(names):
        return None

    def members(values: np.ndarray) -> np.ndarray:
        if which == "pareto":
            return pareto(accuracy, values)
        chosen: np.ndarray = known & (np.isin(names, PAPER_SIX) if which == "paper" else ~np.isnan(values))
        return chosen

    inside = members(means)
    a, b = fit_log(accuracy[inside], means[inside])
    if np.isnan(a):
        return None
    fits = np.array([fit_log(accuracy[members(draw)], draw[members(draw)]) for draw in draws])
    (a_low, a_high), (b_low, b_high) = interval(fits[:, 0]), interval(fits[:, 1])
    error = np.log(1 - np.minimum(accuracy[inside], 1 - 1e-9))
    return {
        "models": which,
        "members": ", ".join(name for name, here in zip(names, inside, strict=True) if here),
        "n_models": int(inside.sum()),
        "a": a,
        "a_low": a_low,
        "a_high": a_high,
        "b": b,
        "b_low": b_low,
        "b_high": b_high,
        "log_correlation": float(np.corrcoef(error, means[inside])[0, 1]) if inside.sum() > 2 else float("nan"),
    }
