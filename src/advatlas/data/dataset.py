"""What a dataset module provides, and where it may look for its files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from advatlas.errors import AdvatlasError


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
        channels, size: of the images as the dataset ships them; of pictures of any size, what they are brought to
            where a study does not say otherwise (``any_size``).
        load: returns the named pools, given ``size``; a dataset of images of one size leaves that aside. With a
            ``test`` pool the test split is taken from it; with ``train`` alone every split is taken from that one.
        present: says whether the files lie in the folder already (embedded data: always).
        shipped: channels, height and width before :meth:`at` changed them; None: unchanged.
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
    load: Callable[[Source, int], dict[str, Pool]]
    present: Callable[[Path], bool]
    where: str
    any_size: bool = False
    shipped: tuple[int, int, int] | None = None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def input_size(self) -> tuple[int, int, int]:
        return (self.channels, self.size, self.size)

    def at(self, size: int | None, *, rgb: bool = False) -> Dataset:
        """Return the dataset with its images at another size and, with ``rgb``, in three channels."""
        repeat = 3 if rgb and self.channels == 1 else 1
        return dataclasses.replace(
            self,
            size=size or self.size,
            channels=self.channels * repeat,
            mean=self.mean * repeat,
            std=self.std * repeat,
            shipped=self.shipped or self.input_size,
        )

    def pools(self, source: Source) -> dict[str, Pool]:
        """Load the pools, at the dataset's size and with its channels.

        Raises:
            AdvatlasError: the files are absent, or do not hold what they must.
        """
        pools = self.load(source, self.size)
        for name, pool in pools.items():
            self._check(name, pool)
        return {name: Pool(_fitted(pool.images, self.channels, self.size), pool.labels) for name, pool in pools.items()}

    def _check(self, name: str, pool: Pool) -> None:
        expected = self.input_size if self.any_size else self.shipped or self.input_size
        if pool.images.shape[1:] != expected or pool.images.dtype != np.uint8:
            raise AdvatlasError(
                f"dataset '{self.name}': the {name} images are {pool.images.dtype} of shape {pool.images.shape[1:]}, "
                f"expected uint8 of {expected}"
            )
        labels = pool.labels
        if len(labels) != len(pool.images) or labels.min() < 0 or labels.max() >= self.num_classes:
            raise AdvatlasError(
                f"dataset '{self.name}': the {name} pool has {len(pool.images)} images and {len(labels)} labels from "
                f"{labels.min()} to {labels.max()}, expected 0 to {self.num_classes - 1}"
            )


def _fitted(images: np.ndarray, channels: int, size: int) -> np.ndarray:
    """Resize uint8 images N x C x H x W (bilinear, antialiased), and repeat a grey channel three times."""
    if images.shape[2:] != (size, size):
        import torch
        from torch.nn import functional as F

        floats = F.interpolate(
            torch.from_numpy(images).float(), (size, size), mode="bilinear", antialias=True, align_corners=False
        )
        images = floats.round().clamp(0, 255).to(torch.uint8).numpy()
    if images.shape[1] == 1 and channels == 3:
        images = images.repeat(3, axis=1)
    return images
