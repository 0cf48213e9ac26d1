"""aggregate-classification: how well every model classifies the selected images under every attack on every model.

An attack leaves alone what its source gets wrong already. Here such images count with the target's answer to the original,
so that accuracy and F1 are over all selected images, as campbell2024 and donoghue2020 report them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from advatlas.metrics.classification import macro_f1, macro_f1_interval
from advatlas.metrics.intervals import wilson, with_interval
from advatlas.stages.aggregate import fitted_rows, setting_columns
from advatlas.storage.artifacts import read_artifact, write_frame


def classification_table(
    pairs: Sequence[Path],
    predictions: Sequence[Path],
    selection: Path,
    fit: str,
    num_classes: int,
    seed: int,
    output: Path,
) -> None:
    """Write one row for each model and the originals (``setting`` is empty), and for each setting and pair.

    ``count`` of ``n`` images are classified rightly (``rate``, Wilson interval); ``f1`` is macro F1 with a bootstrap
    interval; ``target_share`` is the share of the images attacked towards a class that are classified so. ``image`` are
    places in the selection (some of them, where a setting has fewer images) and ``right`` says of each whether it was
    classified rightly, for analyses that compare models image by image.

    Args:
        fit: how images are brought to another size.
    """
    chosen = read_artifact(selection, "selection").frame()
    clean = {}
    for path in predictions:
        artifact = read_artifact(path, "predictions")
        if not artifact.metadata["excluded"]:
            said = artifact.frame().set_index("image_id")["prediction"]
            clean[artifact.metadata["model"]] = said.loc[chosen["image_id"]].to_numpy()
    rows = list(_rows(pairs, clean, chosen, fit, num_classes, seed))
    frame = with_interval(pd.DataFrame(rows))
    for column in ("setting", "attack", "goal", "source", "target"):
        frame[column] = frame[column].astype("category")
    write_frame(output, frame)


def _rows(
    pairs: Sequence[Path], clean: dict[str, np.ndarray], chosen: pd.DataFrame, fit: str, num_classes: int, seed: int
) -> Iterator[dict[str, Any]]:
    labels = chosen["label"].to_numpy()
    place = {identifier: index for index, identifier in enumerate(chosen["image_id"])}

    def row(head: dict[str, Any], said: np.ndarray, images: np.ndarray) -> dict[str, Any]:
        truth, said = labels[images], said[images]
        low, high = macro_f1_interval(truth, said, num_classes, seed, "f1")
        right = said == truth
        return {
            "setting": "", "attack": "", "goal": "", "epsilon": np.nan, "adaptive": False, "source": "",
            "attacked": 0, "target_share": np.nan, "target_share_low": np.nan, "target_share_high": np.nan,
            **head,
            "count": int(right.sum()), "n": len(images),
            "f1": macro_f1(truth, said, num_classes), "f1_low": low, "f1_high": high,
            "image": images.astype(np.int32), "right": right,
        }  # fmt: skip

    everything = np.arange(len(labels))
    for model, said in clean.items():
        yield row({"target": model}, said, everything)
    for path in pairs:
        artifact = read_artifact(path, "transfer")
        metadata = artifact.metadata
        setting = metadata["setting"]
        if metadata["excluded"]:
            continue
        frame = fitted_rows(artifact.frame(), fit)
        said = clean[metadata["target"]].copy()
        said[[place[i] for i in frame["image_id"]]] = frame["prediction"]
        head = {
            **setting_columns(setting),
            "adaptive": setting["adaptive"] is not None,
            "source": metadata["source"],
            "target": metadata["target"],
            "attacked": len(frame),
        }
        if setting["goal"] != "untargeted" and len(frame):
            hits = float(frame["matched_top1"].sum())
            low, high = wilson(hits, float(len(frame)))
            head |= {
                "target_share": hits / len(frame),
                "target_share_low": float(low),
                "target_share_high": float(high),
            }
        limit = setting.get("images")
        yield row(head, said, everything if limit is None else np.flatnonzero(chosen["order"].to_numpy() < limit))
