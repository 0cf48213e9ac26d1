"""CIFAR-10: 50,000 and 10,000 colour images of 32x32 in ten classes (Krizhevsky 2009)."""

from __future__ import annotations

from advatlas.data.dataset import Dataset
from advatlas.data.sources import local_or_downloaded, locate

CIFAR10 = Dataset(
    name="cifar10",
    channels=3,
    size=32,
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    sizes={"train": 50_000, "test": 10_000},
    load=lambda source, _size: local_or_downloaded("cifar10", "CIFAR10", "cifar-10-batches-py", source),
    present=lambda folder: locate(folder, "cifar10", "cifar-10-batches-py") is not None,
    where="cifar-10-batches-py/ as torchvision keeps it, or the Hub's train-*.parquet and test-*.parquet in cifar10/",
)
