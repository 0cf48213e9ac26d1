"""What claims are judged by: numbers from the tables, each with its resamples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata, t

from advatlas.analyses.robustness import Measure, divided, measures
from advatlas.analyses.settings import each_setting
from advatlas.claims.claim import Effect, Missing
from advatlas.metrics.outcomes import DRAWS, Outcomes, by_image, image_weights, known_mean

_QUANTILES = (np.arange(DRAWS) + 0.5) / DRAWS


@dataclass(frozen=True)
class Estimate:
    """A number or an array as measured, and the same of every resample (one more axis, the first)."""

    value: np.ndarray
    draws: np.ndarray

    def apply(self, function: Callable[[np.ndarray], Any]) -> Estimate:
        """Return a function of both; it acts on the last axes."""
        return Estimate(np.asarray(function(self.value)), np.asarray(function(self.draws)))

    def mean(self, mask: np.ndarray) -> Estimate:
        """Return the mean of the known values among those of a mask over all axes."""
        return self.apply(lambda values: known_mean(values[..., mask], -1))

    def __sub__(self, other: Estimate) -> Estimate:
        return Estimate(self.value - other.value, self.draws - other.draws)

    @staticmethod
    def across(estimates: Sequence[Estimate], function: Callable[..., np.ndarray]) -> Estimate:
        """Return a function along a last axis of several numbers, such as ``np.min``."""
        value = function(np.stack([e.value for e in estimates], -1), axis=-1)
        return Estimate(value, function(np.stack([e.draws for e in estimates], -1), axis=-1))

    def effect(self, n: int, detail: str = "") -> Effect:
        """Return it as the number of a claim, resampled over ``n`` images."""
        return Effect(float(self.value), self.draws, n, detail)


class Evidence:
    """What every paper's claims need.

    Args:
        tables: of the study.
        seed: of the resampling.
        dataset: name of the data set; some findings are about one.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], seed: int, dataset: str = "") -> None:
        self.tables, self.seed, self.dataset = tables, seed, dataset
        self.models = tables["models"][~tables["models"]["excluded"]].reset_index(drop=True)

    def about(self, *datasets: str) -> None:
        """Raise :class:`Missing` where the study is on another data set than a finding."""
        if not any(self.dataset.startswith(name) for name in datasets):
            raise Missing(f"a finding on {' and '.join(datasets)}; this study is on {self.dataset}")

    def over_models(self, values: np.ndarray, detail: str = "") -> Effect:
        """Return the mean of one value a model, with Student's interval."""
        values = values[~np.isnan(values)]
        if len(values) < 2:
            raise Missing(f"{len(values)} models have it; an interval over models needs two")
        spread = values.std(ddof=1) / np.sqrt(len(values))
        draws = values.mean() + spread * t.ppf(_QUANTILES, len(values) - 1)
        return Effect(float(values.mean()), draws, len(values), detail, "models")

    def correlation(self, x: np.ndarray, y: np.ndarray, *, groups: Sequence[str] | None = None) -> Effect:
        """Return Spearman's rank correlation over models, with Fisher's interval.

        Args:
            groups: correlate what is left when each group's mean is taken away (Pearson's then; a degree of freedom each).
        """
        known = ~(np.isnan(x) | np.isnan(y))
        x, y = x[known], y[known]
        free = len(x)
        if groups is None:
            x, y, slack = rankdata(x), rankdata(y), 1.06
        else:
            names = np.asarray(groups)[known]
            several = np.array([(names == name).sum() > 1 for name in names])
            x, y, names, slack = x[several], y[several], names[several], 1.0
            for name in set(names):
                x[names == name] -= x[names == name].mean()
                y[names == name] -= y[names == name].mean()
            free = len(x) - len(set(names)) + 1
        if free < 5 or np.ptp(x) == 0 or np.ptp(y) == 0:
            raise Missing(f"{len(x)} models that differ are too few for a correlation")
        r = float(np.clip(np.corrcoef(x, y)[0, 1], -0.999999, 0.999999))
        draws = np.tanh(np.arctanh(r) + norm.ppf(_QUANTILES) * slack / np.sqrt(free - 3))
        return Effect(r, draws, len(x), f"over {len(x)} models", "models")

    def proportion(self, count: float, n: int, detail: str = "") -> Effect:
        """Return a share of images with Jeffreys' interval, which knows that 0 of 20 is not never."""
        if not n:
            raise Missing("no image was tried")
        draws = np.random.default_rng(self.seed).beta(count + 0.5, n - count + 0.5, DRAWS)
        return Effect(count / n, draws, n, detail)


