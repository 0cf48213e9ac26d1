"""Success against parameters, MACs and accuracy (bendaya2020 section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from scipy.stats import spearmanr

from advatlas.figures import style

AXES = {
    "parameters": ("parameters [million]", 1e-6, True),
    "macs": ("multiply-accumulates [million]", 1e-6, True),
    "test_accuracy": ("test accuracy [%]", 100.0, False),
}


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw a row of three panels for each attack, at its middle epsilon; bars are 95% intervals.

    Each panel's title gives Spearman's rank correlation over the models, with its p-value.
    """
    style.apply()
    models = tables["models"]
    success = tables["success"]
    success = success[~success["excluded"] & (success["n"] > 0)].merge(
        models.drop(columns=["excluded"]), left_on="source", right_on="model"
    )
    attacks = list(dict.fromkeys(success["attack"]))
    colours = style.family_colours(models["family"])
    fig, axes = plt.subplots(
        len(attacks), len(AXES), figsize=(10.5, 2.9 * len(attacks) + 0.6), squeeze=False, layout="constrained"
    )
    for row, attack in enumerate(attacks):
        settings = style.settings_in_order(success[success["attack"] == attack])
        chosen = success[success["setting"] == settings[len(settings) // 2]]
        for axis, (column, (label, scale, logarithmic)) in zip(axes[row], AXES.items(), strict=True):
            _panel(axis, chosen, column, scale, colours)
            if logarithmic:
                axis.set_xscale("log")
                axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axis.xaxis.set_minor_formatter(NullFormatter())
            axis.set_xlabel(label)
            if column == "parameters":
                axis.set_ylabel(f"{style.setting_title(chosen.iloc[0])}\nsuccess [%]")
    _legend(fig, colours, models)
    return fig


def _panel(
    axis: Axes,
    chosen: pd.DataFrame,
    column: str,
    scale: float,
    colours: dict[str, tuple[float, float, float]],
) -> None:
    for _, model in chosen.iterrows():
        rate = model["rate"] * 100
        axis.errorbar(
            model[column] * scale, rate,
            yerr=[[max(0.0, rate - model["low"] * 100)], [max(0.0, model["high"] * 100 - rate)]],
            fmt=style.INITIALISATION_MARKERS.get(model["initialisation"], "D"), color=colours[model["family"]],
            markersize=6, elinewidth=0.8, capsize=2, markeredgecolor="white", markeredgewidth=0.6,
        )  # fmt: skip
    top = max(5.0, min(100.0, 115 * chosen["high"].max()))
    axis.set_ylim(-0.04 * top, 1.04 * top)
    if len(chosen) > 2 and chosen["rate"].nunique() > 1 and chosen[column].nunique() > 1:
        result = spearmanr(chosen[column], chosen["rate"])
        axis.set_title(f"Spearman ρ = {result.statistic:+.2f}, p = {result.pvalue:.2g}", fontsize=8)


def _legend(fig: Figure, colours: dict[str, tuple[float, float, float]], models: pd.DataFrame) -> None:
    handles = [Line2D([], [], marker="o", linestyle="", color=c, label=f) for f, c in colours.items()]
    handles += [
        Line2D([], [], marker=marker, linestyle="", color="0.4", label=f"{scheme} initialisation")
        for scheme, marker in style.INITIALISATION_MARKERS.items()
        if scheme in set(models["initialisation"])
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
