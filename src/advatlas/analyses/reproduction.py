"""What the paper prints beside what this study measured (``resources/published/{paper}.csv``).

The files hold every number the five papers print in tables and text, in the paper's unit, with its wording; what stands in
pictures alone is listed without a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from advatlas.claims.claim import Missing
from advatlas.claims.evidence import Defended, Matrices
from advatlas.metrics.intervals import bootstrap_mean, wilson
from advatlas.seeds import derive_seed

# juraev2023's means are over these.
_THREE = ("fgsm", "pgd", "carlini_wagner")
_SCALE = {"%": 100.0, "share": 1.0, "million": 1e-6, "billion": 1e-9}
_MEASURE = {"minimal_i_fgsm": "linf", "carlini_wagner": "l2", "clever_l2": "clever_l2"}
# donoghue2020's networks, by their place among the undefended ones.
_FIRST, _SECOND = "wide_resnet50_2", "inception_v1"


class Ours(NamedTuple):
    """What was measured, in the paper's unit, with its 95% interval where there is one."""

    value: float
    low: float = np.nan
    high: float = np.nan
    n: int = 0
    note: str = ""

    def scaled(self, unit: str) -> Ours:
        by = _SCALE.get(unit, 1.0)
        return self._replace(value=self.value * by, low=self.low * by, high=self.high * by)


class Study:
    """The tables of a study, as the numbers are looked up in them."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], options: Mapping[str, Any]) -> None:
        self.tables, self.seed, self.dataset = tables, options["seed"], options["dataset"]
        models = tables["models"]
        self.models = models[~models["excluded"]].set_index("model")

    def defended(self) -> Defended:
        if "classification" not in self.tables:
            raise Missing("no model with a defense takes part")
        return Defended(self.tables, self.seed, self.dataset)

    def model(self, name: str, of: str = "") -> pd.Series:
        """Return a model's row by its name, its defense, its architecture, or its place among the undefended.

        Args:
            of: the undefended network a defense is on; the first where not given.
        """
        undefended = self.models[self.models["defense"] == ""]
        if name in ("", _FIRST, _SECOND) and name not in self.models.index:
            place = 1 if name == _SECOND else 0
            if len(undefended) <= place:
                raise Missing(f"{name or 'no undefended model'} is not in the study")
            return undefended.iloc[place]
        if name in self.models.index:
            return self.models[self.models.index == name].iloc[0]
        by_defense = self.models[self.models["defense"] == name]
        if len(by_defense):
            place = 1 if of == _SECOND else 0
            if len(by_defense) <= place:
                raise Missing(f"{name} on {of} is not in the study")
            return by_defense.iloc[place]
        by_architecture = self.models[self.models["architecture"] == name]
        if len(by_architecture):
            return by_architecture.iloc[0]
        raise Missing(f"{name} is not in the study")

    def made(self, attacks: tuple[str, ...], source: str) -> pd.DataFrame:
        """Return the untargeted adversarials that attacks without confidence made on a model."""
        made = self.tables["adversarials"]
        rows = made[made["attack"].astype(str).isin(attacks) & (made["source"].astype(str) == source)]
        rows = rows[rows["goal"].astype(str) == "untargeted"]
        if not len(rows):
            raise Missing(f"{', '.join(attacks)} was not run on {source}")
        return rows

    def mean(self, rows: pd.DataFrame, values: pd.Series) -> Ours:
        """Return the mean over images of values that each have several rows."""
        by_image = values.groupby(rows["image_id"]).mean().dropna().to_numpy(np.float64)
        if not len(by_image):
            raise Missing("no attack succeeded")
        low, high = bootstrap_mean(by_image, derive_seed(self.seed, "reproduction"))
        return Ours(float(by_image.mean()), low, high, len(by_image))


def _here(found: pd.Series, wanted: str) -> str:
    """Say where another model stands for the paper's."""
    notes = [] if wanted in ("", found.name) or wanted in str(found.get("defense", "")) else [f"here {found.name}"]
    if found.get("width", 1.0) != 1.0:
        notes.append(f"width {found['width']:g}")
    return ", ".join(notes)


def _described(study: Study, row: pd.Series) -> Ours:
    found = study.model(row["model"])
    return Ours(float(found[row["quantity"]]), note=_here(found, row["model"]))