class Defended(Evidence):
    """What is left of models under attack, image by image: for papers on defenses.

    Reads the tables ``models``, ``classification``, ``adversarials``.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], seed: int, dataset: str = "") -> None:
        super().__init__(tables, seed, dataset)
        self.said = tables["classification"].astype({"source": str, "target": str, "setting": str, "attack": str})
        self.images = 1 + max((int(np.max(row)) for row in self.said["image"] if len(row)), default=-1)
        self.weights = image_weights(self.images, seed, "claims")

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
    ) -> tuple[int, int, str]:
        """Return how many images an attack towards one class brings there, of how many, and which attack.

        At the nearest epsilon within 15%.
        """
        crafted, rows = self._answers(model, attack, source, adaptive=adaptive, epsilon=epsilon)
        rows = rows[(rows["goal"] == "class") & rows["target_share"].notna()]
        if not len(rows):
            raise Missing(f"no targeted {attack} near epsilon {epsilon:g} on {crafted}, shown to {model}")
        row = rows.iloc[0]
        n = int(row["attacked"])
        return round(row["target_share"] * n), n, f"{row['setting']} on {crafted}, shown to {model}"

    def mean(self, right: np.ndarray, detail: str = "") -> Effect:
        """Return the mean of values over images, those that are not NaN."""
        known = ~np.isnan(right)
        if not known.any():
            raise Missing("no image was tried on both")
        with np.errstate(invalid="ignore", divide="ignore"):
            draws = (self.weights[:, known] @ right[known]) / self.weights[:, known].sum(1)
        return Effect(float(right[known].mean()), draws, int(known.sum()), detail)

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
        times = f"{mean[fast].mean():.3g} s and {mean[slow].mean():.3g} s an image, over {len(ratios)} models"
        return self.over_models(ratios, times)

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


@dataclass(frozen=True)
class Setting:
    """An attack setting as the tables name it."""

    name: str
    attack: str
    goal: str
    parameters: dict[str, Any]


class Matrices(Evidence):
    """Transfer matrices, image by image, and distances to the boundary: for papers on transfer.

    Reads the tables ``models``, ``success``, ``outcomes``, ``adversarials``, and ``clever`` where it is there.
    """

    @cached_property
    def settings(self) -> list[Setting]:
        """The attack settings, in the study's order."""
        rows = self.tables["success"].drop_duplicates("setting")
        return [
            Setting(str(name), str(attack), str(goal), json.loads(parameters))
            for name, attack, goal, parameters in zip(
                rows["setting"], rows["attack"], rows["goal"], rows["attack_parameters"], strict=True
            )
        ]

    @cached_property
    def _outcomes(self) -> dict[str, Outcomes]:
        """By setting, with the study's first fit."""
        found: dict[str, Outcomes] = {}
        for head, outcomes in each_setting(self.tables):
            found.setdefault(str(head["setting"]), outcomes)
        return found

    @property
    def names(self) -> list[str]:
        """The models that take part, in the order of rows and columns."""
        return list(self.models["model"])

    @property
    def own(self) -> np.ndarray:
        """Bool S x T: each model with itself."""
        return np.eye(len(self.names), dtype=bool)

    def where(self, column: str, *values: str) -> np.ndarray:
        """Return bool M: the models that have one of some values in a column of the table of models.

        Raises:
            Missing: none has.
        """
        chosen = self.models[column].isin(values).to_numpy()
        if not chosen.any():
            raise Missing(f"no model with {column} {' or '.join(values)} takes part")
        return np.asarray(chosen)

    def place(self, model: str) -> int:
        """Return the row of a model."""
        return int(np.flatnonzero(self.where("model", model))[0])

    def those(self, attack: str, goal: str = "untargeted", **wanted: float) -> list[Setting]:
        """Return the settings of an attack with some parameters; the goal ``targeted`` is any but untargeted.

        Raises:
            Missing: there are none.
        """

        def fits(setting: Setting) -> bool:
            kind = setting.goal != "untargeted" if goal == "targeted" else setting.goal == goal
            same = all(np.isclose(setting.parameters.get(name, np.nan), value) for name, value in wanted.items())
            return setting.attack == attack and kind and same and setting.name in self._outcomes

        found = [setting for setting in self.settings if fits(setting)]
        if not found:
            described = ", ".join([goal, *(f"{name} {value:g}" for name, value in wanted.items())])
            raise Missing(f"{attack} ({described}) was not run")
        return found

    def sweep(self, attack: str, parameter: str, goal: str = "untargeted") -> list[Setting]:
        """Return the longest series of settings that differ in one parameter alone, least first.

        Raises:
            Missing: there is none.
        """
        groups: dict[str, list[Setting]] = {}
        for setting in self.those(attack, goal):
            fixed = {key: value for key, value in setting.parameters.items() if key not in (parameter, "seed")}
            if parameter in setting.parameters:
                groups.setdefault(json.dumps([setting.goal, fixed], sort_keys=True), []).append(setting)
        longest = max(groups.values(), key=len, default=[])
        if len(longest) < 2:
            raise Missing(f"{attack} was run with one value of {parameter}")
        return sorted(longest, key=lambda setting: float(setting.parameters[parameter]))

    def rates(self, settings: Sequence[Setting]) -> tuple[list[Estimate], int]:
        """Return the S x T rates of settings on the images that all of them attacked, and how many those are.

        Raises:
            Missing: no image was attacked by all.
        """
        found = [self._outcomes[setting.name] for setting in settings]
        attacked = np.logical_and.reduce([~np.isnan(o.reached).all((0, 1)) for o in found])
        if not attacked.any():
            raise Missing("no image was attacked by all of " + ", ".join(setting.name for setting in settings))
        weights = image_weights(int(attacked.sum()), self.seed, "claims")
        chosen = [o.only(attacked) for o in found]
        return [Estimate(o.rates(), o.rates(weights)) for o in chosen], int(attacked.sum())

    def pooled(self, settings: Sequence[Setting]) -> tuple[Estimate, int]:
        """Return the mean S x T rates of settings."""
        found, n = self.rates(settings)
        return Estimate.across(found, np.mean), n

    def rising(self, settings: Sequence[Setting], cells: np.ndarray, parameter: str) -> Effect:
        """Return the least rise of the mean rate of some cells from one setting to the next."""
        found, n = self.rates(settings)
        means = [estimate.mean(cells) for estimate in found]
        steps = [after - before for before, after in pairwise(means)]
        shown = ", ".join(
            f"{setting.parameters[parameter]:g}: {100 * float(mean.value):.1f}%"
            for setting, mean in zip(settings, means, strict=True)
        )
        return Estimate.across(steps, np.min).effect(n, f"{settings[0].attack}, {parameter} {shown}")

    def distances(self, attack: str, goals: Sequence[str] = ("random", "least_likely", "untargeted")) -> Distances:
        """Return how far from the boundary an attack for the smallest distance finds each model's images.

        Args:
            attack: or ``clever_l2`` and the like.
            goals: the first of these that was run.

        Raises:
            Missing: it was not run.
        """
        for goal in goals:
            for measure in self._measures:
                kind = measure.name if measure.setting == "clever" else self._attack_of.get(measure.setting)
                if kind == attack and measure.goal == goal and np.isfinite(measure.values).any():
                    return Distances(measure, self)
        raise Missing(f"{attack} was not run, or succeeded on no image")

    @cached_property
    def _measures(self) -> list[Measure]:
        return list(measures(self.tables))

    @cached_property
    def _attack_of(self) -> dict[str, str]:
        return {setting.name: setting.attack for setting in self.settings}


class Distances:
    """The distances of one measure: models x images, divided by the number of values where the paper does."""

    def __init__(self, measure: Measure, evidence: Matrices) -> None:
        self.measure = measure
        sizes = evidence.models["input_size"].to_numpy(np.float64)
        self.by = np.array([divided(measure.name, size, "values") for size in sizes])
        self.weights = image_weights(measure.values.shape[1], evidence.seed, "claims", "distances")

    @property
    def n(self) -> int:
        return int((~np.isnan(self.measure.values)).any(0).sum())

    @property
    def name(self) -> str:
        return f"{self.measure.name} of {self.measure.setting}, {self.measure.goal}"

    def means(self) -> Estimate:
        """Return the mean of each model."""
        return Estimate(self.measure.means("all") / self.by, self.measure.means("all", self.weights) / self.by)
