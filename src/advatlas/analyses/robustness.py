"""How far a model's images are from the boundary: distortions of minimum-norm attacks, and CLEVER (su2018 section 3.2)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from advatlas.metrics.outcomes import image_weights, interval

# The norm each of these attacks makes small; those with a parameter "norm" say it themselves.
NORM = {"carlini_wagner": "l2", "ead": "l1", "deepfool": "l2", "fmn": "l2"}
DIVISORS = ("none", "values", "pixels")


@dataclass(frozen=True)
class Measure:
    """One measure of distance: models x images, NaN where the attack failed or the image was not attacked.

    Attributes:
        name: ``linf``, ``l2``, ``l1``, or ``clever_`` and one of them.
        setting: the attack setting; ``clever`` for CLEVER.
        goal: of the attack, or what CLEVER's target classes are.
        values: float64, M x N.
    """

    name: str
    setting: str
    goal: str
    models: tuple[str, ...]
    values: np.ndarray

    def of(self, images: str) -> np.ndarray:
        """Return the values of ``all`` images, or of the ``common`` ones, for which every model has one."""
        if images == "all":
            return self.values
        common: np.ndarray = np.where(np.isnan(self.values).any(0), np.nan, self.values)
        return common

    def means(self, images: str, weights: np.ndarray | None = None) -> np.ndarray:
        """Return the mean of each model; with weights draws x N, draws x M."""
        values = self.of(images)
        known = ~np.isnan(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            if weights is None:
                return np.asarray(np.where(known, values, 0).sum(1) / known.sum(1))
            return np.asarray((weights @ np.where(known, values, 0).T) / (weights @ known.T.astype(np.float64)))


def measures(tables: Mapping[str, pd.DataFrame]) -> Iterator[Measure]:
    """Yield every measure of distance a study has."""
    models = tuple(tables["models"].loc[~tables["models"]["excluded"], "model"])
    success = tables["success"].drop_duplicates("setting").set_index("setting")
    made = tables["adversarials"]
    for setting, row in success.iterrows():
        norm = norm_of(row["attack"], json.loads(row["attack_parameters"]))
        rows = made[(made["setting"] == setting) & made["success"]]
        if norm is not None and len(rows):
            yield _measure(norm, str(setting), row["goal"], models, rows, norm)
    if len(tables.get("clever", ())):
        for (kind, goal), rows in tables["clever"].groupby(["norm", "goal"], sort=True):
            yield _measure(
                f"clever_{kind}", "clever", str(goal), models, rows.rename(columns={"model": "source"}), "score"
            )


def norm_of(attack: str, parameters: dict[str, Any]) -> str | None:
    """Return the norm an attack makes small; None for attacks within a budget, or past a confidence margin."""
    if attack.startswith("minimal_"):
        return str(parameters.get("norm", "linf"))
    if parameters.get("confidence", 0) or attack not in NORM:
        return None
    return str(parameters.get("norm", NORM[attack]))


def _measure(name: str, setting: str, goal: str, models: tuple[str, ...], rows: pd.DataFrame, column: str) -> Measure:
    wide = rows.pivot(index="source", columns="image_id", values=column).reindex(models)
    return Measure(name, setting, goal, models, wide.to_numpy(np.float64))


def divisors(name: str) -> tuple[str, ...]:
    """Return what a measure is divided by in turn; Linf needs no division."""
    return DIVISORS[:1] if name.endswith("linf") else DIVISORS


def divided(name: str, input_size: float, divisor: str) -> float:
    """Return what a measure is divided by: su2018 divides L2 by the number of "total pixels".

    ``values`` counts 3 x H x W (what the paper's numbers fit), ``pixels`` H x W; Linf needs no division.
    """
    if divisor == "none" or name.endswith("linf"):
        return 1.0
    return input_size**2 * (3 if divisor == "values" else 1)


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each measure, model, set of images and divisor: mean with bootstrap interval over images."""
    sizes = tables["models"].set_index("model")["input_size"]
    rows = []
    for measure in measures(tables):
        weights = image_weights(measure.values.shape[1], options["seed"], "robustness", measure.setting, measure.goal)
        for images in ("all", "common"):
            n = (~np.isnan(measure.of(images))).sum(1)
            means, draws = measure.means(images), measure.means(images, weights)
            for place, model in enumerate(measure.models):
                low, high = interval(draws[:, place])
                for divisor in divisors(measure.name):
                    by = divided(measure.name, sizes[model], divisor)
                    rows.append(
                        {
                            "measure": measure.name,
                            "setting": measure.setting,
                            "goal": measure.goal,
                            "images": images,
                            "divisor": divisor,
                            "model": model,
                            "n": int(n[place]),
                            "mean": means[place] / by,
                            "low": low / by,
                            "high": high / by,
                        }
                    )
    columns = ["measure", "setting", "goal", "images", "divisor", "model", "n", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns)
