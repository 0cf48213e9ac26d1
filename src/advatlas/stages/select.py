"""select-images: which images the study attacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from advatlas.data.splits import image_columns, read_images
from advatlas.errors import AdvatlasError
from advatlas.seeds import derive_seed
from advatlas.storage.artifacts import artifact_writer, read_artifact, write_artifact

# Images read at once.
PART = 256


def random_targets(labels: np.ndarray, num_classes: int, seed: int) -> np.ndarray:
    """Draw one wrong class for each image, uniformly; the same for every model, drawn before any filtering."""
    rng = np.random.default_rng(derive_seed(seed, "random target"))
    draw = rng.integers(0, num_classes - 1, len(labels))
    return draw + (draw >= labels)


def choose(mode: str, n: int | None, labels: np.ndarray, correct: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """Return the positions of the chosen images, ascending.

    Args:
        mode: ``common``, ``per_source`` or ``one_per_class``.
        n: how many are wanted; None: all there are. For ``one_per_class`` the number of classes that must have one.
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
        "ask for fewer (selection.n), for more candidates (dataset.test, dataset.candidates), or leave weak models out"
    )
    if mode == "per_source":
        return np.sort(order[:n])
    if mode == "one_per_class":
        usable = order[common[order]]
        classes, first = np.unique(labels[usable], return_index=True)
        if len(classes) < (n or 1):
            missing = sorted(set(labels.tolist()) - set(classes.tolist()))
            raise AdvatlasError(
                f"selection: an image of each of {n} classes is asked for, but only of {len(classes)} is one right by all "
                f"{len(correct)} models (of none: {missing[:10]} ...); right per model, of {len(labels)}: {counts}; {remedy}"
            )
        return np.sort(usable[np.sort(first)[:n]])
    order = order[common[order]]
    if len(order) < (n or 1):
        raise AdvatlasError(
            f"selection: {n} images are asked for, but only {len(order)} of the {len(labels)} test images are right by "
            f"all {len(correct)} models; right per model: {counts}; {remedy}"
        )
    return np.sort(order[:n])


def cut_images(candidates: Path, selection: Path, output: Path) -> None:
    """Write a view of the chosen images."""
    chosen = set(read_artifact(selection, "selection").column("image_id"))
    with artifact_writer(output, "images", {}) as writer:
        for part in read_images(candidates, PART):
            writer.write(image_columns(part.subset(np.array([i in chosen for i in part.ids], dtype=bool))))


def select_images(
    predictions: Sequence[Path],
    options: dict[str, Any],
    num_classes: int,
    selection: Path,
) -> None:
    """Write the chosen images' ids, labels and random targets.

    ``order`` is a random order in which those are taken that attack fewer images, or CLEVER; the same for all of them.

    Args:
        predictions: of every model on the candidates.
        options: ``images`` (the mode), ``n`` and ``seed``.
        selection: the table to write.

    Raises:
        AdvatlasError: too few images, or no model is left.
    """
    correct = {}
    for path in predictions:
        artifact = read_artifact(path, "predictions")
        if not artifact.metadata["excluded"]:
            correct[artifact.metadata["model"]] = artifact.column("correct")
            ids, labels = artifact.column("image_id"), artifact.column("label")
    if not correct:
        raise AdvatlasError(
            "selection: every model of the study was excluded (see results/models/.../card.json for each reason); "
            "train longer or lower min_accuracy"
        )
    chosen = choose(options["images"], options["n"], labels, correct, options["seed"])
    right = np.sum(list(correct.values()), axis=0)
    columns = {
        "image_id": ids[chosen],
        "label": labels[chosen],
        "random_target": random_targets(labels, num_classes, options["seed"])[chosen],
        "order": np.random.default_rng(derive_seed(options["seed"], "order")).permutation(len(chosen)),
        "models_correct": right[chosen],
        "common_correct": (right == len(correct))[chosen],
    }
    write_artifact(selection, "selection", columns, {"selection": options, "models": sorted(correct)})
    print(
        f"selected {len(chosen)} of {len(labels)} test images; {int((right == len(correct)).sum())} are right by all models"
    )


def attacked_images(
    setting: dict[str, Any], selection: Path, predictions: Path, *, excluded: bool
) -> dict[str, int | None]:
    """Return the ids of the selected images a model gets right, each with its target class (None: untargeted).

    Args:
        setting: its ``goal``, ``target_class`` and ``images`` (how many of the selected, in their order; None: all).
        excluded: whether the model takes no part.
    """
    if excluded:
        return {}
    chosen = read_artifact(selection, "selection").frame()
    if setting.get("images") is not None:
        chosen = chosen[chosen["order"] < setting["images"]]
    said = read_artifact(predictions, "predictions").frame().set_index("image_id").loc[chosen["image_id"]]
    attacked = said["correct"].to_numpy()
    if setting["goal"] == "untargeted":
        return dict.fromkeys(chosen["image_id"][attacked])
    targets = {
        "random": chosen["random_target"].to_numpy(),
        "least_likely": said["least_likely"].to_numpy(),
        "class": np.full(len(chosen), setting["target_class"] or 0),
    }[setting["goal"]]
    attacked = attacked & (targets != chosen["label"].to_numpy())
    return dict(zip(chosen["image_id"][attacked], targets[attacked].tolist(), strict=True))
