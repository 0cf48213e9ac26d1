"""Crop, border or resize: what showing an image at another size does, perturbed or not (su2018 section 3.4)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from advatlas.figures import style

MOST_IN_A_ROW = 4
DIRECTIONS = {"larger": "to larger models", "smaller": "to smaller models"}


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw for each setting with several fits and each direction: errors on the originals, and what the attack adds."""
    style.apply()
    fits = tables["fits"]
    several = fits.groupby(["setting", "direction"], sort=False)["fit"].transform("nunique") > 1
    panels = list(fits[several].groupby(["setting", "direction"], sort=False, observed=True))
    if not panels:
        return style.nothing("no setting is shown in several ways")
    columns = min(MOST_IN_A_ROW, len(panels))
    lines = -(-len(panels) // columns)
    fig, axes = plt.subplots(
        lines,
        columns,
        figsize=(2.9 * columns + 0.5, 2.7 * lines + 0.2),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, ((setting, direction), rows) in zip(axes.flat, panels, strict=False):
        x = np.arange(len(rows))
        beyond = 100 * rows["beyond_clean"].to_numpy()
        ends = np.abs(100 * rows[["low", "high"]].to_numpy().T - beyond)
        axis.bar(x, 100 * rows["clean_error"], color="0.75", label="originals alone")
        axis.bar(
            x, beyond, bottom=100 * rows["clean_error"], yerr=ends, color="C0", label="added by the attack", capsize=2
        )
        axis.set_xticks(x, rows["fit"])
        name = style.attack_name(rows["attack"].iloc[0]) if setting == rows["attack"].iloc[0] else setting
        axis.set_title(f"{name}\n{DIRECTIONS[str(direction)]} ({rows['pairs'].iloc[0]} pairs)", fontsize=8)
    for axis in axes[:, 0]:
        axis.set_ylabel("errors of the target [%]")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=7.5)
    return fig
