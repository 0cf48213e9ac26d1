"""Success on the source against an attack's parameter, one line a model (su2018 Fig. 1)."""

from __future__ import annotations

import json
from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from advatlas.analyses.sweeps import sweeps_of
from advatlas.figures import style

MOST_IN_A_ROW = 4
NAMES = {"epsilon": "ε", "confidence": "confidence κ", "steps": "steps T", "norm": "norm"}


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw a panel for each attack, goal and parameter that is swept; bars are 95% intervals."""
    style.apply()
    success = tables["success"]
    success = success[~success["excluded"] & (success["n"] > 0)]
    sweeps = sweeps_of(success)
    if not sweeps:
        return style.nothing("no parameter of any attack is swept")
    families = tables["models"].set_index("model")["family"]
    looks = style.model_looks(tables["models"])
    columns = min(MOST_IN_A_ROW, len(sweeps))
    rows = -(-len(sweeps) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(2.7 * columns + 0.4, 2.4 * rows + 1.2), squeeze=False, sharey=True, layout="constrained"
    )
    for place, axis in enumerate(axes.flat):
        if place >= len(sweeps):
            axis.set_visible(False)
            continue
        head, values = sweeps[place]
        where = {setting: value for value, setting in values}
        chosen = success[success["setting"].isin(where)]
        chosen = chosen.assign(value=chosen["setting"].map(where))
        spread = 0.01 * (max(where.values()) - min(where.values()))  # lines of equal models lie beside each other
        for shift, (model, line) in enumerate(chosen.sort_values("value").groupby("source", sort=False)):
            rate = line["rate"] * 100
            bars = [(rate - 100 * line["low"]).clip(lower=0), (100 * line["high"] - rate).clip(lower=0)]
            axis.errorbar(
                line["value"] + spread * (shift - len(looks) / 2),
                rate,
                yerr=bars,
                **looks[str(model)],
                markersize=4,
                linewidth=1,
                elinewidth=0.5,
            )
        axis.set_title(_title(head), fontsize=8)
        axis.set_xlabel(NAMES.get(head["parameter"], head["parameter"].replace("_", " ")))
        axis.set_xticks(sorted(where.values()))
        axis.set_ylim(-4, 104)
        if place % columns == 0:
            axis.set_ylabel("success [%]")
    handles = [Line2D([], [], **looks[model], label=model) for model in families.index if model in looks]
    fig.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return fig


def _title(head: dict[str, str]) -> str:
    fixed = json.loads(head["fixed"])
    shown = [f"{NAMES.get(k, k)} = {fixed[k]:g}" for k in ("epsilon", "steps") if k in fixed and k != head["parameter"]]
    return "\n".join(
        [f"{style.attack_name(head['attack'])}, {style.goal_name(head['goal'])}", ", ".join(shown)]
    ).strip()
