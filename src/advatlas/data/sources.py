"""Finding a dataset's files: torchvision's own layout, the Hub's Parquet shards, or a download."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from advatlas import torchvision_compat  # noqa: F401 (torchvision and timm, imported where needed, need it)
from advatlas.data.dataset import Dataset, Pool, Source
from advatlas.errors import AdvatlasError


@dataclass(frozen=True)
class Located:
    """Where a dataset lies: the folder torchvision calls its root, or the folder of Parquet shards."""

    root: Path
    shards: bool


def locate(folder: Path, name: str, marker: str) -> Located | None:
    """Look for a dataset in ``folder`` and in ``folder/name``.

    Args:
        folder: the data folder of the configuration.
        name: the dataset's name, also the name of its folder of shards.
        marker: the path below torchvision's root that shows its layout, e.g. ``cifar-10-batches-py``.
    """
    for root in (folder, folder / name):
        if (root / marker).is_dir():
            return Located(root, shards=False)
    for root in (folder / name, folder / name / "data", folder / name / name):
        if any(root.glob("train-*.parquet")) and any(root.glob("test-*.parquet")):
            return Located(root, shards=True)
    return None


def read_shards(folder: Path, split: str) -> Pool:
    """Read every ``{split}-*.parquet`` of the Hub's image layout: a column ``img`` or ``image`` of {bytes, path},
    and ``label``."""
    shards = sorted(folder.glob(f"{split}-*.parquet"))
    try:
        table = pa.concat_tables([pq.read_table(shard) for shard in shards])
        column = "img" if "img" in table.column_names else "image"
        encoded = table[column].combine_chunks().field("bytes").to_pylist()
        labels = table["label"].to_numpy().astype(np.int64)
        with ThreadPoolExecutor() as workers:
            decoded = list(workers.map(lambda b: np.asarray(Image.open(io.BytesIO(b))), encoded))
        images = np.stack(decoded)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise AdvatlasError(
            f"{folder}: cannot read the {split} shards ({error}); expected Parquet files with the columns "
            "'img' or 'image' ({bytes, path}) and 'label'"
        ) from error
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return Pool(np.ascontiguousarray(images), labels)


def _read_torchvision(cls_name: str, root: Path, download: bool) -> dict[str, Pool]:
    from torchvision import datasets

    pools = {}
    for split, train in (("train", True), ("test", False)):
        dataset = getattr(datasets, cls_name)(str(root), train=train, download=download)
        images = np.asarray(dataset.data)
        images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        pools[split] = Pool(np.ascontiguousarray(images), np.asarray(dataset.targets, dtype=np.int64))
    return pools


def local_or_downloaded(name: str, cls_name: str, marker: str, source: Source) -> dict[str, Pool]:
    """Return the train and test pools from local files, or download them into ``source.folder``.

    Raises:
        AdvatlasError: the files are absent and may not, or cannot, be downloaded; or they are corrupt.
    """
    found = locate(source.folder, name, marker)
    if found is not None and found.shards:
        return {split: read_shards(found.root, split) for split in ("train", "test")}
    if found is None and not source.download:
        raise AdvatlasError(missing(name, marker, source))
    root = source.folder if found is None else found.root
    try:
        return _read_torchvision(cls_name, root, download=source.download)
    except Exception as error:  # torchvision raises whatever its HTTP client or archive reader raises
        reason = " ".join(str(error).split()) or type(error).__name__
        if found is None:
            raise AdvatlasError(f"{missing(name, marker, source)} The download failed: {reason}") from error
        raise AdvatlasError(
            f"{root / marker}: the {name} files are incomplete or corrupt ({reason}); delete the folder and run again"
        ) from error


def check_available(dataset: Dataset, folder: Path, download: bool) -> None:
    """Check before any work that a dataset is there or may be downloaded.

    Raises:
        AdvatlasError: it is neither; the message says what to do.
    """
    if not download and not dataset.present(folder):
        raise AdvatlasError(
            f"dataset '{dataset.name}' is not in {folder}/ and config.yaml has download: false; expected "
            f"{dataset.where}. Put it there, point data_dir or the environment variable ADVATLAS_DATA at a folder that "
            "has it, or set download: true"
        )


def missing(name: str, marker: str, source: Source) -> str:
    """Return the sentence that says a dataset is not there and what to do about it."""
    return (
        f"dataset '{name}': not found in {source.folder}/ (looked for {marker}/ as torchvision keeps it, and for "
        f"{name}/train-*.parquet and {name}/test-*.parquet). Put it there, or point data_dir in config.yaml or the "
        "environment variable ADVATLAS_DATA at a folder that has it; the study mnist_quick needs no download."
    )