def _top1(study: Study, row: pd.Series) -> Ours:
    found = study.model(row["model"], row["against"])
    low, high = found["test_accuracy_low"], found["test_accuracy_high"]
    return Ours(found["test_accuracy"], low, high, int(found["test_images"]), _here(found, row["model"]))


def _top5(study: Study, row: pd.Series) -> Ours:
    found = study.model(row["model"])
    n = int(found["test_images"])
    low, high = wilson(found["top5_accuracy"] * n, n)
    return Ours(found["top5_accuracy"], float(low), float(high), n)


def _success(study: Study, row: pd.Series) -> Ours:
    if row["model"] == "mean":
        evidence = Matrices(study.tables, study.seed, study.dataset)
        wanted = {"confidence": 0.0} if row["attack"] in ("carlini_wagner", "ead") else {}
        estimate, n = evidence.pooled(evidence.those(row["attack"], "untargeted", **wanted))
        effect = estimate.mean(evidence.own).effect(n)
        return Ours(effect.value, *effect.interval, n, "mean over models and untargeted settings")
    found = study.model(row["model"])
    success = study.tables["success"]
    rows = success[(success["attack"] == row["attack"]) & (success["source"] == found.name)]
    rows = rows[(rows["goal"] == "untargeted") & (rows["n"] > 0)]
    if row["epsilon"]:
        rows = rows[np.isclose(rows["epsilon"], float(row["epsilon"]), rtol=0.15)]
    if not len(rows):
        raise Missing(f"{row['attack']} was not run so on {found.name}")
    first = rows.iloc[0]
    return Ours(first["rate"], first["low"], first["high"], int(first["n"]), _here(found, row["model"]))


def _mean_success(study: Study, row: pd.Series) -> Ours:
    rows = study.made(_THREE, str(study.model(row["model"]).name))
    return study.mean(rows, rows["success"].astype(float))


def _mean_seconds(study: Study, row: pd.Series) -> Ours:
    rows = study.made(_THREE, str(study.model(row["model"]).name))
    return study.mean(rows, rows["seconds"])._replace(note="another machine")


def _mean_noise(study: Study, row: pd.Series) -> Ours:
    rows = study.made(_THREE, str(study.model(row["model"]).name))
    rows = rows[rows["success"]]
    return study.mean(rows, 1 - rows["ssim"])


def _seconds(study: Study, row: pd.Series) -> Ours:
    found = study.model(row["model"])
    if row["attack"]:
        rows = study.made((row["attack"],), str(found.get("attacked_as", found.name)))
        return study.mean(rows, rows["seconds"])._replace(note="another machine; the attack alone")
    if "prediction_times" not in study.tables:
        raise Missing("no prediction was timed")
    timed = study.tables["prediction_times"]
    timed = timed[timed["model"] == found.name].sort_values("batch_size")
    if not len(timed):
        raise Missing(f"{found.name} was not timed")
    first = timed.iloc[0]
    return Ours(first["median"], first["p10"], first["p90"], int(first["repeats"]), "another machine; 80% range")


def _answers(study: Study, row: pd.Series) -> pd.Series:
    study.defended()
    found = study.model(row["model"], row["against"])
    said: pd.DataFrame = study.tables["classification"]
    rows = said[(said["attack"] == row["attack"]) & (said["target"] == found.name) & ~said["adaptive"]]
    rows = rows[(rows["source"] == found["attacked_as"]) & (rows["attacked"] > 0)]
    if row["quantity"] == "target_share":
        rows = rows[(rows["goal"] == "class") & rows["target_share"].notna()]
    if row["epsilon"]:
        rows = rows[(rows["epsilon"] / float(row["epsilon"]) - 1).abs() <= 0.15]
    if not len(rows):
        raise Missing(f"{row['attack']} was not run so on {found.name}")
    first: pd.Series = rows.iloc[0]
    return first


def _f1(study: Study, row: pd.Series) -> Ours:
    found = _answers(study, row)
    return Ours(found["f1"], found["f1_low"], found["f1_high"], int(found["n"]))


def _accuracy_under(study: Study, row: pd.Series) -> Ours:
    if not row["epsilon"]:
        raise Missing("the paper does not say at which epsilon")
    found = _answers(study, row)
    return Ours(found["rate"], found["low"], found["high"], int(found["n"]), f"here {found['target']}")


def _target_share(study: Study, row: pd.Series) -> Ours:
    found = _answers(study, row)
    low, high = found["target_share_low"], found["target_share_high"]
    return Ours(found["target_share"], low, high, int(found["attacked"]), f"here {found['target']}")


