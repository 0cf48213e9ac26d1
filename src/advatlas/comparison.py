"""Two runs beside each other: what changed, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from advatlas.analyses.settings import each_setting
from advatlas.metrics.intervals import wilson
from advatlas.metrics.outcomes import image_weights, interval, known_mean
from advatlas.results import StudyResults


@dataclass(frozen=True)
class Comparison:
    """What changed from one run to another.

    Attributes:
        only: what one of the two has alone, as sentences.
        paired: both attacked the same images, so that intervals of transfer are paired.
        accuracy: of each shared model: ``first, second, difference, low, high``.
        success: the same of each shared setting and source.
        transfer: the same of each shared setting, mean over the shared pairs of different models.
    """

    only: list[str]
    paired: bool
    accuracy: pd.DataFrame
    success: pd.DataFrame
    transfer: pd.DataFrame

    def describe(self, changed_only: bool = True) -> str:
        """Return the comparison as text; of long tables only the rows whose interval leaves out zero."""
        lines = [*self.only, f"transfer: {'the same images, paired' if self.paired else 'other images'}"]
        for name in ("accuracy", "success", "transfer"):
            table: pd.DataFrame = getattr(self, name)
            changed = table[(table["low"] > 0) | (table["high"] < 0)]
            lines += [
                "",
                f"{name}: {len(table)} shared, {len(changed)} differ beyond chance (95% intervals, each by itself)",
            ]
            shown = changed if changed_only else table
            if len(shown):
                percent = dict.fromkeys(("difference", "low", "high"), "{:+.1%}".format)
                lines.append(
                    shown.to_string(
                        index=False, formatters={**percent, "first": "{:.1%}".format, "second": "{:.1%}".format}
                    )
                )
        return "\n".join(lines)


def compare(first: StudyResults, second: StudyResults) -> Comparison:
    """Compare what two runs have in common.

    Rates of one model or one setting and source have Newcombe's interval for the difference of two independent proportions
    (Newcombe 1998, method 10); mean transfer resamples images, the same in both where both attacked the same ones.
    """
    only = []
    for what, of_first, of_second in (
        ("models", first.models, second.models),
        ("attack settings", first.settings, second.settings),
    ):
        for name, mine, others in ((first.name, of_first, of_second), (second.name, of_second, of_first)):
            if alone := [entry for entry in mine if entry not in others]:
                only.append(f"{what} of {name} alone: {', '.join(alone)}")
    accuracy = _proportions(first["models"], second["models"], ["model"], "test_correct", "test_images")
    success = _proportions(first["success"], second["success"], ["setting", "source"], "count", "n")
    transfer, paired = _transfer(first, second)
    return Comparison(only, paired, accuracy, success, transfer)


def newcombe(count: np.ndarray, n: np.ndarray, count2: np.ndarray, n2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95% interval of ``count2 / n2 - count / n``, from the two Wilson intervals."""
    p, q = count / n, count2 / n2
    (low, high), (low2, high2) = wilson(count, n), wilson(count2, n2)
    gap = q - p
    return gap - np.hypot(q - low2, high - p), gap + np.hypot(high2 - q, p - low)


def _proportions(first: pd.DataFrame, second: pd.DataFrame, keys: list[str], count: str, n: str) -> pd.DataFrame:
    columns = [*keys, count, n]
    both = (
        first[columns].astype(dict.fromkeys(keys, str)).merge(second[columns].astype(dict.fromkeys(keys, str)), on=keys)
    )
    both = both[(both[f"{n}_x"] > 0) & (both[f"{n}_y"] > 0)].reset_index(drop=True)
    counts = (both[name].to_numpy(np.float64) for name in (f"{count}_x", f"{n}_x", f"{count}_y", f"{n}_y"))
    a, m, b, k = counts
    low, high = newcombe(a, m, b, k)
    return both[keys].assign(first=a / m, second=b / k, difference=b / k - a / m, low=low, high=high)


def _transfer(first: StudyResults, second: StudyResults) -> tuple[pd.DataFrame, bool]:
    attacked = [set(study["adversarials"]["image_id"]) for study in (first, second)]
    paired = attacked[0] == attacked[1]
    settings: list[dict[str, tuple[tuple[str, ...], np.ndarray]]] = []
    for study in (first, second):
        found: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
        for head, outcomes in each_setting({name: study[name] for name in ("models", "outcomes")}):
            found.setdefault(str(head["setting"]), (outcomes.models, outcomes.reached))
        settings.append(found)
    rows = []
    for setting in settings[0].keys() & settings[1].keys():
        names = [name for name in settings[0][setting][0] if name in settings[1][setting][0]]
        if len(names) < 2:
            continue
        off = ~np.eye(len(names), dtype=bool)
        # An image's mean over the shared pairs: the mean over pairs is the mean over images of this.
        by_image = []
        for found in settings:
            models, reached = found[setting]
            places = [models.index(name) for name in names]
            by_image.append(known_mean(reached[np.ix_(places, places)][off], 0))
        draws = []
        for place, values in enumerate(by_image):
            known = ~np.isnan(values)
            weights = image_weights(len(values), 0, "compare", 0 if paired else place)
            draws.append((weights[:, known] @ values[known]) / weights[:, known].sum(1))
        low, high = interval(draws[1] - draws[0])
        means = [float(known_mean(values)) for values in by_image]
        rows.append({"setting": setting, "pairs": int(off.sum()), "first": means[0], "second": means[1],
                     "difference": means[1] - means[0], "low": low, "high": high})  # fmt: skip
    columns = ["setting", "pairs", "first", "second", "difference", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    order = {name: place for place, name in enumerate(settings[0])}
    return table.sort_values("setting", key=lambda names: names.map(order), kind="stable").reset_index(
        drop=True
    ), paired
