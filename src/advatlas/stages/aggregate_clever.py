"""aggregate-clever: the CLEVER scores of every model, image and goal, from the block maxima."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from advatlas.metrics.clever import clever_scores
from advatlas.stages.clever import maxima_of
from advatlas.storage.artifacts import read_artifact, write_frame


def clever_table(parts: Sequence[Path], output: Path) -> None:
    """Write one row for each model, image, goal and norm: the columns of :func:`clever_scores`."""
    frames = []
    for path in parts:
        artifact = read_artifact(path, "maxima")
        if len(artifact):
            maxima, rows = maxima_of(artifact)
            scores = clever_scores(maxima)
            known = rows.loc[scores["image"]].reset_index(drop=True).assign(model=artifact.metadata["model"])
            frames.append(pd.concat([known, scores.drop(columns="image")], axis=1))
    if not frames:
        columns = ["image_id", "label", "goal", "model", "target", "norm", "score"]
        write_frame(output, pd.DataFrame(columns=columns))
        return
    table = pd.concat(frames, ignore_index=True)
    write_frame(output, table.sort_values(["model", "norm", "goal", "image_id"], kind="stable").reset_index(drop=True))
