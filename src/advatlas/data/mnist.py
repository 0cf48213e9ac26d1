"""MNIST: 60,000 and 10,000 handwritten digits of 28x28 (LeCun et al. 1998)."""

from __future__ import annotations

from advatlas.data.dataset import Dataset
from advatlas.data.sources import local_or_downloaded, locate

MNIST = Dataset(
    name="mnist",
    channels=1,
    size=28,
    class_names=tuple("0123456789"),
    mean=(0.1307,),
    std=(0.3081,),
    sizes={"train": 60_000, "test": 10_000},
    load=lambda source, _size: local_or_downloaded("mnist", "MNIST", "MNIST/raw", source),
    present=lambda folder: locate(folder, "mnist", "MNIST/raw") is not None,
    where="MNIST/raw/*-ubyte[.gz] as torchvision keeps it, or the Hub's train-*.parquet and test-*.parquet in mnist/",
)
