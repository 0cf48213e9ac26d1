"""Fixed splits: which image of which pool is for training, validation and test, and the file that records it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from advatlas.data.dataset import Dataset, Pool, Source
from advatlas.data.imageset import ImageSet
from advatlas.errors import AdvatlasError
from advatlas.seeds import derive_seed
from advatlas.storage.artifacts import Artifact, artifact_writer, read_artifact, read_parts
from advatlas.storage.tensors import tensor_column

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitSizes:
    """How many images each split holds; ``None`` for train and test means all that are left.

    Attributes:
        validation, test: below 1 it is a share: of the images left for training, of all images of the pool.
        pool: ``own`` takes the test split from the dataset's own test images where it has such; ``merged`` puts all
            images together first (campbell2024). Where neighbouring frames of one scene are in the data (GTSRB), merged
            splits put frames of one scene on both sides, and accuracy is too high.
    """

    train: int | None
    validation: float
    test: float | None
    pool: str = "own"


def split_indices(sizes: dict[str, int], wanted: SplitSizes, seed: int) -> dict[str, tuple[str, np.ndarray]]:
    """Choose the images of each split.

    Args:
        sizes: images in each pool of the dataset.
        wanted: images asked for in each split.
        seed: the same seed gives the same split on every machine.

    Returns:
        For each split the pool it comes from and the chosen positions in it, ascending.

    Raises:
        AdvatlasError: a pool has fewer images than are asked for.
    """

    def shuffled(pool: str) -> np.ndarray:
        return np.random.default_rng(derive_seed(seed, "split", pool)).permutation(sizes[pool])

    def taken(pool: str, order: np.ndarray, wanted: float | None, split: str) -> tuple[np.ndarray, np.ndarray]:
        count = len(order) if wanted is None else int(wanted) if wanted >= 1 else round(wanted * len(order))
        if count > len(order) or count == 0:
            raise AdvatlasError(
                f"the {split} split asks for {count} images, but {len(order)} of the {sizes[pool]} images of the "
                f"{pool} pool are left; lower dataset.train, dataset.validation or dataset.test"
            )
        return np.sort(order[:count]), order[count:]

    if wanted.pool == "merged":
        sizes = {"train": sum(sizes.values())}
    rest = shuffled("train")
    if "test" in sizes:
        test_pool, test = "test", taken("test", shuffled("test"), wanted.test, "test")[0]
    else:
        test_pool, (test, rest) = "train", taken("train", rest, wanted.test, "test")
    validation, rest = taken("train", rest, wanted.validation, "validation")
    train, rest = taken("train", rest, wanted.train, "train")
    return {"train": ("train", train), "validation": ("train", validation), "test": (test_pool, test)}


def prepare(dataset: Dataset, source: Source, wanted: SplitSizes, seed: int) -> dict[str, ImageSet]:
    """Load a dataset and cut it into its splits."""
    pools = dataset.pools(source)
    if wanted.pool == "merged":
        names = sorted(pools, reverse=True)
        pools = {
            "train": Pool(
                np.concatenate([pools[name].images for name in names]),
                np.concatenate([pools[name].labels for name in names]),
            )
        }
    chosen = split_indices({name: len(pool.labels) for name, pool in pools.items()}, wanted, seed)
    return {
        split: ImageSet(
            np.array([f"{pool}/{index:05d}" for index in indices]),
            torch.from_numpy(pools[pool].images[indices]),
            torch.from_numpy(pools[pool].labels[indices]),
        )
        for split, (pool, indices) in chosen.items()
    }


def save_splits(path: Path, splits: dict[str, ImageSet], metadata: dict[str, Any]) -> None:
    """Write all splits as one Parquet file: image_id, split, label, image (uint8 C x H x W)."""
    with artifact_writer(path, "images", metadata) as writer:
        for name in SPLITS:
            writer.write(image_columns(splits[name], name))


def load_split(path: Path, split: str) -> ImageSet:
    """Read one split of a file of images."""
    return _image_set(read_artifact(path, "images", filters=[("split", "==", split)]))


def read_images(path: Path, size: int) -> Iterator[ImageSet]:
    """Read the test images of a file part by part, at most ``size`` at once."""
    for part in read_parts(path, "images", size):
        images = _image_set(part)
        test = part.column("split") == "test"
        if test.any():
            yield images if test.all() else images.subset(test)


def image_columns(images: ImageSet, split: str = "test") -> dict[str, Any]:
    """Return images as columns of the kind ``images``."""
    return {
        "image_id": images.ids,
        "split": np.repeat([split], len(images)),
        "label": images.labels.numpy(),
        "image": tensor_column(images.images.numpy()),
    }


def _image_set(artifact: Artifact) -> ImageSet:
    return ImageSet(
        artifact.column("image_id"),
        torch.from_numpy(artifact.tensor("image")),
        torch.from_numpy(artifact.column("label")),
    )