def _fit(study: Study, row: pd.Series) -> pd.Series:
    if "frontier" not in study.tables:
        raise Missing("there is no fit")
    measure = _MEASURE[row["attack"]]
    fits = study.tables["frontier"]
    fits = fits[(fits["measure"] == measure) & (fits["goal"] == row["against"]) & (fits["images"] == row["model"])]
    fits = fits[(fits["divisor"] == ("none" if measure == "linf" else "values")) & (fits["accuracy"] == "published")]
    by = fits.set_index("models")
    for models in ("paper", "pareto"):
        if models in by.index:
            return pd.Series(by.loc[models])
    raise Missing(f"{row['attack']} ({row['against']}) has no fit in this study")


def _coefficient(study: Study, row: pd.Series) -> Ours:
    found, name, by = _fit(study, row), row["quantity"].removeprefix("fit_"), 1 / float(row["unit"])
    note = f"{found['n_models']} models: {found['members']}"
    return Ours(found[name] * by, found[f"{name}_low"] * by, found[f"{name}_high"] * by, int(found["n_models"]), note)


def _halving(study: Study, row: pd.Series) -> Ours:
    found = _fit(study, row)
    value, low, high = (float(found[name]) * np.log(2) for name in ("b", "b_low", "b_high"))
    return Ours(value, low, high, int(found["n_models"]))


def _common_images(study: Study, _row: pd.Series) -> Ours:
    said = study.tables["predictions"]
    right = said[said["model"].isin(study.models.index)].groupby("image_id")["correct"].all()
    low, high = wilson(right.sum(), len(right))
    return Ours(right.mean(), float(low), float(high), len(right), f"{len(study.models)} models")


def _claim(study: Study, row: pd.Series) -> Ours:
    found = study.tables["claims"].set_index("claim").loc[row["model"]]
    if np.isnan(found["effect"]):
        raise Missing(str(found["detail"]))
    return Ours(found["effect"], found["low"], found["high"], int(found["n"]), str(found["detail"]))


def _not_measured(_study: Study, _row: pd.Series) -> Ours:
    raise Missing("of one example image, or a description: not measured here")


LOOKUPS: dict[str, Callable[[Study, pd.Series], Ours]] = {
    "accuracy": _top1,
    "accuracy_under": _accuracy_under,
    "claim": _claim,
    "classes": _not_measured,
    "common_images": _common_images,
    "example_confidence": _not_measured,
    "example_seconds": _not_measured,
    "f1": _f1,
    "fit_a": _coefficient,
    "fit_b": _coefficient,
    "halving": _halving,
    "images": _not_measured,
    "layers": _not_measured,
    "macs": _described,
    "mean_noise": _mean_noise,
    "mean_seconds": _mean_seconds,
    "mean_success": _mean_success,
    "parameters": _described,
    "seconds": _seconds,
    "success": _success,
    "success_at_confidence_40": _not_measured,
    "target_share": _target_share,
    "top1": _top1,
    "top5": _top5,
    "trains": _not_measured,
    "year": _not_measured,
}


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return the paper's numbers, each with ours, its interval, and their difference.

    ``inside`` says whether the published number lies in our interval; ``note`` why there is none of ours, or what is not
    alike. Rows of another data set than the study's stay, without a number of ours.
    """
    study = Study(tables, options)
    rows = []
    for _, row in tables["published"].iterrows():
        found = Ours(np.nan)
        try:
            if row["printed_in"] == "picture":
                raise Missing("its numbers are in the picture alone")
            if row["dataset"] and not study.dataset.startswith(row["dataset"]):
                raise Missing(f"on {row['dataset']}; this study is on {study.dataset}")
            found = LOOKUPS[row["quantity"]](study, row).scaled(row["unit"])
        except Missing as missing:
            found = found._replace(note=str(missing))
        published = float(row["value"]) if row["value"] else np.nan
        known = not np.isnan(found.low)
        inside = bool(found.low <= published <= found.high) if known else None
        rows.append(
            {
                **row.drop("value").to_dict(),
                "published": published,
                "ours": found.value,
                "low": found.low,
                "high": found.high,
                "n": found.n,
                "difference": found.value - published,
                "inside": inside,
                "note": found.note,
            }
        )
    return pd.DataFrame(rows).astype({"inside": "boolean"})
