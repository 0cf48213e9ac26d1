"""select-images: which images the study attacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from advatlas.data.imageset import ImageSet
from advatlas.data.splits import load_split
from advatlas.errors import AdvatlasError
from advatlas.seeds import derive_seed
from advatlas.storage.artifacts import read_artifact, write_artifact
from advatlas.storage.tensors import tensor_column


def random_targets(labels: np.ndarray, num_classes: int, seed: int) -> np.ndarray:
    """Draw one wrong class for each image, uniformly; the same for every model, drawn before any filtering."""
    rng = np.random.default_rng(derive_seed(seed, "random target"))
    draw = rng.integers(0, num_classes - 1, len(labels))
    return draw + (draw >= labels)


def choose(mode: str, n: int, labels: np.ndarray, correct: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """Return the positions of the chosen images, ascending.

    Args:
        mode: ``common``, ``per_source`` or ``one_per_class``.
        n: how many are wanted.
        labels: of the candidates.
        correct: for each model whether it gets each candidate right; excluded models are not in it.

    Raises:
        AdvatlasError: there are fewer than asked for; the message counts them per model.
    """
    common = np.logical_and.reduce(list(correct.values()))
    order = np.random.default_rng(derive_seed(seed, "selection")).permutation(len(labels))
    counts = ", ".join(
        f"{name} {int(right.sum())}" for name, right in sorted(correct.items(), key=lambda i: i[1].sum())
    )
    remedy = (
        "ask for fewer (selection.n), more test images (dataset.test), or raise min_accuracy to leave weak models out"
    )
    if mode == "per_source":
        return np.sort(order[:n])
    if mode == "one_per_class":
        chosen = []
        missing = []
        for label in range(n):
            of_class = order[(labels[order] == label) & common[order]]
            chosen.extend(of_class[:1])
            missing.extend([label] if len(of_class) == 0 else [])
        if missing:
            raise AdvatlasError(
                f"selection: of {len(missing)} of {n} classes ({missing[:10]} ...) no test image is right by all "
                f"{len(correct)} models; right per model, of {len(labels)}: {counts}; {remedy}"
            )
        return np.sort(chosen)
    order = order[common[order]]
    if len(order) < n:
        raise AdvatlasError(
            f"selection: {n} images are asked for, but only {len(order)} of the {len(labels)} test images are right by "
            f"all {len(correct)} models; right per model: {counts}; {remedy}"
        )
    return np.sort(order[:n])


def select_images(
    images: Path,
    predictions: Sequence[Path],
    options: dict[str, Any],
    num_classes: int,
    selection: Path,
    selected: Path,
) -> None:
    """Write the chosen images' ids, labels and random targets, and the images themselves.

    Args:
        options: ``images`` (the mode), ``n`` and ``seed``.
        selection: the table to write.
        selected: the file of images to write.

    Raises:
        AdvatlasError: too few images, or no model is left.
    """
    candidates = load_split(images, "test")
    correct = {}
    for path in predictions:
        artifact = read_artifact(path, "predictions")
        if not artifact.metadata["excluded"]:
            correct[artifact.metadata["model"]] = artifact.column("correct")
    if not correct:
        raise AdvatlasError(
            "selection: every model of the study was excluded (see results/models/.../card.json for each reason); "
            "train longer or lower min_accuracy"
        )
    labels = candidates.labels.numpy()
    chosen = choose(options["images"], options["n"], labels, correct, options["seed"])
    right = np.sum(list(correct.values()), axis=0)
    columns = {
        "image_id": candidates.ids[chosen],
        "label": labels[chosen],
        "random_target": random_targets(labels, num_classes, options["seed"])[chosen],
        "models_correct": right[chosen],
        "common_correct": (right == len(correct))[chosen],
    }
    write_artifact(selection, "selection", columns, {"selection": options, "models": sorted(correct)})
    save_images(selected, candidates.subset(chosen))
    print(
        f"selected {len(chosen)} of {len(labels)} test images; {int((right == len(correct)).sum())} are right by all models"
    )


def save_images(path: Path, images: ImageSet) -> None:
    """Write chosen images as a file that :func:`advatlas.data.splits.load_split` reads."""
    columns = {
        "image_id": images.ids,
        "split": np.repeat(["test"], len(images)),
        "label": images.labels.numpy(),
        "image": tensor_column(images.images.numpy()),
    }
    write_artifact(path, "images", columns, {})
