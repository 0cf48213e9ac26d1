"""What a claim is, and the evidence it is judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from advatlas.metrics.outcomes import by_image, image_weights, interval, resampled_mean

HOLDS, FAILS, OPEN, NOT_RUN = "holds", "does not hold", "not decided", "not run"


@dataclass(frozen=True)
class Effect:
    """The number a claim is about, with its 95% interval over resampled images (or models, where times are compared)."""

    value: float
    low: float
    high: float
    n: int
    detail: str = ""


class Missing(Exception):
    """What a claim needs is not in the study; the message says what."""


@dataclass(frozen=True)
class Claim:
    """A finding of a paper as a computable test.

    Attributes:
        name: unique within the paper.
        sentence: the finding in words.
        where: table, figure or section of the paper.
        effect: computes the number from the evidence; raises :class:`Missing`.
        above: the finding holds where the effect is above this.
        below: and below this, for findings that something makes no difference.
        knowing: the same finding against attackers who know of the defense, which the paper did not ask.
    """

    name: str
    sentence: str
    where: str
    effect: Callable[[Evidence], Effect]
    above: float = 0.0
    below: float = np.inf
    knowing: bool = False

    def judge(self, evidence: Evidence) -> dict[str, Any]:
        """Return the claim's row: effect, interval and verdict."""
        head = {"claim": self.name, "sentence": self.sentence, "where": self.where, "knowing": self.knowing}
        try:
            found = self.effect(evidence)
        except Missing as missing:
            nothing = {"effect": np.nan, "low": np.nan, "high": np.nan, "n": 0}
            return {**head, "verdict": NOT_RUN, **nothing, "above": self.above, "detail": str(missing)}
        if found.low > self.above and found.high < self.below:
            verdict = HOLDS
        elif found.high <= self.above or found.low >= self.below:
            verdict = FAILS
        else:
            verdict = OPEN
        return {
            **head,
            "verdict": verdict,
            "effect": found.value,
            "low": found.low,
            "high": found.high,
            "n": found.n,
            "above": self.above,
            "detail": found.detail,
        }


class Evidence:
    """What the tables say of models under attack, image by image.

    Args:
        tables: ``models``, ``classification``, ``adversarials``.
        seed: of the resampling.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], seed: int) -> None:
        self.tables = tables
        self.models = tables["models"][~tables["models"]["excluded"]]
        self.said = tables["classification"].astype({"source": str, "target": str, "setting": str, "attack": str})
        images = 1 + max((int(np.max(row)) for row in self.said["image"] if len(row)), default=-1)
        self.images = images
        self.weights = image_weights(images, seed, "claims")
        self.seed = seed

    def model(self, defense: str = "", index: int = 0) -> str:
        """Return the name of the ``index``-th model made by a defense (all of them joined by " + "), or undefended."""
        found = list(self.models.loc[self.models["defense"] == defense, "model"])
        if len(found) <= index:
            raise Missing(f"no model with {defense or 'no'} defense takes part")
        return str(found[index])

    def attacked_as(self, model: str) -> str:
        """Return the model on which the papers' attacks on this one were crafted."""
        return str(self.models.set_index("model").loc[model, "attacked_as"])

    def clean(self, model: str) -> np.ndarray:
        """Return for each selected image 1 where the model is right, else 0."""
        return self._right(self.said[(self.said["setting"] == "") & (self.said["target"] == model)], model)

    def under(
        self,
        model: str,
        attack: str,
        *,
        source: str | None = None,
        adaptive: bool = False,
        epsilon: float | None = None,
    ) -> np.ndarray:
        """Return for each image 1 where the model is still right, 0 where not, NaN where it was not tried.

        Args:
            source: on which model it was crafted; the papers' protocol where not given (``adaptive``: the model itself).
            epsilon: the nearest of the study's within 15%; any where not given.
        """
        crafted, rows = self._answers(model, attack, source, adaptive=adaptive, epsilon=epsilon)
        return self._right(rows, f"{attack} on {crafted}, shown to {model}{', adaptive' if adaptive else ''}")

    def weakest(self, model: str, *trials: np.ndarray) -> np.ndarray:
        """Return the trial that costs a model most accuracy, on the images it tried."""
        clean = self.clean(model)
        return min(trials, key=lambda right: float(np.nanmean(right - clean)))

    def target_hits(
        self, model: str, attack: str, epsilon: float, *, source: str | None = None, adaptive: bool = False
    ) -> Effect:
        """Return the share of images that an attack towards one class brings there, at the nearest epsilon within 15%."""
        crafted, rows = self._answers(model, attack, source, adaptive=adaptive, epsilon=epsilon)
        rows = rows[(rows["goal"] == "class") & rows["target_share"].notna()]
        if not len(rows):
            raise Missing(f"no targeted {attack} near epsilon {epsilon:g} on {crafted}, shown to {model}")
        row = rows.iloc[0]
        return Effect(
            row["target_share"], row["target_share_low"], row["target_share_high"], int(row["attacked"]),
            f"{row['setting']} on {crafted}, shown to {model}",
        )  # fmt: skip

    def mean(self, right: np.ndarray, detail: str = "") -> Effect:
        """Return the mean of values over images, those that are not NaN."""
        n = int((~np.isnan(right)).sum())
        if not n:
            raise Missing("no image was tried on both")
        return Effect(*resampled_mean(right, self.weights), n, detail)

    def difference(self, first: np.ndarray, second: np.ndarray, detail: str = "") -> Effect:
        """Return the mean difference over the images that both tried; paired."""
        return self.mean(first - second, detail)

    def slower(self, slow: str, fast: str) -> Effect:
        """Return the logarithm (base 2) of the ratio of two attacks' seconds an image, over the models both attacked."""
        made = self.tables["adversarials"]
        settings = set(self.said.loc[~self.said["adaptive"], "setting"])
        made = made[made["setting"].astype(str).isin(settings)].astype({"attack": str, "source": str})
        mean = made.groupby(["attack", "source"])["seconds"].mean()
        known = set(mean.index.get_level_values(0))
        if not {slow, fast} <= known:
            raise Missing(f"{slow} or {fast} was not run")
        ratios = np.log2(mean[slow] / mean[fast]).dropna().to_numpy()
        rng = np.random.default_rng(self.seed)
        draws = rng.choice(ratios, (2000, len(ratios))).mean(1)
        low, high = interval(draws)
        times = f"{mean[fast].mean():.3g} s and {mean[slow].mean():.3g} s an image, over {len(ratios)} models"
        return Effect(float(ratios.mean()), low, high, len(ratios), times)

    def _answers(
        self, model: str, attack: str, source: str | None, *, adaptive: bool, epsilon: float | None
    ) -> tuple[str, pd.DataFrame]:
        """Return the model an attack was crafted on, and the rows of it, the nearest epsilon first."""
        crafted = source or (model if adaptive else self.attacked_as(model))
        rows = self.said[
            (self.said["attack"] == attack)
            & (self.said["source"] == crafted)
            & (self.said["target"] == model)
            & (self.said["adaptive"] == adaptive)
        ]
        if epsilon is not None:
            rows = rows[(rows["epsilon"] / epsilon - 1).abs() <= 0.15]
            rows = rows.loc[(rows["epsilon"] - epsilon).abs().sort_values(kind="stable").index]
        return crafted, rows

    def _right(self, rows: pd.DataFrame, what: str) -> np.ndarray:
        if not len(rows):
            raise Missing(f"not in the study: {what}")
        return by_image(rows.iloc[0]["image"], rows.iloc[0]["right"], self.images)
