"""Whether a defense holds against an attacker who knows of it (Athalye et al. 2018; Carlini et al. 2019).

For every defended model and every budget (a goal with an epsilon, or an attack without one) three accuracies on the same
images: under the paper's attack, under the strongest attack of one who knows of the defense, and what the undefended model
keeps under the same. A gain that the second attacker takes away was none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from advatlas.metrics.intervals import wilson
from advatlas.metrics.outcomes import by_image, image_weights, resampled_mean

# Attacks that see answers alone.
BLACK_BOX = ("square", "pixel_swap", "one_pixel")
COLUMNS = [
    "model", "defense", "undefended", "goal", "budget", "n",
    "clean", "clean_low", "clean_high",
    "paper_setting", "paper_source", "paper", "paper_low", "paper_high",
    "adaptive_setting", "adaptive_source", "adaptive", "adaptive_low", "adaptive_high",
    "gap", "gap_low", "gap_high",
    "base_setting", "base", "paper_gain", "paper_gain_low", "paper_gain_high",
    "adaptive_gain", "adaptive_gain_low", "adaptive_gain_high",
    "hidden_by", "hidden", "hidden_low", "hidden_high", "gradient_hidden", "verdict",
]  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What one attack leaves of one model: for each image of the selection 1 right, 0 wrong, NaN not tried."""

    setting: str
    attack: str
    source: str
    adaptive: bool
    right: np.ndarray

    @property
    def accuracy(self) -> float:
        return float(np.nanmean(self.right))

    def drop(self, clean: Trial) -> float:
        """Return the accuracy that is lost, on the images that were tried: settings may differ in how many those are."""
        return float(np.nanmean(clean.right - self.right))


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each defended model and budget at which an adaptive attack was run.

    ``paper`` is the attack as the papers ran it: crafted on the undefended network where the defense stands before it
    (smoothing, averaging), else on the defended one, by the strongest setting that does not know of it. ``adaptive`` is
    the strongest of all: adaptive ones, black-box ones, and examples of the undefended model. ``hidden`` is how much more
    accuracy a black-box attack or a transferred example takes than the unaware white-box attack on the model itself: the
    sign that only the gradient was hidden (``gradient_hidden``: its interval is above zero). Intervals of differences are
    bootstrap intervals over the images that both attacks tried.
    """
    models = tables["models"][~tables["models"]["excluded"]].set_index("model")
    said = tables["classification"]
    images = 1 + max((int(np.max(row)) for row in said["image"] if len(row)), default=-1)
    weights = image_weights(images, options["seed"], "verdicts")
    rows = []
    for model, card in models[models["defense"] != ""].iterrows():
        of_model = said[said["target"] == model]
        clean = next(_trials(of_model[of_model["setting"] == ""], images))
        attacked = of_model[of_model["setting"] != ""]
        of_base = said[said["target"] == card["undefended"]]
        base_clean = next(_trials(of_base[of_base["setting"] == ""], images))
        of_base = of_base[of_base["setting"] != ""]
        for (goal, budget), group in attacked.groupby([attacked["goal"].astype(str), _budgets(attacked)], sort=False):
            trials = list(_trials(group, images))
            same = of_base[(of_base["goal"] == goal) & (_budgets(of_base) == budget)]
            on_base = [t for t in _trials(same, images) if t.source == card["undefended"]]
            row = _verdict(str(model), card, clean, trials, _strongest(on_base, base_clean), on_base, weights)
            if row is not None:
                rows.append({"goal": goal, "budget": budget, **row})
    return pd.DataFrame(rows, columns=COLUMNS)


def _budgets(rows: pd.DataFrame) -> pd.Series:
    """Name what may be compared: attacks within one epsilon, or one attack without."""
    bounded = rows["epsilon"].map(lambda epsilon: f"ε = {epsilon:.4g}", na_action="ignore")
    return bounded.where(rows["epsilon"].notna(), rows["attack"].astype(str)).astype(str)


def _trials(rows: pd.DataFrame, images: int) -> Any:
    for setting, attack, source, adaptive, image, right in zip(
        rows["setting"], rows["attack"], rows["source"], rows["adaptive"], rows["image"], rows["right"], strict=True
    ):
        yield Trial(str(setting), str(attack), str(source), bool(adaptive), by_image(image, right, images))


def _strongest(trials: list[Trial], clean: Trial) -> Trial | None:
    return max(trials, key=lambda trial: trial.drop(clean), default=None)


def _verdict(
    model: str,
    card: pd.Series,
    clean: Trial,
    trials: list[Trial],
    base: Trial | None,
    on_base: list[Trial],
    weights: np.ndarray,
) -> dict[str, Any] | None:
    own = [t for t in trials if t.source == model]
    unaware = [t for t in own if not t.adaptive and t.attack not in BLACK_BOX]
    as_papers = [t for t in trials if t.source == card["attacked_as"] and not t.adaptive]
    gradient = [t for t in as_papers if t.attack not in BLACK_BOX]
    paper = _strongest(gradient or as_papers, clean)
    knowing = [t for t in own if t.adaptive]
    answers = [t for t in own if t.attack in BLACK_BOX]
    transferred = [t for t in trials if t.source == card["undefended"]]
    strongest = _strongest([*knowing, *answers, *transferred, *own], clean)
    if paper is None or strongest is None or base is None or not (knowing or answers):
        return None
    base_paper = next((t for t in on_base if t.setting == paper.setting), base)
    row: dict[str, Any] = {
        "model": model,
        "defense": card["defense"],
        "undefended": card["undefended"],
        "n": int((~np.isnan(strongest.right)).sum()),
        "paper_setting": paper.setting,
        "paper_source": paper.source,
        "adaptive_setting": strongest.setting,
        "adaptive_source": strongest.source,
        "base_setting": base.setting,
        "base": base.accuracy,
        **_rate("clean", clean),
        **_rate("paper", paper),
        **_rate("adaptive", strongest),
        **_difference("gap", paper, strongest, weights),
        **_difference("paper_gain", paper, base_paper, weights),
        **_difference("adaptive_gain", strongest, base, weights),
    }
    direct, indirect = _strongest(unaware, clean), _strongest([*answers, *transferred], clean)
    row |= {"hidden_by": "", "hidden": np.nan, "hidden_low": np.nan, "hidden_high": np.nan}
    if direct is not None and indirect is not None:
        row |= {"hidden_by": indirect.setting, **_difference("hidden", direct, indirect, weights)}
    row["gradient_hidden"] = bool(row["hidden_low"] > 0)
    row["verdict"] = _words(row)
    return row


def _words(row: dict[str, Any]) -> str:
    if row["adaptive_gain_low"] > 0:
        return "holds in part" if row["gap_low"] > 0 else "holds"
    if row["paper_gain_low"] > 0:
        return "only the gradient was hidden" if row["gradient_hidden"] else "falls to an attacker who knows"
    return "no gain"


def _rate(name: str, trial: Trial) -> dict[str, float]:
    n = float((~np.isnan(trial.right)).sum())
    low, high = wilson(float(np.nansum(trial.right)), n)
    return {name: trial.accuracy, f"{name}_low": float(low), f"{name}_high": float(high)}


def _difference(name: str, first: Trial, second: Trial, weights: np.ndarray) -> dict[str, float]:
    mean, low, high = resampled_mean(first.right - second.right, weights)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}
