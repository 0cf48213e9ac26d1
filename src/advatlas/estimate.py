"""What a study will cost, before anything runs: jobs, passes through networks, hours of a device, and disk."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from advatlas.data import DATASETS
from advatlas.data.pictures import PictureDataset
from advatlas.models.pretrained import PretrainedRecipe
from advatlas.studies import AttackSetting, PicturesSpec, Study

# Multiply-accumulates a second that networks reach, forward and backward. CPU: measured on one core of a server processor
# (benchmarks/networks.py). GPU: an assumption, not measured: two fifths of the single
# precision peak of a current data-centre GPU.
MACS_PER_SECOND = {"cpu": 12e9, "gpu": 8e12}
# Parameters whose product bounds the passes an attack makes through the network, each forward and back.
_LOOPS = ("steps", "search_steps", "attempts", "restarts")
# Bytes of a row of a pair's file, compressed (measured on imagenet_mini).
_PAIR_ROW = 40


def passes_of(setting: AttackSetting) -> int:
    """Return the most passes, forward and back, an attack setting makes for one image; many stop earlier."""
    passes = math.prod(int(setting.parameters.get(name, 1)) or 1 for name in _LOOPS)
    return passes * (2 if setting.attack == "ead" else 1)


def estimate(study: Study, found: int | None = None) -> pd.DataFrame:
    """Return a row for each stage of a study of pretrained models: jobs, MACs, hours and gigabytes.

    Args:
        found: how many pictures there are, where that is known.

    ``cpu_hours`` are of one core, ``gpu_hours`` of one GPU. A pass back costs as much as one forward, as only the images
    need gradients. Counts of images are the most there can be: images that a model gets wrong are not attacked.

    Raises:
        ValueError: the study trains its models.
    """
    models = [recipe for recipe in study.models if isinstance(recipe, PretrainedRecipe)]
    dataset = DATASETS[study.dataset.name]
    if len(models) < len(study.models) or not isinstance(dataset, PictureDataset):
        raise ValueError("only studies of pretrained models are estimated")
    assert isinstance(study.dataset, PicturesSpec)
    everything = found or 50_000
    most = dataset.num_classes * (study.dataset.per_class or everything)
    candidates = min(study.dataset.available or everything, most, everything)
    selected = min(study.selection.n or candidates, candidates)
    macs = {recipe.name: recipe.macs or 0 for recipe in models}
    values = {recipe.name: 3 * recipe.view.size**2 for recipe in models}
    total = sum(macs.values())
    attacked = {setting.name: min(setting.images or selected, selected) for setting in study.settings}
    precisions = 2 if study.eight_bit else 1
    pairs = len(models) ** 2
    sizes = {recipe.view.size for recipe in models}

    def row(stage: str, jobs: int, work: float, size: float) -> dict[str, Any]:
        hours = {f"{kind}_hours": work / rate / 3600 for kind, rate in MACS_PER_SECOND.items()}
        return {"stage": stage, "jobs": jobs, "macs": work, **hours, "gigabytes": size / 1e9}

    views = sum(3 * size**2 for size in sizes)
    crafting = sum(attacked[s.name] * 2 * passes_of(s) for s in study.settings)
    shown = sum(
        attacked[s.name] * precisions * (len(s.fits or study.fits) if len(sizes) > 1 else 1) for s in study.settings
    )
    images = sum(attacked.values())
    rows = [
        row("weights", len(models), 0, 4 * sum(recipe.parameters or 0 for recipe in models)),
        row("images", 1 + 2 * len(study.views()), 0, views * (candidates + selected)),
        row("predict", len(models), candidates * total, 0),
        row("attack", len(models) * len(study.settings), crafting * total, 2 * images * sum(values.values())),
        row("transfer", pairs * len(study.settings), shown * len(models) * total, _PAIR_ROW * images * pairs),
    ]
    if study.clever is not None:
        points = study.clever.sampling.blocks * study.clever.sampling.block_size * min(study.clever.images, selected)
        rows.append(row("clever", len(models) * study.clever.parts, points * total * (1 + len(study.clever.goals)), 0))
    table = pd.DataFrame(rows)
    sums = {column: table[column].sum() for column in table.columns.drop("stage")}
    return pd.concat([table, pd.DataFrame([{"stage": "total", **sums}])], ignore_index=True)


def describe(study: Study, found: int | None = None) -> str:
    """Return the estimate as text, for people."""
    table = estimate(study, found)
    shown = pd.DataFrame(
        {
            "stage": table["stage"],
            "jobs": table["jobs"].map("{:,}".format),
            "10^12 MACs": (table["macs"] / 1e12).map("{:,.0f}".format),
            "GPU hours": table["gpu_hours"].map("{:,.1f}".format),
            "core hours": table["cpu_hours"].map("{:,.1f}".format),
            "disk [GB]": table["gigabytes"].map("{:,.1f}".format),
        }
    )
    pairs = len(study.models) * (len(study.models) - 1)
    counts = f"{len(study.models)} models, {pairs} ordered pairs in each of {len(study.settings)} settings"
    head = f"{study.name}: {counts}; at most:"
    foot = (
        f"Hours at {MACS_PER_SECOND['gpu'] / 1e12:g} x 10^12 MACs a second on one GPU (assumed) or "
        f"{MACS_PER_SECOND['cpu'] / 1e9:g} x 10^9 on one core (measured); attacks that stop early take less."
    )
    return f"{head}\n{shown.to_string(index=False)}\n{foot}"
