"""All defenses by all attacks: macro F1 as heatmap and bars (campbell2024 Figs. 6 and 12-18, Tables 3-9)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from advatlas.figures import style

# Of a sweep of epsilons at most so many are shown.
MOST_SETTINGS = 14


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw F1 of every model on the originals and under every attack.

    Above, the papers' protocol: attacks crafted on the network that stands behind smoothing or averaging. Below, every
    model attacked as it is; adaptive attacks know of the defense.
    """
    style.apply()
    models = tables["models"][~tables["models"]["excluded"]]
    said = tables["classification"]
    attacked_as = dict(zip(models["model"], models["attacked_as"], strict=True))
    papers = said[said["source"].astype(str) == said["target"].map(attacked_as).astype(str)]
    papers = papers[~papers["adaptive"]]
    itself = said[said["source"].astype(str) == said["target"].astype(str)]
    clean = said[said["setting"] == ""]
    order = list(models["model"])
    columns = _columns(said)
    side = 0.62 * len(columns) + 2.2
    fig = plt.figure(figsize=(2 * side, 0.36 * len(order) + 5.6), layout="constrained")
    grid = fig.add_gridspec(2, 2, height_ratios=[0.36 * len(order) + 1, 3.4])
    panels = (("as the papers attacked", papers), ("each model attacked as it is", itself))
    for place, (title, rows) in enumerate(panels):
        shown = [c for c in columns if c[0] == "" or (rows["setting"] == c[0]).any()]
        every = pd.concat([clean, rows])
        axis = fig.add_subplot(grid[0, place])
        _heatmap(axis, every, order, shown)
        axis.set_title(f"macro F1 [%], {title}")
        _bars(fig.add_subplot(grid[1, place]), every, order, shown, legend=place == 0)
    return fig


def _columns(said: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the settings to show, each with its title; a sweep is thinned evenly."""
    first = said[said["setting"] != ""].drop_duplicates("setting").astype({"setting": str}).set_index("setting")
    names = list(first.index)
    if len(names) > MOST_SETTINGS:
        names = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, MOST_SETTINGS).round().astype(int))]
    return [("", "no attack"), *((name, style.setting_title(first.loc[name])) for name in names)]


def _matrix(rows: pd.DataFrame, order: list[str], shown: list[tuple[str, str]], column: str) -> pd.DataFrame:
    wide = rows.astype({"setting": str, "target": str}).pivot_table(
        index="target", columns="setting", values=column, observed=True
    )
    return 100 * wide.reindex(index=order, columns=[name for name, _ in shown])


def _heatmap(axis: Axes, rows: pd.DataFrame, order: list[str], shown: list[tuple[str, str]]) -> None:
    matrix = _matrix(rows, order, shown, "f1")
    axis.set_facecolor("0.88")
    sns.heatmap(
        matrix, ax=axis, vmin=0, vmax=100, cmap=style.SEQUENTIAL, cbar=False, annot=True, fmt=".0f",
        annot_kws={"size": 7.5}, linewidths=0.4, linecolor="white", mask=matrix.isna().to_numpy(),
    )  # fmt: skip
    axis.set_xticks(np.arange(len(shown)) + 0.5, [title for _, title in shown], rotation=35, ha="right", fontsize=7)
    axis.set_yticks(np.arange(len(order)) + 0.5, order, rotation=0)
    axis.tick_params(length=0)
    axis.set(xlabel="", ylabel="")


def _bars(axis: Axes, rows: pd.DataFrame, order: list[str], shown: list[tuple[str, str]], *, legend: bool) -> None:
    middle, low, high = (_matrix(rows, order, shown, name).to_numpy() for name in ("f1", "f1_low", "f1_high"))
    colours = sns.color_palette("husl", len(order))
    width = 0.84 / len(order)
    for place, model in enumerate(order):
        ends = np.abs(np.stack([middle[place] - low[place], high[place] - middle[place]]))
        axis.bar(
            np.arange(len(shown)) + (place - (len(order) - 1) / 2) * width, middle[place], width, yerr=ends,
            color=colours[place], label=model, error_kw={"elinewidth": 0.5, "ecolor": "0.25"},
        )  # fmt: skip
    axis.set_xticks(np.arange(len(shown)), [title for _, title in shown], rotation=35, ha="right", fontsize=7)
    axis.set_ylim(0, 104)
    axis.set_ylabel("macro F1 [%]")
    if legend:
        axis.legend(ncols=4, frameon=False, fontsize=6.5, loc="lower left", bbox_to_anchor=(0, 1.0))
