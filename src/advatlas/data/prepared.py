"""The dataset behind a file of prepared images."""

from __future__ import annotations

from typing import Any

from advatlas.data import DATASETS
from advatlas.data.dataset import Dataset


def dataset_of(options: dict[str, Any]) -> Dataset:
    """Return the dataset of prepared images from the options they follow from: at their size, with their channels."""
    dataset = DATASETS[options["name"]]
    assert isinstance(dataset, Dataset)
    return dataset.at(options["size"], rgb=options["rgb"])
