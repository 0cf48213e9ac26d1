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
# Bytes of a row of a pair's file, compressed (measured on imagenet_mini).
_PAIR_ROW = 40
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


def estimate(study: Study, found: int | None = None) -> pd.DataFrame:
    """Return a row for each stage of a study, and their total.

    Args:
        found: how many pictures there are, where that is known.

    Columns: ``stage, jobs, macs, cpu_hours`` (of one core)``, gpu_hours`` (of one GPU)``, gigabytes``. A pass back costs as
    much as one forward, as only the images need gradients. Counts of images are the most there can be: images that a model
    gets wrong are not attacked, and many attacks stop early.
    """
    costs = model_costs(study)
    total = sum(cost.macs for cost in costs.values())
    candidates, selected = _counts(study, found)
    attacked = {setting.name: min(setting.images or selected, selected) for setting in study.settings}
    sizes = {cost.values for cost in costs.values()}
    pairs = len(study.models)

    def row(stage: str, jobs: int, work: float, size: float, each: float = JOB_SECONDS) -> dict[str, Any]:
        hours = {f"{kind}_hours": (work / rate + jobs * each) / 3600 for kind, rate in MACS_PER_SECOND.items()}
        return {"stage": stage, "jobs": jobs, "macs": work, **hours, "gigabytes": size / 1e9}

    crafting = [(setting, costs[source]) for setting in study.settings for source in study.sources(setting.name)]
    perturbed = sum(attacked[setting.name] * cost.values for setting, cost in crafting)
    looks = sum(attacked[s.name] * _looks(study, s, len(sizes)) for s, _ in crafting)
    training = sum(cost.training for cost in costs.values())
    rows = [
        row("images", 1 + 2 * len(study.views()), 0, sum(sizes) * (candidates + selected)),
        row("models", len(study.models), training, 4 * sum(cost.parameters for cost in costs.values())),
        row("predict", len(study.models), candidates * total, 0),
        row("attack", len(crafting), sum(_crafting(s, attacked[s.name], c) for s, c in crafting), _VALUE * perturbed),
        row(
            "transfer",
            len(crafting) * pairs,
            looks * total,
            _PAIR_ROW * pairs * sum(attacked[setting.name] for setting, _ in crafting),
            PAIR_SECONDS,
        ),
    ]
    if study.clever is not None:
        points = study.clever.sampling.blocks * study.clever.sampling.block_size * min(study.clever.images, selected)
        rows.append(
            row("clever", len(study.models) * study.clever.parts, points * total * (1 + len(study.clever.goals)), 0)
        )
    table = pd.DataFrame(rows)
    sums = {column: table[column].sum() for column in table.columns.drop("stage")}
    return pd.concat([table, pd.DataFrame([{"stage": "total", **sums}])], ignore_index=True)


def _counts(study: Study, found: int | None) -> tuple[int, int]:
    """Return how many images the models are tried on, and how many are attacked, at most."""
    if isinstance(study.dataset, PicturesSpec):
        everything = found or 50_000
        most = study.dataset.dataset.num_classes * (study.dataset.per_class or everything)
        candidates = min(study.dataset.available or everything, most, everything)
    else:
        sizes = dict(study.dataset.dataset.sizes)
        candidates = len(split_indices(sizes, study.dataset.sizes, 0)["test"][1])
    return candidates, min(study.selection.n or candidates, candidates)


def _crafting(setting: AttackSetting, images: int, cost: ModelCost) -> float:
    return images * 2 * passes_of(setting.attack, setting.parameters) * (setting.adaptive or 1) * cost.macs


def _looks(study: Study, setting: AttackSetting, sizes: int) -> int:
    """Return how often a target sees an image of a pair."""
    fits = len(setting.fits or study.fits) if sizes > 1 else 1
    return fits * (2 if study.eight_bit else 1)


def describe(study: Study, found: int | None = None) -> str:
    """Return the estimate as text, for people."""
    table = estimate(study, found)
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
    return f"{head}\n{shown.to_string(index=False)}\n{foot}"
