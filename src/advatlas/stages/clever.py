"""score-clever: block maxima of one model on some of the selected images, in parts that can run side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from advatlas.data.splits import load_split
from advatlas.metrics.clever_sampling import NORMS, Maxima, Sampling, collect_maxima
from advatlas.models.classifier import fitting_batch
from advatlas.models.zoo import is_excluded, load_card, load_classifier
from advatlas.progress import Progress
from advatlas.stages.select import attacked_images
from advatlas.storage.artifacts import Artifact, no_rows, write_artifact


def collect_part(
    options: dict[str, Any],
    part: int,
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
    """Write the block maxima of one part of a model's images, for each goal and norm.

    A run that was stopped goes on from ``{output}.checkpoint``.

    Args:
        options: ``sampling`` (arguments of :class:`Sampling`), ``images``, ``goals``, ``parts``.
        part: which of the ``parts``, from 0.
    """
    card = load_card(card_path)
    metadata = {"model": card["name"], "excluded": is_excluded(card), "options": options}
    wanted = {
        goal: attacked_images(
            {"goal": goal, "images": options["images"], "target_class": None},
            selection,
            predictions,
            excluded=is_excluded(card),
        )
        for goal in options["goals"]
    }
    ids = [i for i in next(iter(wanted.values())) if all(i in targets for targets in wanted.values())]
    ids = ids[part :: options["parts"]]
    if not ids:
        write_artifact(output, "maxima", no_rows("maxima"), metadata)
        return
    selected = load_split(images, "test")
    chosen = selected.subset(np.flatnonzero(np.isin(selected.ids, ids)))
    targets = torch.tensor([[wanted[goal][i] for goal in options["goals"]] for i in chosen.ids], dtype=torch.int64)
    sampling = Sampling(**options["sampling"])
    classifier = load_classifier(weights, card, device)
    pixels = chosen.pixels()
    progress.total = sampling.blocks
    checkpoint = output.with_name(f"{output.name}.checkpoint")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    maxima = collect_maxima(
        classifier,
        pixels,
        chosen.labels,
        targets,
        sampling,
        batch_size=max(16, fitting_batch(batch_size, pixels, device)),
        checkpoint=checkpoint,
        progress=progress,
    )
    write_artifact(output, "maxima", _columns(maxima, chosen.ids, chosen.labels.numpy(), options["goals"]), metadata)
    checkpoint.unlink(missing_ok=True)


def _columns(maxima: Maxima, ids: np.ndarray, labels: np.ndarray, goals: list[str]) -> dict[str, Any]:
    count, wanted = len(ids), len(goals)
    per_norm = count * wanted
    return {
        "image_id": np.tile(np.repeat(ids, wanted), len(NORMS)),
        "label": np.tile(np.repeat(labels, wanted), len(NORMS)),
        "goal": goals * (count * len(NORMS)),
        "target": np.tile(maxima.targets.flatten().numpy(), len(NORMS)),
        "norm": np.repeat(NORMS, per_norm),
        "margin": np.tile(maxima.margins.flatten().numpy(), len(NORMS)),
        "maxima": [row for norm in NORMS for row in maxima.values[norm].flatten(0, 1).numpy()],
    }


def maxima_of(artifact: Artifact) -> tuple[Maxima, pd.DataFrame]:
    """Return what :func:`collect_part` wrote, and image_id, label and goal of each row: every goal counts as an image."""
    options = artifact.metadata["options"]
    frame = artifact.frame()
    by_norm = {norm: frame[frame["norm"] == norm] for norm in NORMS}
    values = {n: torch.tensor(np.stack(rows["maxima"].tolist()))[:, None] for n, rows in by_norm.items()}
    first = by_norm[NORMS[0]]
    maxima = Maxima(
        values,
        torch.tensor(first["margin"].to_numpy(np.float32))[:, None],
        torch.tensor(first["target"].to_numpy())[:, None],
        Sampling(**options["sampling"]),
    )
    return maxima, first[["image_id", "label", "goal"]].reset_index(drop=True)
