"""What each stage of a study took, beside what was estimated."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from advatlas.figures import style


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw seconds of work and disk for each stage as pairs of bars; where not all jobs were measured it says how many."""
    style.apply()
    cost = tables["cost"]
    fig, axes = plt.subplots(1, 2, figsize=(9, 0.5 * len(cost) + 1.6), layout="constrained", sharey=True)
    places = np.arange(len(cost))
    kinds = {"estimated": ("0.75", 0.2), "measured": ("C0", -0.2)}
    for axis, name, label in ((axes[0], "seconds", "seconds of work"), (axes[1], "gigabytes", "GB on disk")):
        for kind, (colour, shift) in kinds.items():
            values = cost[name if kind == "measured" else f"estimated_{name}"]
            axis.barh(places - shift, values, 0.38, color=colour, label=kind)
        axis.set_xscale("log")
        axis.set_xlabel(label)
    labels = [
        f"{stage} ({jobs:,} jobs)" + (f"\nmeasured: {measured:,}" if measured < jobs and stage != "images" else "")
        for stage, jobs, measured in zip(cost["stage"], cost["jobs"], cost["measured"], strict=True)
    ]
    axes[0].set_yticks(places, labels)
    axes[0].invert_yaxis()
    axes[1].legend(frameon=False)
    return fig
