"""The networks benchmarks attack, with images they get right."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import torch
from torch import Tensor

from advatlas import torchvision_compat  # noqa: F401 (timm imports torchvision)
from advatlas.data import DATASETS, Source
from advatlas.data.splits import SplitSizes, prepare
from advatlas.models.classifier import Classifier
from advatlas.models.training import TrainingOptions
from advatlas.models.zoo import ModelRecipe, train_model
from advatlas.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("ADVATLAS_SHARED") or ROOT.parent / "shared") / "data"


def digits(architecture: str, device: str) -> tuple[Classifier, Tensor, Tensor]:
    """Train a network for a moment on the embedded digits; return it with test digits in random order."""
    dataset = DATASETS["mnist_sample"]
    splits = prepare(dataset, Source(Path("unused")), SplitSizes(3000, 200, 500), seed=1)
    options = TrainingOptions(epochs=4, batch_size=32, clip_norm=1.0, warmup_epochs=0.5)
    recipe = ModelRecipe(architecture, architecture, "msra", training=options)
    network, _, _ = train_model(recipe, dataset, splits, device, Progress(f"train {architecture}", options.epochs))
    model = Classifier(
        network,
        name=architecture,
        family=network.family,
        num_classes=10,
        input_size=dataset.input_size,
        mean=dataset.mean,
        std=dataset.std,
    ).to(device)
    return model, *_right(model, splits["test"].pixels().to(device), splits["test"].labels.to(device))


def mobilenet_v2(device: str) -> tuple[Classifier, Tensor, Tensor] | None:
    """MobileNetV2 with ImageNet weights at 224 pixels and real photographs; None where weights or timm are missing.

    Looks in ``ADVATLAS_SHARED/data`` for ``weights/mobilenet_v2_100_224.safetensors`` and ``imagenet/``.
    """
    weights = SHARED / "weights" / "mobilenet_v2_100_224.safetensors"
    if not weights.is_file() or not (SHARED / "imagenet" / "labels.csv").is_file():
        return None
    try:
        import timm
    except ImportError:
        return None
    import numpy as np
    from PIL import Image
    from safetensors.torch import load_file

    network = timm.create_model("mobilenetv2_100", pad_type="same")
    network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
    model = Classifier(
        network,
        name="mobilenet_v2",
        family="MobileNet",
        num_classes=1000,
        input_size=(3, 224, 224),
        mean=[0.5] * 3,
        std=[0.5] * 3,
    ).to(device)
    images, labels = [], []
    with open(SHARED / "imagenet" / "labels.csv", newline="") as file:
        for row in list(csv.DictReader(file))[:96]:
            picture = Image.open(SHARED / "imagenet" / "val" / row["wnid"] / Path(row["file"]).name).convert("RGB")
            scale = 256 / min(picture.size)
            picture = picture.resize([round(side * scale) for side in picture.size], Image.Resampling.BICUBIC)
            left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
            pixels = np.array(picture.crop((left, top, left + 224, top + 224)))
            images.append(torch.from_numpy(pixels).permute(2, 0, 1).float() / 255)
            labels.append(int(row["label"]))
    return model, *_right(model, torch.stack(images).to(device), torch.tensor(labels, device=device))


def _right(model: Classifier, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        right = torch.cat([model(part).argmax(1) for part in images.split(64)]) == labels
    order = torch.randperm(int(right.sum()), generator=torch.Generator().manual_seed(0)).to(images.device)
    return images[right][order], labels[right][order]
