"""train-model and defend-model: a network trained, or a model made from a model, with card and history."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from advatlas.data.prepared import dataset_of
from advatlas.data.splits import SPLITS, load_split
from advatlas.models.training import Epoch, TrainingOptions, TrainingResult
from advatlas.models.zoo import (
    DefendedRecipe,
    is_excluded,
    load_card,
    model_recipe,
    save_model,
    train_defended,
    train_model,
    wrapped_card,
    write_card,
)
from advatlas.progress import Progress
from advatlas.storage.artifacts import read_metadata, write_artifact
from advatlas.storage.atomic import atomic_path


def train(
    recipe: dict[str, Any],
    images: Path,
    weights: Path,
    card_path: Path,
    history: Path,
    device: str,
    progress: Progress,
    weights_dir: Path | None = None,
) -> None:
    """Train the model of a recipe and write weights, card and history.

    A network that does not train is a result: its card says so, and the later stages leave it out.
    """
    splits = {split: load_split(images, split) for split in SPLITS}
    dataset = dataset_of(read_metadata(images)["dataset"])
    network, result, card = train_model(model_recipe(recipe), dataset, splits, device, progress, weights_dir)
    save_model(network, card, weights, card_path)
    _write_history(result, card, history, progress)


def defend(
    recipe: dict[str, Any],
    base_weights: Path,
    base_card: Path,
    images: Path,
    weights: Path,
    card_path: Path,
    history: Path,
    device: str,
    progress: Progress,
    weights_dir: Path | None = None,
) -> None:
    """Make the model of a defense that trains, from the model it defends, and write weights, card and history.

    A model that was excluded cannot be defended: what is made of it is excluded too.
    """
    options = TrainingOptions(**recipe["training"])
    defended, base = DefendedRecipe(**{**recipe, "training": options}), load_card(base_card)
    if is_excluded(base):
        wrap(recipe, base_weights, base_card, weights, card_path)
        _write_history(TrainingResult(), base, history, progress)
        return
    splits = {split: load_split(images, split) for split in SPLITS}
    dataset = dataset_of(read_metadata(images)["dataset"])
    network, result, card = train_defended(defended, base_weights, base, dataset, splits, device, progress, weights_dir)
    save_model(network, card, weights, card_path)
    _write_history(result, card, history, progress)


def wrap(recipe: dict[str, Any], base_weights: Path, base_card: Path, weights: Path, card_path: Path) -> None:
    """Make the model of a defense that wraps: the weights of the model within, and a card that says what is around it."""
    with atomic_path(weights) as temporary:
        shutil.copyfile(base_weights, temporary)
    write_card(wrapped_card(DefendedRecipe(**recipe), load_card(base_card)), card_path)


def _write_history(result: TrainingResult, card: dict[str, Any], history: Path, progress: Progress) -> None:
    frame = pd.DataFrame(
        [dataclasses.asdict(e) for e in result.history], columns=[f.name for f in dataclasses.fields(Epoch)]
    )
    write_artifact(history, "training", {c: frame[c].to_numpy() for c in frame.columns}, {"model": card["name"]})
    outcome = f"{card['name']}: {card['status']}, test accuracy {card['test_accuracy']:.4f}"
    progress.say(outcome + (f" - EXCLUDED: {card['reason']}" if card["reason"] else ""))
