"""What a claim is: a finding of a paper as a number with an interval, a bound, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from advatlas.metrics.outcomes import interval

HOLDS, FAILS, OPEN, NOT_RUN = "holds", "does not hold", "not decided", "not run"
LEVEL = 0.05


class Missing(Exception):
    """What a claim needs is not in the study; the message says what."""


@dataclass(frozen=True)
class Effect:
    """The number a claim is about.

    Attributes:
        value: as measured.
        draws: of resamples, or quantiles of its distribution: the 95% interval and the p-value follow from them.
        n: how many images, or models, were resampled.
        over: which of the two. Intervals over images say how well these networks are known; intervals over models, what
            other networks of the kind would do.
    """

    value: float
    draws: np.ndarray
    n: int
    detail: str = ""
    over: str = "images"

    def __post_init__(self) -> None:
        draws = self.draws
        if len(draws) and self.over == "images" and np.ptp(draws) == 0:
            # Where no image differs a resample cannot either; the rule of three bounds what n of them can rule out. What is
            # within [-1, 1] is a share or a difference of two, and stays there.
            wide = self.value + np.linspace(-3 / self.n, 3 / self.n, 2000)
            object.__setattr__(self, "draws", wide.clip(-1, 1) if abs(self.value) <= 1 else wide)

    @property
    def interval(self) -> tuple[float, float]:
        return interval(self.draws)

    def p_value(self, above: float, below: float) -> float:
        """Return the two-sided p-value of the effect lying on the bound (two-sided, so that it matches the interval)."""
        draws = self.draws[np.isfinite(self.draws)]
        if not len(draws):
            return float("nan")
        holds = max((draws <= above).mean(), (draws >= below).mean())
        fails = min((draws > above).mean(), (draws < below).mean())
        return float(min(1.0, 2 * (min(holds, fails) * len(draws) + 1) / (len(draws) + 1)))


@dataclass(frozen=True)
class Claim:
    """A finding of a paper as a computable test.

    Attributes:
        name: unique within the paper.
        sentence: the finding in words.
        where: table, figure or section of the paper.
        effect: computes the number from the paper's kind of evidence; raises :class:`Missing`.
        unit: of the effect, for people.
        above: the finding holds where the effect is above this.
        below: and below this, for findings that something makes no difference.
        knowing: the same finding against attackers who know of the defense, which the paper did not ask.
    """

    name: str
    sentence: str
    where: str
    effect: Callable[[Any], Effect]
    above: float = 0.0
    below: float = np.inf
    unit: str = "share of images"
    knowing: bool = False

    def judge(self, evidence: Any) -> dict[str, Any]:
        """Return the claim's row: effect, interval, p-value and the verdict by its interval alone."""
        row: dict[str, Any] = {
            "claim": self.name,
            "sentence": self.sentence,
            "where": self.where,
            "knowing": self.knowing,
            "verdict": NOT_RUN,
            "effect": np.nan,
            "low": np.nan,
            "high": np.nan,
            "unit": self.unit,
            "n": 0,
            "over": "",
            "above": self.above,
            "below": self.below,
            "p_value": np.nan,
        }
        try:
            found = self.effect(evidence)
        except Missing as missing:
            return {**row, "detail": str(missing)}
        low, high = found.interval
        if low > self.above and high < self.below:
            verdict = HOLDS
        elif high <= self.above or low >= self.below:
            verdict = FAILS
        else:
            verdict = OPEN
        row |= {"verdict": verdict, "effect": found.value, "low": low, "high": high, "n": found.n, "over": found.over}
        return {**row, "p_value": found.p_value(self.above, self.below), "detail": found.detail}


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Return Holm's (1979) adjusted p-values; NaN stays NaN and does not count."""
    p = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def judge_all(claims: Sequence[Claim], evidence: Any) -> list[dict[str, Any]]:
    """Return the rows of claims, with Holm's p-values and the verdicts that stand when all are tested together."""
    rows = [claim.judge(evidence) for claim in claims]
    for row, p in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        decided = row["verdict"] in (HOLDS, FAILS)
        row["p_holm"] = float(p)
        row["verdict_holm"] = OPEN if decided and not p < LEVEL else row["verdict"]
    return rows
