"""What a study will cost, before anything runs: jobs, passes through networks, hours of a device, and disk."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from advatlas.data.splits import split_indices
from advatlas.models.complexity import count_macs, count_parameters
from advatlas.models.pretrained import PretrainedRecipe
from advatlas.models.small import ARCHITECTURES
from advatlas.models.zoo import DefendedRecipe
from advatlas.studies import AttackSetting, DatasetSpec, PicturesSpec, Study

# Multiply-accumulates a second that networks reach, forward and backward. CPU: measured on one core of a server processor
# with large networks (benchmarks/networks.py); small ones reach a fraction. GPU: an assumption, not measured: two fifths of
# the single precision peak of a current data-centre GPU.
MACS_PER_SECOND = {"cpu": 12e9, "gpu": 8e12}
# Seconds of a job before it does anything: importing torch, or asking the evaluator (benchmarks/pipeline.py).
JOB_SECONDS, PAIR_SECONDS = 3.0, 0.03
# Parameters whose product bounds the passes an attack makes through the network, each forward and back.
_LOOPS = ("steps", "search_steps", "attempts", "restarts")
# ... and of attacks that look at answers alone, each forward.
_QUERIES = ("queries", "population", "generations")
# Bytes of a pair's file, and of each row of it, compressed (measured on imagenet_mini and on files of 40 rows).
_PAIR_FILE, _PAIR_ROW = 2_500, 40
# Bytes a value of a perturbation takes, compressed (benchmarks/pair.py).
_VALUE = 2


def passes_of(attack: str, parameters: Mapping[str, Any]) -> int:
    """Return the most passes, forward and back, an attack makes for one image; many stop earlier."""
    if any(name in parameters for name in _QUERIES):
        return math.ceil(math.prod(int(parameters.get(name) or 1) for name in _QUERIES) / 2)
    passes = math.prod(int(parameters.get(name, 1)) or 1 for name in _LOOPS)
    return passes * (2 if attack == "ead" else 1)


@dataclass(frozen=True)
class ModelCost:
    """What a model's work is counted in.

    Attributes:
        macs: multiply-accumulates of one forward pass of one image.
        parameters: of the network.
        values: of one image as the model sees it.
        training: multiply-accumulates of making the model, from its base if it has one.
    """

    macs: float
    parameters: int
    values: int
    training: float = 0.0


def model_costs(study: Study) -> dict[str, ModelCost]:
    """Return the cost of each model of a study."""
    images = 0
    shape = (3, 224, 224)
    if isinstance(study.dataset, DatasetSpec):
        dataset = study.dataset.dataset
        shape = dataset.input_size
        images = len(split_indices(dict(dataset.sizes), study.dataset.sizes, 0)["train"][1])
    costs: dict[str, ModelCost] = {}
    for recipe in study.models:
        if isinstance(recipe, PretrainedRecipe):
            costs[recipe.name] = ModelCost(recipe.macs or 0, recipe.parameters or 0, 3 * recipe.view.size**2)
        elif isinstance(recipe, DefendedRecipe):
            costs[recipe.name] = _defended(recipe, costs[recipe.of], images)
        else:
            if recipe.pretrained is not None:
                macs = (recipe.pretrained.macs or 0) * (shape[-1] / recipe.pretrained.view.size) ** 2
                parameters = recipe.pretrained.parameters or 0
            else:
                network = ARCHITECTURES[recipe.architecture](
                    shape[0], shape[-1], study.dataset.dataset.num_classes, recipe.width
                )
                macs, parameters = count_macs(network, shape), count_parameters(network)
            training = 3.0 * macs * images * recipe.training.epochs
            costs[recipe.name] = ModelCost(macs, parameters, math.prod(shape), training)
    return costs


def _defended(recipe: DefendedRecipe, base: ModelCost, images: int) -> ModelCost:
    if recipe.training is None:
        copies = int(recipe.parameters.get("samples", 1))
        return dataclasses.replace(base, macs=base.macs * copies, training=0.0)
    attacks = recipe.parameters.get("attacks") or []
    crafting = sum(2 * passes_of(a["attack"], a) for a in attacks) / len(attacks) if attacks else 0
    runs = 2 if recipe.parameters.get("retrain_teacher") else 1
    return dataclasses.replace(base, training=runs * (3 + crafting) * base.macs * images * recipe.training.epochs)


class Costs:
    """Multiply-accumulates of every job of a study, at most: images that a model gets wrong are not attacked, and many
    attacks stop early. A pass back costs as much as one forward, as only the images need gradients.

    Args:
        found: how many pictures there are, where that is known.

    Attributes:
        models: by name.
        candidates, selected: images the models are tried on, and of these the ones that are attacked.
    """

    def __init__(self, study: Study, found: int | None = None) -> None:
        self.study = study
        self.models = model_costs(study)
        if isinstance(study.dataset, PicturesSpec):
            everything = found or 50_000
            most = study.dataset.dataset.num_classes * (study.dataset.per_class or everything)
            self.candidates = min(study.dataset.available or everything, most, everything)
        else:
            sizes = dict(study.dataset.dataset.sizes)
            self.candidates = len(split_indices(sizes, study.dataset.sizes, 0)["test"][1])
        self.selected = min(study.selection.n or self.candidates, self.candidates)
        self._several_sizes = len({cost.values for cost in self.models.values()}) > 1

    def attacked(self, setting: AttackSetting) -> int:
        """Return how many images a setting attacks."""
        return min(setting.images or self.selected, self.selected)

    def training(self, model: str) -> float:
        """Return what making a model takes."""
        return self.models[model].training

    def prediction(self, model: str) -> float:
        """Return what the clean predictions of a model take."""
        return self.candidates * self.models[model].macs

    def attack(self, setting: AttackSetting, source: str) -> float:
        """Return what attacking a model takes."""
        passes = 2 * passes_of(setting.attack, setting.parameters) * (setting.adaptive or 1)
        return self.attacked(setting) * passes * self.models[source].macs

    def pair(self, setting: AttackSetting, target: str) -> float:
        """Return what showing one source's examples to a target takes."""
        fits = len(setting.fits or self.study.fits) if self._several_sizes else 1
        return self.attacked(setting) * fits * (2 if self.study.eight_bit else 1) * self.models[target].macs

    def clever(self, model: str) -> float:
        """Return what the block maxima of one part of a model's images take."""
        spec = self.study.clever
        if spec is None:
            return 0.0
        points = spec.sampling.blocks * spec.sampling.block_size * min(spec.images, self.selected)
        return points * (1 + len(spec.goals)) * self.models[model].macs / spec.parts


