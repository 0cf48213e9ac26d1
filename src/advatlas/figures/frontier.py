"""Robustness against accuracy, with the Pareto frontier and the fit a + b ln(1 - accuracy) (su2018 Figs. 2, 6, 7)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from advatlas.figures import style

MOST_IN_A_ROW = 3
UNITS = {"linf": (1.0, "mean Linf"), "l2": (1e6, "mean L2 / values [1e-6]"), "l1": (1e3, "mean L1 / values [1e-3]"),
         "clever_l2": (1e6, "CLEVER, L2 / values [1e-6]")}  # fmt: skip


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw a panel for each measure and goal, over all images: accuracy is the published one where every model has it.

    Bars are 95% intervals over images. The dashed line is the fit through the frontier of these data.
    """
    style.apply()
    models = tables["models"].set_index("model")
    robustness = tables["robustness"]
    robustness = robustness[(robustness["images"] == "all") & robustness["measure"].isin(UNITS)]
    robustness = robustness[
        (robustness["divisor"] == "values")
        | robustness["measure"].str.endswith("linf") & (robustness["divisor"] == "none")
    ]
    panels = list(robustness.groupby(["setting", "measure", "goal"], sort=False))
    if not panels:
        return style.nothing("no measure of distance in this study: no minimum-norm attack and no CLEVER")
    published = not models.loc[~models["excluded"], "published_top1"].isna().any()
    column = "published_top1" if published else "test_accuracy"
    fits = tables["frontier"]
    fits = fits[(fits["images"] == "all") & (fits["accuracy"] == ("published" if published else "measured"))]
    colours = style.family_colours(models["family"])
    columns = min(MOST_IN_A_ROW, len(panels))
    rows = -(-len(panels) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(3.6 * columns, 3.1 * rows + 0.6), squeeze=False, layout="constrained"
    )
    for place, axis in enumerate(axes.flat):
        if place >= len(panels):
            axis.set_visible(False)
            continue
        (setting, measure, goal), rows_here = panels[place]
        scale, label = UNITS[str(measure)]
        _points(axis, rows_here.set_index("model"), models[column], models["family"], colours, scale)
        fit = fits[(fits["setting"] == setting) & (fits["measure"] == measure) & (fits["goal"] == goal)]
        fit = fit[fit["divisor"] == rows_here["divisor"].iloc[0]].set_index("models")
        for which, look in (("pareto", "--"), ("paper", ":")):
            if which in fit.index:
                _line(axis, fit.loc[which], models[column], scale, look)
        axis.set_ylabel(label)
        axis.set_xlabel(f"{'published' if published else 'measured'} top-1 accuracy [%]")
        name = "CLEVER" if setting == "clever" else style.attack_name(str(setting).split("-")[0])
        axis.set_title(f"{name}, {style.goal_name(str(goal))}", fontsize=9)
    handles = [Line2D([], [], marker="o", linestyle="", color=c, label=f) for f, c in colours.items()]
    handles.append(Line2D([], [], linestyle="--", color="0.3", label="fit through the frontier"))
    fig.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return fig


def _points(
    axis: Axes, rows: pd.DataFrame, accuracy: pd.Series, family: pd.Series, colours: dict[str, tuple[float, float, float]],
    scale: float,
) -> None:  # fmt: skip
    for model in map(str, rows.index):
        mean, low, high = (scale * float(rows[name].to_dict()[model]) for name in ("mean", "low", "high"))
        if not np.isfinite(mean):
            continue
        x = 100 * accuracy.to_dict()[model]
        bars = [[max(0.0, mean - low)], [max(0.0, high - mean)]]
        axis.errorbar(
            x, mean, yerr=bars, fmt="o", color=colours[family[model]], markersize=5, elinewidth=0.8, capsize=2
        )
        axis.annotate(model, (x, mean), xytext=(3, 3), textcoords="offset points", fontsize=5.5, color="0.3")
    axis.set_ylim(0, 1.12 * scale * float(rows["high"].max()))  # of the points: a steep fit may leave the panel
    axis.margins(x=0.3)
    axis.set_xlim(right=min(100.0, axis.get_xlim()[1]))


def _line(axis: Axes, fit: pd.Series, accuracy: pd.Series, scale: float, look: str) -> None:
    low, high = accuracy.min(), accuracy.max()
    x = np.linspace(low - 0.05 * (high - low), high + 0.02 * (high - low), 50)
    axis.plot(100 * x, scale * (fit["a"] + fit["b"] * np.log(1 - x)), look, color="0.3", linewidth=1)
    text = f"b = {scale * fit['b']:.3g} [{scale * fit['b_low']:.3g}, {scale * fit['b_high']:.3g}]"
    axis.text(0.98, 0.97 if look == "--" else 0.9, text, transform=axis.transAxes, ha="right", va="top", fontsize=6.5)
