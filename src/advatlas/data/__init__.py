"""Datasets: one module each, one line here for each."""

from __future__ import annotations

from advatlas.data.cifar10 import CIFAR10
from advatlas.data.dataset import Dataset, Pool, Source
from advatlas.data.gtsrb import GTSRB
from advatlas.data.imagenet import IMAGENET, IMAGENET_SAMPLE
from advatlas.data.imagenette import IMAGENETTE
from advatlas.data.imageset import ImageSet
from advatlas.data.mnist import MNIST
from advatlas.data.mnist_sample import MNIST_SAMPLE
from advatlas.data.pictures import PictureDataset

DATASETS: dict[str, Dataset | PictureDataset] = {
    "mnist_sample": MNIST_SAMPLE,
    "mnist": MNIST,
    "cifar10": CIFAR10,
    "gtsrb": GTSRB,
    "imagenette": IMAGENETTE,
    "imagenet": IMAGENET,
    "imagenet_sample": IMAGENET_SAMPLE,
}

__all__ = ["DATASETS", "Dataset", "ImageSet", "PictureDataset", "Pool", "Source"]
