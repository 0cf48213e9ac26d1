"""Finding a dataset's files: torchvision's own layout, the Hub's Parquet shards, or a download."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from advatlas import torchvision_compat  # noqa: F401 (torchvision and timm, imported where needed, need it)
from advatlas.data.dataset import Dataset, Pool, Source
from advatlas.data.pictures import Picture, decode
from advatlas.data.views import View
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


@dataclass(frozen=True)
class TorchvisionPictures:
    """Labelled pictures of any size in a layout of torchvision, looked for in a data folder and in ``folder/name``.

    Attributes:
        cls: the class of ``torchvision.datasets``.
        splits: for each pool torchvision's name of it.
        classes: how many there must be: torchvision numbers the folders it finds, so a missing one would shift labels.
        options: more arguments of the class.
        marker: the folder below torchvision's root that shows the layout; ``name`` when empty.
    """

    name: str
    cls: str
    splits: dict[str, str]
    classes: int
    options: dict[str, Any] = field(default_factory=dict)
    marker: str = ""

    def _root(self, folder: Path) -> Path | None:
        roots = (folder, folder / self.name)
        return next((root for root in roots if (root / (self.marker or self.name)).is_dir()), None)

    def present(self, folder: Path) -> bool:
        """Say whether the pictures lie in the folder."""
        return self._root(folder) is not None

    def load(self, source: Source, size: int) -> dict[str, Pool]:
        """Return the pools, the square centre of each picture brought to ``size``.

        Raises:
            AdvatlasError: the pictures are absent and may not, or cannot, be downloaded; or some are missing or damaged.
        """
        from torchvision import datasets

        root = self._root(source.folder)
        where = f"{source.folder}/{self.marker or self.name}"
        if root is None and not source.download:
            raise AdvatlasError(
                f"dataset '{self.name}': not found (looked for {where}/ as torchvision keeps it). Put it there, or point "
                "data_dir in config.yaml or the environment variable ADVATLAS_DATA at a folder that has it"
            )
        pools = {}
        for pool, split in self.splits.items():
            try:
                found = getattr(datasets, self.cls)(
                    str(root or source.folder), split=split, download=root is None, **self.options
                )
            except Exception as error:  # whatever torchvision's HTTP client or archive reader raises
                reason = " ".join(str(error).split()) or type(error).__name__
                raise AdvatlasError(
                    f"dataset '{self.name}': {where}: cannot be read or downloaded: {reason}"
                ) from error
            samples = found._samples
            if split == "train" and len({label for _, label in samples}) != self.classes:
                raise AdvatlasError(
                    f"{where}: {len({label for _, label in samples})} class folders, expected {self.classes}; delete it "
                    "and get it again"
                )
            pictures = [Picture(Path(path).stem, label, str(path)) for path, label in samples]
            pools[pool] = Pool(
                decode(pictures, View(size, 1.0, "bilinear")), np.array([label for _, label in samples], np.int64)
            )
        return pools


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
