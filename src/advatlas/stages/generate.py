"""generate-adversarials: one attack setting on one source model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advatlas.attacks import ATTACKS
from advatlas.attacks.attack import run_attack
from advatlas.attacks.goal import Goal, Targeted, Untargeted
from advatlas.attacks.red_flags import RedFlagWarning
from advatlas.attacks.result import AttackResult
from advatlas.data.imageset import ImageSet
from advatlas.data.splits import load_split
from advatlas.metrics.distortion import norms, ssim
from advatlas.models.classifier import Classifier, predict_logits
from advatlas.models.zoo import is_excluded, load_card, load_classifier
from advatlas.progress import Progress
from advatlas.storage.artifacts import Artifact, no_rows, read_artifact, write_artifact
from advatlas.storage.tensors import tensor_column, toward_zero_float16


@dataclass(frozen=True)
class Adversarials:
    """Stored adversarial examples, joined with the clean images they were made from.

    Attributes:
        originals: float32, N x C x H x W in [0, 1].
        images: what every target sees: ``clip(originals + perturbation)``.
    """

    artifact: Artifact
    originals: Tensor
    images: Tensor

    @property
    def images_uint8(self) -> Tensor:
        """The same images after rounding to 8 bits, as an image file would hold them."""
        return (self.images * 255).round() / 255


def generate_adversarials(
    setting: dict[str, Any],
    images: Path,
    selection: Path,
    predictions: Path,
    weights: Path,
    card_path: Path,
    output: Path,
    device: str,
    batch_size: int,
    progress: Progress,
) -> None:
    """Attack the selected images that the source model gets right, and write the adversarials.

    The columns are those of the kind ``adversarials``; success is evaluated on the images as they are stored, and once
    more after rounding to 8 bits. An excluded source gives a file without rows.
    """
    card = load_card(card_path)
    clean, goal = _attacked(setting, images, selection, predictions, excluded=is_excluded(card))
    metadata = {"setting": setting, "source": card["name"], "excluded": is_excluded(card)}
    shape = tuple(clean.images.shape[1:])
    if len(clean) == 0:
        write_artifact(output, "adversarials", no_rows("adversarials", perturbation=shape), metadata)
        progress.say("nothing to attack: " + (card["reason"] or "no selected image is classified correctly"))
        return
    classifier = load_classifier(weights, card, device)
    progress.total = len(clean)
    originals = clean.pixels()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RedFlagWarning)
        result = run_attack(
            ATTACKS[setting["attack"]], classifier, originals, goal, setting["parameters"], batch_size, progress
        )
    metadata["red_flags"] = sorted({str(w.message) for w in caught if w.category is RedFlagWarning})
    for flag in metadata["red_flags"]:
        progress.warn(flag)
    columns = _columns(classifier, clean, goal, originals, result, batch_size)
    write_artifact(output, "adversarials", columns, metadata)


def _attacked(
    setting: dict[str, Any], images: Path, selection: Path, predictions: Path, *, excluded: bool
) -> tuple[ImageSet, Goal]:
    """Return the images to attack and the goal of each."""
    clean = load_split(images, "test")
    chosen = read_artifact(selection, "selection")
    if excluded:
        return clean.subset(np.arange(0)), Untargeted(torch.empty(0, dtype=torch.int64))
    said = read_artifact(predictions, "predictions").frame().set_index("image_id").loc[clean.ids]
    labels = clean.labels.numpy()
    targets = {
        "untargeted": None,
        "random": chosen.column("random_target"),
        "least_likely": said["least_likely"].to_numpy(),
        "class": np.full_like(labels, setting["target_class"] or 0),
    }[setting["goal"]]
    attacked = said["correct"].to_numpy()
    if targets is None:
        return clean.subset(attacked), Untargeted(torch.from_numpy(labels[attacked]))
    attacked = attacked & (targets != labels)
    return clean.subset(attacked), Targeted(torch.from_numpy(labels[attacked]), torch.from_numpy(targets[attacked]))


def _columns(
    classifier: Classifier,
    clean: ImageSet,
    goal: Goal,
    originals: Tensor,
    result: AttackResult,
    batch_size: int,
) -> dict[str, Any]:
    perturbation = (result.images - originals).numpy()
    half = toward_zero_float16(perturbation)
    stored = _shown(originals, half)
    logits = predict_logits(classifier, stored, batch_size)
    if bool((result.success & ~goal.success(logits)).any()):
        # The nearest adversarials lie so close to the boundary that half precision brings them back.
        stored = _shown(originals, perturbation)
        logits = predict_logits(classifier, stored, batch_size)
    else:
        perturbation = half
    rounded = predict_logits(classifier, (stored * 255).round() / 255, batch_size)
    return {
        "image_id": clean.ids,
        "label": clean.labels.numpy(),
        "target": [None] * len(clean) if goal.targets is None else goal.targets.numpy(),
        # The attack says whether its confidence was reached; storing the image must not have undone the goal itself.
        "success": (result.success & goal.success(logits)).numpy(),
        "success_uint8": (result.success & goal.success(rounded)).numpy(),
        "prediction": logits.argmax(1).numpy(),
        "confidence": logits.softmax(1).amax(1).numpy(),
        **norms((stored - originals).numpy()),
        "ssim": ssim(originals.numpy(), stored.numpy()),
        "iterations": result.iterations.numpy(),
        "forward_queries": result.forward_queries.numpy(),
        "backward_queries": result.backward_queries.numpy(),
        "seconds": result.seconds.numpy(),
        "perturbation": tensor_column(perturbation),
    }


def _shown(originals: Tensor, perturbation: np.ndarray) -> Tensor:
    """Return the images that follow from a stored perturbation: what every target sees."""
    return (originals + torch.from_numpy(perturbation.astype(np.float32))).clamp(0, 1)


def load_adversarials(path: Path | str, images: ImageSet) -> Adversarials:
    """Read adversarials and join them with the selected clean images."""
    artifact = read_artifact(path, "adversarials")
    place = {identifier: index for index, identifier in enumerate(images.ids)}
    originals = images.subset(np.array([place[i] for i in artifact.column("image_id")], dtype=np.int64)).pixels()
    return Adversarials(artifact, originals, _shown(originals, artifact.tensor("perturbation")))
