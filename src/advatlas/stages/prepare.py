"""prepare-data: a dataset loaded once and cut into its splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advatlas.data.dataset import Source
from advatlas.data.prepared import dataset_of
from advatlas.data.splits import SplitSizes, prepare, save_splits


def prepare_data(options: dict[str, Any], source: Source, output: Path) -> None:
    """Write the images of all splits of a dataset.

    Args:
        options: ``name``, ``train``, ``validation``, ``test``, ``pool``, ``seed``, ``size`` and ``rgb``, as a study gives
            them.
    """
    sizes = SplitSizes(options["train"], options["validation"], options["test"], options["pool"])
    splits = prepare(dataset_of(options), source, sizes, options["seed"])
    save_splits(output, splits, {"dataset": options})
    for name, images in splits.items():
        print(f"{options['name']}: {name}: {len(images)} images")
