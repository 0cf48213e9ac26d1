"""list-pictures and decode-view: the candidate pictures of a study, and how each model sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from advatlas.data import DATASETS
from advatlas.data.imageset import ImageSet
from advatlas.data.pictures import Picture, PictureDataset, choose_pictures, decode
from advatlas.data.splits import image_columns
from advatlas.data.views import View
from advatlas.progress import Progress
from advatlas.storage.artifacts import artifact_writer, read_artifact, write_artifact

# Pictures decoded, and written, at once.
PART = 64


def list_pictures(options: dict[str, Any], folder: Path, output: Path) -> None:
    """Choose the candidate pictures of a study, decode each once, and write where they are.

    Args:
        options: ``name``, ``candidates``, ``per_class``, ``unreadable``, ``not_rgb`` and ``seed``, as a study gives them.

    Raises:
        AdvatlasError: the data set, or one of its pictures, is not as it must be; the message names the file.
    """
    dataset = DATASETS[options["name"]]
    assert isinstance(dataset, PictureDataset)
    pictures, counted = choose_pictures(
        dataset.find(folder),
        options["candidates"],
        options["per_class"],
        options["seed"],
        unreadable=options["unreadable"],
        not_rgb=options["not_rgb"],
    )
    columns = {
        "image_id": [picture.id for picture in pictures],
        "label": [picture.label for picture in pictures],
        "file": [picture.file for picture in pictures],
        "place": [None if picture.place is None else str(picture.place) for picture in pictures],
    }
    write_artifact(output, "pictures", columns, {"dataset": options, "counted": counted})
    classes = len({picture.label for picture in pictures})
    print(f"{options['name']}: {len(pictures)} pictures of {classes} classes", counted or "")


def _place(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdigit() else text


def decode_view(pictures: Path, view: View, output: Path, progress: Progress) -> None:
    """Write a view of every candidate picture."""
    listed = read_artifact(pictures, "pictures")
    chosen = [
        Picture(row["image_id"], row["label"], row["file"], _place(row["place"])) for row in listed.table.to_pylist()
    ]
    progress.total = len(chosen)
    metadata = {"view": view.name, "dataset": listed.metadata["dataset"]}
    with artifact_writer(output, "images", metadata) as writer:
        for start in range(0, len(chosen), PART):
            part = chosen[start : start + PART]
            ids, labels = np.array([p.id for p in part]), torch.tensor([p.label for p in part])
            writer.write(image_columns(ImageSet(ids, torch.from_numpy(decode(part, view)), labels)))
            progress.advance(len(part))
