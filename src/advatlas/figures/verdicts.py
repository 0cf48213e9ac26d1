"""Does the defense hold? Accuracy under the paper's attack and under the strongest of one who knows of it."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from advatlas.figures import style

COLOURS = {
    "holds": "C2",
    "holds in part": "C9",
    "falls to an attacker who knows": "C1",
    "only the gradient was hidden": "C3",
    "no gain": "0.5",
}


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw a panel for each budget; empty circles: the undefended model under the strongest attack on it."""
    style.apply()
    rows = tables["verdicts"]
    if not len(rows):
        return style.nothing("no adaptive attack on a defended model at the budget of one that is not")
    keys = list(dict.fromkeys(zip(rows["goal"], rows["budget"], strict=True)))
    models = list(dict.fromkeys(rows["model"]))
    fig, axes = plt.subplots(
        1, len(keys), figsize=(2.9 * len(keys) + 2.4, 0.34 * len(models) + 2.0), squeeze=False, sharey=True,
        layout="constrained",
    )  # fmt: skip
    for axis, (goal, budget) in zip(axes[0], keys, strict=True):
        chosen = rows[(rows["goal"] == goal) & (rows["budget"] == budget)].set_index("model")
        for place, model in enumerate(models):
            if model in chosen.index:
                _dumbbell(axis, place, chosen.loc[model])
        name = budget if "=" in budget else style.attack_name(budget)
        axis.set_title(name if goal == "untargeted" else f"{name}, {style.goal_name(goal)}", fontsize=8)
        axis.set_xlim(-4, 104)
        axis.set_xlabel("accuracy [%]")
        axis.grid(axis="x", alpha=0.3)
    axes[0, 0].set_yticks(range(len(models)), models)
    axes[0, 0].invert_yaxis()
    handles = [Line2D([], [], color=c, marker="D", linestyle="-", label=v) for v, c in COLOURS.items()]
    handles += [
        Line2D([], [], color="0.2", marker="o", linestyle="", label="under the paper's attack"),
        Line2D([], [], color="0.2", marker="D", linestyle="", label="under the strongest attack"),
        Line2D([], [], color="0.2", marker="o", mfc="white", linestyle="", label="undefended, strongest attack"),
        Line2D([], [], color="0.2", marker="$!$", linestyle="", label="sign of a hidden gradient"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=7)
    return fig


def _dumbbell(axis: Axes, place: int, row: pd.Series) -> None:
    colour = COLOURS[row["verdict"]]
    axis.plot([100 * row["adaptive"], 100 * row["paper"]], [place, place], color=colour, linewidth=2.2, alpha=0.6)
    for name, marker in (("paper", "o"), ("adaptive", "D")):
        value = 100 * row[name]
        ends = [[max(0.0, value - 100 * row[f"{name}_low"])], [max(0.0, 100 * row[f"{name}_high"] - value)]]
        axis.errorbar(value, place, xerr=ends, marker=marker, color=colour, markersize=5, elinewidth=0.8)
    axis.plot(100 * row["base"], place, marker="o", mfc="white", mec="0.3", markersize=4, linestyle="")
    if row["gradient_hidden"]:
        axis.text(100 * row["paper"], place - 0.32, "!", color="C3", ha="center", va="center", fontweight="bold")
