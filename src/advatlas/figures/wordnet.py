"""How far the least-likely class is from the true one in WordNet (su2018 Fig. 11)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from advatlas.analyses.wordnet import RELATED
from advatlas.figures import style
from advatlas.metrics.intervals import wilson

MOST_IN_A_ROW = 4


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw a histogram for each model; its title says which share is unrelated (a path longer than 5)."""
    style.apply()
    distances = tables["wordnet"]
    models = list(dict.fromkeys(distances["model"]))
    if not models:
        return style.nothing("no model gets any candidate right")
    columns = min(MOST_IN_A_ROW, len(models))
    rows = -(-len(models) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(2.5 * columns, 1.9 * rows + 0.3), squeeze=False, sharex=True, layout="constrained"
    )
    longest = int(distances["distance"].max())
    for place, axis in enumerate(axes.flat):
        if place >= len(models):
            axis.set_visible(False)
            continue
        own = distances[distances["model"] == models[place]]
        axis.hist(own["distance"], bins=np.arange(-0.5, longest + 1.5), color="C0", edgecolor="white", linewidth=0.4)
        axis.axvline(RELATED + 0.5, color="0.3", linewidth=0.8, linestyle="--")
        low, high = wilson(float(own["unrelated"].sum()), float(len(own)))
        share = f"{own['unrelated'].mean():.1%} [{low:.0%}, {high:.0%}]"
        axis.set_title(f"{models[place]} (n = {len(own)})\nunrelated: {share}", fontsize=7.5)
        axis.set_xlabel("shortest path" if place >= len(models) - columns else "")
        axis.set_ylabel("images" if place % columns == 0 else "")
    return fig
