"""What the tests share: small networks, real digits, and where optional real data may lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from advatlas.data import DATASETS, ImageSet, Source
from advatlas.data.splits import SplitSizes, prepare
from advatlas.models.classifier import Classifier

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("ADVATLAS_SHARED") or ROOT.parent / "shared")

torch.set_num_threads(1)


def classifier_of(network: nn.Module, channels: int = 1, size: int = 28, classes: int = 10) -> Classifier:
    """Put a network behind the contract, without normalisation."""
    return Classifier(
        network,
        name="test",
        family="test",
        num_classes=classes,
        input_size=(channels, size, size),
        mean=[0.0] * channels,
        std=[1.0] * channels,
    )


def small_network(channels: int = 1, size: int = 28, classes: int = 10, seed: int = 0) -> nn.Module:
    """Return a small convolutional network with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(channels, 6, 3, stride=2, padding=1),
            nn.Tanh(),
            nn.Conv2d(6, 8, 3, stride=2, padding=1),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(8 * (-(-size // 4)) ** 2, classes),
        )


@pytest.fixture(scope="session")
def digits() -> dict[str, ImageSet]:
    """Splits of the embedded digits."""
    return prepare(DATASETS["mnist_sample"], Source(Path("unused")), SplitSizes(1200, 200, 400), seed=1)


@pytest.fixture(scope="session")
def lenet(digits: dict[str, ImageSet]) -> Classifier:
    """A narrow LeNet trained for a moment on the digits (about 90% right)."""
    from advatlas.models.training import TrainingOptions
    from advatlas.models.zoo import ModelRecipe, train_model

    recipe = ModelRecipe("lenet", "lenet", "xavier", width=0.5, training=TrainingOptions(epochs=3, batch_size=16))
    dataset = DATASETS["mnist_sample"]
    network, _, card = train_model(recipe, dataset, digits)
    return Classifier(
        network,
        name="lenet",
        family="LeNet",
        num_classes=10,
        input_size=dataset.input_size,
        mean=dataset.mean,
        std=dataset.std,
        card=card,
    )


@pytest.fixture(scope="session")
def correct_digits(lenet: Classifier, digits: dict[str, ImageSet]) -> tuple[Tensor, Tensor]:
    """128 test digits, as pixels in [0, 1] and labels, that the trained LeNet gets right."""
    images, labels = digits["test"].pixels(), digits["test"].labels
    right = lenet(images).argmax(1) == labels
    order = torch.randperm(int(right.sum()), generator=torch.Generator().manual_seed(0))[:128]
    return images[right][order], labels[right][order]


@pytest.fixture
def shared() -> Path:
    """The folder of optional real data; the test is skipped where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"no optional data in {SHARED / 'data'} (set ADVATLAS_SHARED)")
    return SHARED / "data"
