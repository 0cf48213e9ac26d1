"""Transfer heatmaps (bendaya2020 Figs. 1-3): sources as rows, targets as columns, the diagonal is white-box success."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from advatlas.figures import style
from advatlas.metrics.transfer import headline_rates

MOST_IN_A_ROW = 3


def draw(tables: Mapping[str, pd.DataFrame], attack: str) -> Figure:
    """Draw one panel for each setting of an attack: rates in percent, over all examples, of the images as stored.

    An excluded model is a grey row and column: it was trained, and it takes no part.
    """
    style.apply()
    models = tables["models"]
    rates = headline_rates(tables["transfer"])
    rates = rates[rates["attack"] == attack]
    settings = style.settings_in_order(rates)
    columns = min(MOST_IN_A_ROW, len(settings))
    rows = -(-len(settings) // columns)
    side = max(2.6, 0.34 * len(models))
    fig, axes = plt.subplots(
        rows, columns, figsize=(columns * (side + 0.4) + 1.6, rows * (side + 0.5) + 1.2), squeeze=False,
        layout="constrained", sharex=True, sharey=True,
    )  # fmt: skip
    # Rates far below 100% (one-pixel) get a scale of their own, else nothing is to be seen.
    top = 100 if rates["rate"].max() > 0.5 else max(10, 10 * math.ceil(10 * rates["rate"].fillna(0).max()))
    image = None
    for place, axis in enumerate(axes.flat):
        if place >= len(settings):
            axis.set_visible(False)
            continue
        chosen = rates[rates["setting"] == settings[place]]
        image = panel(axis, matrix_of(chosen, models), models, top)
        axis.set_title(style.setting_title(chosen.iloc[0]))
        last = place >= len(settings) - columns
        axis.set_xlabel("target" if last else "")
        axis.tick_params(labelbottom=last)
        axis.set_ylabel("source" if place % columns == 0 else "")
    if image is not None:
        style.colour_bar(fig, axes, image, "rate [%]")
    title = f"{style.attack_name(attack)}: success (diagonal) and transfer, up to {rates['n'].max()} images a cell"
    fig.suptitle(title, y=1.04)  # the square panels leave less room above them than the layout believes
    return fig


def matrix_of(rates: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """Return rates in percent as a matrix, models grouped by family in the order in which the families first appear."""
    first = {family: place for place, family in reversed(list(enumerate(models["family"])))}
    order = list(models.assign(place=models["family"].map(first)).sort_values("place", kind="stable")["model"])
    matrix = rates.pivot(index="source", columns="target", values="rate").astype(float) * 100
    return matrix.reindex(index=order, columns=order)


def panel(axis: Axes, matrix: pd.DataFrame, models: pd.DataFrame, top: float) -> ScalarMappable:
    """Draw a matrix; families of several models are framed, and names have their family's colour."""
    size = len(matrix)
    axis.set_facecolor("0.88")
    sns.heatmap(
        matrix, ax=axis, vmin=0, vmax=top, cmap=style.SEQUENTIAL, cbar=False, square=True, annot=True, fmt=".0f",
        annot_kws={"size": 7.5 if size <= 14 else 6.5}, linewidths=0.4, linecolor="white",
        mask=matrix.isna().to_numpy(),
    )  # fmt: skip
    for k in range(size):
        axis.add_patch(Rectangle((k, k), 1, 1, fill=False, edgecolor="black", linewidth=1.0, clip_on=False))
    family = models.set_index("model")["family"]
    start = 0
    for _, members in itertools.groupby(matrix.index, key=lambda model: family[model]):
        length = len(list(members))
        if 1 < length < size:
            axis.add_patch(
                Rectangle((start, start), length, length, fill=False, edgecolor="C1", linewidth=1.6, clip_on=False)
            )
        start += length
    excluded = set(models.loc[models["excluded"], "model"])
    for place, label in enumerate(matrix.index):
        if label in excluded:
            where = place + 0.5
            axis.text(where, where, "×", ha="center", va="center", color="0.35", fontsize=9)
    axis.set_xticks(np.arange(size) + 0.5, matrix.columns, rotation=90)
    axis.set_yticks(np.arange(size) + 0.5, matrix.index, rotation=0)
    axis.tick_params(length=0, labelsize=8)
    colours = style.family_colours(models["family"])
    for tick in [*axis.get_xticklabels(), *axis.get_yticklabels()]:
        tick.set_color(colours[family[tick.get_text()]])
    mesh: ScalarMappable = axis.collections[0]
    return mesh
