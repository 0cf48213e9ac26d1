"""Success, attack time and noise rate of every model, a bar for each attack (juraev2023 Figs. 2-5)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from advatlas.figures import style
from advatlas.metrics.intervals import bootstrap_mean, wilson

MEASURES = (("success", "success [%]"), ("seconds", "seconds an image"), ("noise", "noise rate (1 - SSIM)"))


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the untargeted settings, models in the order of the study; the noise is that of successful examples.

    Bars are means with 95% intervals (Wilson, bootstrap). Of a swept attack its first setting is shown.
    """
    style.apply()
    made = tables["adversarials"]
    made = made[made["goal"] == "untargeted"].assign(noise=1 - made["ssim"])
    models = [model for model in tables["models"]["model"] if model in set(made["source"])]
    settings = style.settings_in_order(made)
    first = made.drop_duplicates("setting").set_index("setting")
    shown = [
        s
        for place, s in enumerate(settings)
        if first.loc[s, "attack"] not in {first.loc[t, "attack"] for t in settings[:place]}
    ]
    if not shown:
        return style.nothing("no untargeted setting in this study")
    fig, axes = plt.subplots(
        len(MEASURES),
        1,
        figsize=(max(6.0, 0.16 * len(models) * (len(shown) + 2)), 6.4),
        sharex=True,
        layout="constrained",
    )
    for axis, (measure, label) in zip(axes, MEASURES, strict=True):
        for place, setting in enumerate(shown):
            chosen = made[made["setting"] == setting]
            offset = (place - (len(shown) - 1) / 2) * 0.8 / len(shown)
            _bars(
                axis, chosen, models, measure, offset, 0.8 / len(shown), style.setting_title(first.loc[setting]), place
            )
        axis.set_ylabel(label)
        if measure != "success":
            axis.set_yscale("log")
    axes[-1].set_xticks(range(len(models)), models, rotation=45, ha="right")
    axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=4, frameon=False, fontsize=7.5)
    return fig


def _bars(
    axis: Axes,
    chosen: pd.DataFrame,
    models: list[str],
    measure: str,
    offset: float,
    width: float,
    label: str,
    colour: int,
) -> None:
    means, ends = [], []
    for model in models:
        own = chosen[chosen["source"] == model]
        if measure == "success":
            n = len(own)
            low, high = wilson(float(own["success"].sum()), float(n))
            means.append(100 * own["success"].mean() if n else np.nan)
            ends.append((100 * float(low), 100 * float(high)))
        else:
            values = own.loc[own["success"] | (measure == "seconds"), measure].to_numpy(np.float64)
            means.append(values.mean() if len(values) else np.nan)
            ends.append(bootstrap_mean(values, seed=0))
    centre = np.array(means)
    errors = np.abs(np.array(ends).T - centre)
    axis.bar(
        np.arange(len(models)) + offset, centre, width, yerr=errors, color=f"C{colour}", label=label,
        error_kw={"elinewidth": 0.7, "ecolor": "0.25"},
    )  # fmt: skip
