"""The few images that the report shows of every pair: what the source and the target said of them, small and encoded."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from advatlas.data.splits import load_split
from advatlas.stages.generate import load_adversarials
from advatlas.storage.artifacts import KINDS, Artifact, read_artifact, write_frame

# Images of each setting and source; fewer where there are so many that the page would grow too large.
COUNT, MANY = 3, 600
# Longest side of an image on the page, in pixels; below PLAIN they are kept as they are, without loss.
SIDE, PLAIN = 80, 48
ANSWERS = [
    "setting",
    "source",
    "target",
    "image_id",
    "prediction_name",
    "confidence",
    "fooled",
    "matched",
    "clean_correct",
]


def first_fooled(labels: np.ndarray, won: np.ndarray) -> np.ndarray:
    """Return places of images of which each class has one: the first that fools its source, or where none does the first."""
    frame = pd.DataFrame({"label": labels, "lost": ~np.asarray(won, dtype=bool)})
    return frame.sort_values("lost", kind="stable").drop_duplicates("label").index.to_numpy()


def shown(artifact: Artifact, files: int) -> np.ndarray:
    """Return the places of the images that are shown of a source's adversarials.

    The same for the file of the adversarials and for the pairs made of it, which have their columns ``label`` and success.

    Args:
        files: how many settings and sources the study has.
    """
    of_pair = artifact.metadata["kind"] == "transfer"
    fits = artifact.column("fit") if of_pair else np.empty(0)
    # A pair has all images once for each fit, the first fit first.
    rows = slice(int((fits == fits[0]).sum()) if len(fits) else None)
    won = artifact.column("source_success" if of_pair else "success")
    return first_fooled(artifact.column("label")[rows], won[rows])[: COUNT if files <= MANY else 1]


def gallery_table(
    adversarials: Sequence[Path], views: dict[str, Path], class_names: Sequence[str], output: Path
) -> None:
    """Write one row for each shown image of each setting and source: encoded pictures, and what the source said.

    ``original``, ``perturbation`` (scaled to be seen, grey is no change) and ``adversarial`` are PNG or WebP files.

    Args:
        views: the file of selected images as each source sees them.
    """
    selected: dict[Path, Any] = {}
    rows = []
    for path in adversarials:
        artifact = read_plain(path)
        places = shown(artifact, len(adversarials))
        if not len(places):
            continue
        view = views[artifact.metadata["source"]]
        if view not in selected:
            selected = {view: load_split(view, "test")}  # one at a time: those of a view follow one another
        stored = load_adversarials(path, selected[view])
        frame = artifact.frame()
        for place in places:
            row = frame.iloc[place]
            clean, image = (part[0].numpy() for part in stored.part(slice(place, place + 1)))
            change = image - clean
            scale = float(np.abs(change).max()) or 1.0
            rows.append(
                {
                    "setting": artifact.metadata["setting"]["name"],
                    "source": artifact.metadata["source"],
                    "image_id": row["image_id"],
                    "label_name": class_names[row["label"]],
                    "target_name": "" if pd.isna(row["target"]) else class_names[int(row["target"])],
                    "prediction_name": class_names[row["prediction"]],
                    "confidence": row["confidence"],
                    "success": row["success"],
                    "linf": row["linf"],
                    "l2": row["l2"],
                    "original": encoded(clean),
                    "perturbation": encoded(0.5 + change / (2 * scale)),
                    "adversarial": encoded(image),
                }
            )
    columns = ["setting", "source", "image_id", "label_name", "target_name", "prediction_name", "confidence", "success",
               "linf", "l2", "original", "perturbation", "adversarial"]  # fmt: skip
    write_frame(output, pd.DataFrame(rows, columns=columns))


def read_plain(path: Path) -> Artifact:
    """Read a file of adversarials without its pixels."""
    plain = [name for name, kind in KINDS["adversarials"].items() if kind is not None]
    return read_artifact(path, "adversarials", columns=plain)


def answers(artifact: Artifact, class_names: Sequence[str], files: int) -> list[dict[str, Any]]:
    """Return what the target of a pair said of the shown images, as rows."""
    frame, setting = artifact.frame(), artifact.metadata["setting"]
    return [
        {
            "setting": setting["name"],
            "source": artifact.metadata["source"],
            "target": artifact.metadata["target"],
            "image_id": frame["image_id"].iloc[place],
            "prediction_name": class_names[frame["prediction"].iloc[place]],
            "confidence": frame["confidence"].iloc[place],
            "fooled": frame["fooled"].iloc[place],
            "matched": setting["goal"] != "untargeted" and bool(frame["matched_top1"].iloc[place]),
            "clean_correct": frame["clean_correct"].iloc[place],
        }
        for place in shown(artifact, files)
    ]


def encoded(image: np.ndarray) -> bytes:
    """Return an image C x H x W in [0, 1] as a small file: PNG where it is small, else WebP of at most ``SIDE`` pixels."""
    pixels = np.round(image.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    file = io.BytesIO()
    if max(picture.size) <= PLAIN:
        picture.save(file, "PNG", optimize=True)
    else:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
        picture.save(file, "WEBP", quality=60, method=6)
    return file.getvalue()
