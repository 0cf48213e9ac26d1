"""Datasets: one module each, one line here for each."""

from __future__ import annotations

from advatlas.data.cifar10 import CIFAR10
from advatlas.data.dataset import Dataset, Pool, Source
from advatlas.data.imageset import ImageSet
from advatlas.data.mnist import MNIST
from advatlas.data.mnist_sample import MNIST_SAMPLE

DATASETS: dict[str, Dataset] = {
    "mnist_sample": MNIST_SAMPLE,
    "mnist": MNIST,
    "cifar10": CIFAR10,
}

__all__ = ["DATASETS", "Dataset", "ImageSet", "Pool", "Source"]