def minutes(work: float, device: str, least: int) -> int:
    """Return what to ask of a cluster for a job of ``work`` multiply-accumulates: three times the estimate, and ``least``.

    Args:
        device: ``cpu`` or ``gpu``.
    """
    return math.ceil(3 * work / MACS_PER_SECOND[device] / 60) + least


def estimate(study: Study, found: int | None = None) -> pd.DataFrame:
    """Return a row for each stage of a study, and their total; see :class:`Costs` for what is counted.

    Columns: ``stage, jobs, macs, cpu_hours`` (of one core), ``gpu_hours`` (of one GPU), ``gigabytes``.
    """
    costs = Costs(study, found)
    models = costs.models
    crafted = [(setting, source) for setting in study.settings for source in study.sources(setting.name)]

    def row(stage: str, jobs: int, work: float, size: float, each: float = JOB_SECONDS) -> dict[str, Any]:
        hours = {f"{kind}_hours": (work / rate + jobs * each) / 3600 for kind, rate in MACS_PER_SECOND.items()}
        return {"stage": stage, "jobs": jobs, "macs": work, **hours, "gigabytes": size / 1e9}

    views = sum({cost.values for cost in models.values()})
    perturbed = sum(costs.attacked(setting) * models[source].values for setting, source in crafted)
    shown = sum(costs.attacked(setting) for setting, _ in crafted) * len(models)
    jobs = len(crafted) * len(models)
    attacks = sum(costs.attack(setting, source) for setting, source in crafted)
    pairs = sum(costs.pair(setting, target) for setting, _ in crafted for target in models)
    rows = [
        row("images", 1 + 2 * len(study.views()), 0, views * (costs.candidates + costs.selected)),
        row("models", len(models), sum(map(costs.training, models)), 4 * sum(c.parameters for c in models.values())),
        row("predict", len(models), sum(map(costs.prediction, models)), 0),
        row("attack", len(crafted), attacks, _VALUE * perturbed),
        row("transfer", jobs, pairs, _PAIR_FILE * jobs + _PAIR_ROW * shown, PAIR_SECONDS),
    ]
    if study.clever is not None:
        parts = study.clever.parts
        rows.append(row("clever", len(models) * parts, parts * sum(map(costs.clever, models)), 0))
    table = pd.DataFrame(rows)
    sums = {column: table[column].sum() for column in table.columns.drop("stage")}
    return pd.concat([table, pd.DataFrame([{"stage": "total", **sums}])], ignore_index=True)


def describe(study: Study, table: pd.DataFrame, free: float | None = None) -> str:
    """Return an estimate as text, for people.

    Args:
        table: of :func:`estimate`.
        free: bytes that are free where results go; a warning is added where they may not suffice.
    """
    shown = pd.DataFrame(
        {
            "stage": table["stage"],
            "jobs": table["jobs"].map("{:,}".format),
            "10^12 MACs": (table["macs"] / 1e12).map("{:,.1f}".format),
            "GPU hours": table["gpu_hours"].map("{:,.2f}".format),
            "core hours": table["cpu_hours"].map("{:,.2f}".format),
            "disk [GB]": table["gigabytes"].map("{:,.2f}".format),
        }
    )
    pairs = len(study.models) * (len(study.models) - 1)
    counts = f"{len(study.models)} models, {pairs} ordered pairs in each of {len(study.settings)} settings"
    head = f"{study.name}: {counts}; at most:"
    foot = (
        f"Hours at {MACS_PER_SECOND['gpu'] / 1e12:g} x 10^12 MACs a second on one GPU (assumed) or "
        f"{MACS_PER_SECOND['cpu'] / 1e9:g} x 10^9 on one core (measured on large networks), and {JOB_SECONDS:g} s a job, "
        f"{PAIR_SECONDS:g} s a pair; attacks that stop early take less."
    )
    needed = table["gigabytes"].iloc[-1]
    if free is not None and needed > free / 1e9:
        foot += (
            f"\nadvatlas: {free / 1e9:.1f} GB are free where results go, {needed:.1f} may be needed (keep_adversarials)"
        )
    return f"{head}\n{shown.to_string(index=False)}\n{foot}"
