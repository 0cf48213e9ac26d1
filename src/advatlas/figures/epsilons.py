"""Accuracy against epsilon with and without each defense, and the share of the target class (donoghue2020 Figs. 3-7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from advatlas.figures import style


def draw(tables: Mapping[str, pd.DataFrame], attack: str) -> Figure:
    """Draw rows for each goal of an attack run at several epsilons: accuracy, and for a target class the share it gets.

    Lines: the papers' protocol (crafted on the network behind smoothing or averaging); dashes: each model attacked as it
    is; dots: by an attacker who knows of the defense. Bands are 95% intervals.
    """
    style.apply()
    models = tables["models"][~tables["models"]["excluded"]]
    said = tables["classification"]
    clean = said[said["setting"] == ""].astype({"target": str}).set_index("target")
    rows = said[(said["attack"] == attack) & said["epsilon"].notna()]
    several = rows.groupby(rows["goal"].astype(str), sort=False)["epsilon"].nunique() > 1
    goals = list(several[several].index)
    if not goals:
        return style.nothing(f"{style.attack_name(attack)} was run at one epsilon, or none")
    targeted = [goal for goal in goals if goal != "untargeted"]
    bases = list(dict.fromkeys(models["undefended"]))
    panels = [(goal, measure) for measure, of in (("rate", goals), ("target_share", targeted)) for goal in of]
    fig, axes = plt.subplots(
        len(panels), len(bases), figsize=(4.2 * len(bases) + 1.8, 2.7 * len(panels) + 0.5), squeeze=False, sharex=True,
        layout="constrained",
    )  # fmt: skip
    for column, base in enumerate(bases):
        family = models[models["undefended"] == base]
        for line, (goal, measure) in enumerate(panels):
            axis = axes[line, column]
            chosen = rows[rows["goal"].astype(str) == goal].sort_values("epsilon")
            for place, model in enumerate(family.itertuples()):
                own = chosen[chosen["target"].astype(str) == model.model]
                papers = own[(own["source"].astype(str) == model.attacked_as) & ~own["adaptive"]]
                itself = own[own["source"].astype(str) == model.model]
                start = clean.loc[model.model] if measure == "rate" else None
                colour = {"color": f"C{place}"}
                _line(axis, papers, measure, start, {**colour, "label": model.model, "marker": "o"})
                if model.attacked_as != model.model:
                    _line(axis, itself[~itself["adaptive"]], measure, start, {**colour, "linestyle": "--"}, band=False)
                _line(axis, itself[itself["adaptive"]], measure, start, {**colour, "linestyle": ":"}, band=False)
            axis.set_ylim(-3, 103)
            axis.set_title(f"{base}: {style.attack_name(attack)}, {style.goal_name(goal)}", fontsize=8)
            axis.set_ylabel("accuracy [%]" if measure == "rate" else "said to be the target class [%]")
            if line == len(panels) - 1:
                axis.set_xlabel("ε")
        axes[0, column].legend(frameon=False, fontsize=6.5)
    return fig


def _line(axis: Axes, rows: pd.DataFrame, measure: str, start: Any, look: dict[str, Any], *, band: bool = True) -> None:
    if not len(rows):
        return
    ends = ("low", "high") if measure == "rate" else (f"{measure}_low", f"{measure}_high")
    x = list(rows["epsilon"])
    values = {name: [100 * v for v in rows[name]] for name in (measure, *ends)}
    if start is not None:
        x = [0.0, *x]
        values = {name: [100 * start[name], *values[name]] for name in values}
    axis.plot(x, values[measure], markersize=3, linewidth=1.1, **look)
    if band:
        axis.fill_between(x, values[ends[0]], values[ends[1]], color=look["color"], alpha=0.13, linewidth=0)
