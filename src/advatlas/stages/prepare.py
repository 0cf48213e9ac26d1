"""prepare-data: a dataset loaded once and cut into its splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advatlas.data import DATASETS
from advatlas.data.dataset import Dataset, Source
from advatlas.data.splits import SplitSizes, prepare, save_splits


def prepare_data(options: dict[str, Any], source: Source, output: Path) -> None:
    """Write the images of all splits of a dataset.

    Args:
        options: ``name``, ``train``, ``validation``, ``test`` and ``seed``, as a study gives them.
    """
    sizes = SplitSizes(options["train"], options["validation"], options["test"])
    dataset = DATASETS[options["name"]]
    assert isinstance(dataset, Dataset)
    splits = prepare(dataset, source, sizes, options["seed"])
    save_splits(output, splits, {"dataset": options})
    for name, images in splits.items():
        print(f"{options['name']}: {name}: {len(images)} images")
