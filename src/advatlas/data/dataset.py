"""What a dataset module provides, and where it may look for its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Pool:
    """Images as a dataset ships them: uint8 N x C x H x W, and labels in [0, K)."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Source:
    """Where data may come from: a local folder, searched first, and whether missing files may be downloaded."""

    folder: Path
    download: bool = True


@dataclass(frozen=True)
class Dataset:
    """A dataset's facts and how to load it.

    Attributes:
        load: returns the named pools. With a ``test`` pool the test split is taken from it; with ``train`` alone
            every split is taken from that one.
        present: says whether the files lie in the folder already (embedded data: always).
        sizes: images in each pool, for checking a study before anything is loaded.
        mean, std: per-channel statistics of the training images in [0, 1].
    """

    name: str
    channels: int
    size: int
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sizes: dict[str, int]
    load: Callable[[Source], dict[str, Pool]]
    present: Callable[[Path], bool]
    where: str

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def input_size(self) -> tuple[int, int, int]:
        return (self.channels, self.size, self.size)
