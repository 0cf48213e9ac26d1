"""train-model: a network trained, with its card and history."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from advatlas.data import DATASETS
from advatlas.data.dataset import Dataset
from advatlas.data.splits import SPLITS, load_split
from advatlas.models.training import Epoch, TrainingOptions
from advatlas.models.zoo import ModelRecipe, save_model, train_model
from advatlas.progress import Progress
from advatlas.storage.artifacts import read_metadata, write_artifact


def train(
    recipe: dict[str, Any],
    images: Path,
    weights: Path,
    card_path: Path,
    history: Path,
    device: str,
    progress: Progress,
) -> None:
    """Train the model of a recipe and write weights, card and history.

    A network that does not train is a result: its card says so, and the later stages leave it out.
    """
    model = ModelRecipe(**{**recipe, "training": TrainingOptions(**recipe["training"])})
    splits = {split: load_split(images, split) for split in SPLITS}
    dataset = DATASETS[read_metadata(images)["dataset"]["name"]]
    assert isinstance(dataset, Dataset)
    network, result, card = train_model(model, dataset, splits, device, progress)
    save_model(network, card, weights, card_path)
    frame = pd.DataFrame(
        [dataclasses.asdict(e) for e in result.history], columns=[f.name for f in dataclasses.fields(Epoch)]
    )
    write_artifact(history, "training", {c: frame[c].to_numpy() for c in frame.columns}, {"model": model.name})
    outcome = f"{model.name}: {result.status}, test accuracy {card['test_accuracy']:.4f}"
    progress.say(outcome + (f" - EXCLUDED: {result.reason}" if result.reason else ""))
