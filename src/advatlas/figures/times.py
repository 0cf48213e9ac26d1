"""Seconds an image: to classify it, and to attack it (campbell2024 Tables 2, 4, 6, 8, 10-14)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from advatlas.figures import style


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw milliseconds as a heatmap, models by what is done; the papers add the two, here they stand apart.

    Predictions: the median of many passes on the warm model, with the tenth and ninetieth percentile below; one image at
    a time, and in a batch. Attacks: the mean over the attacked images, each of which counts with its share of its batch.
    """
    style.apply()
    models = list(tables["models"].loc[~tables["models"]["excluded"], "model"])
    predictions = tables["prediction_times"]
    attacks = tables["timing"][tables["timing"]["stage"] == "attack"]
    settings = tables["success"].drop_duplicates("setting").set_index("setting")
    values: dict[str, list[float]] = {}
    notes: dict[str, list[str]] = {}
    for size in sorted(predictions["batch_size"].unique()):
        rows = predictions[predictions["batch_size"] == size].set_index("model").reindex(models)
        name = f"predict, {size} at once"
        values[name] = [1000 * v for v in rows["median"]]
        notes[name] = [
            f"{1000 * row.median:.3g}\n({1000 * row.p10:.3g}-{1000 * row.p90:.3g})"
            for row in rows[["median", "p10", "p90"]].rename_axis(None).itertuples()
        ]
    for setting in dict.fromkeys(attacks["setting"]):
        rows = attacks[attacks["setting"] == setting].set_index("model").reindex(models)
        name = style.setting_title(settings.loc[setting])
        values[name] = [1000 * v for v in rows["seconds_per_unit"]]
        notes[name] = ["" if np.isnan(v) else f"{v:.3g}" for v in values[name]]
    matrix, text = pd.DataFrame(values, index=models), pd.DataFrame(notes, index=models)
    fig, axis = plt.subplots(figsize=(0.78 * len(values) + 2.2, 0.42 * len(models) + 1.8), layout="constrained")
    axis.set_facecolor("0.88")
    sns.heatmap(
        matrix, ax=axis, annot=text, fmt="", cmap=style.SEQUENTIAL, annot_kws={"size": 6.5}, linewidths=0.4,
        norm=LogNorm(np.nanmin(matrix.to_numpy()), np.nanmax(matrix.to_numpy())),
        cbar_kws={"label": "milliseconds an image"}, mask=matrix.isna().to_numpy(),
    )  # fmt: skip
    axis.set_xticks(np.arange(len(values)) + 0.5, list(values), rotation=35, ha="right", fontsize=7)
    axis.set_yticks(np.arange(len(models)) + 0.5, models, rotation=0)
    axis.tick_params(length=0)
    device = predictions["device"].iloc[0] if len(predictions) else ""
    axis.set_title(f"milliseconds an image, {'one CPU thread' if device == 'cpu' else device}")
    return fig
