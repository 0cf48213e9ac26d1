"""Targeted transfer: the share of examples for which the target model has the target class among its first k (su2018)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from advatlas.figures import style
from advatlas.figures.transfer import matrix_of, panel


def draw(tables: Mapping[str, pd.DataFrame], attack: str) -> Figure:
    """Draw a row for each targeted setting of an attack and a column for each k: matching rates in percent."""
    style.apply()
    rates = tables["transfer"]
    rates = rates[
        (rates["attack"] == attack)
        & (rates["goal"] != "untargeted")
        & rates["measure"].astype(str).str.startswith("matched_top")
        & (rates["precision"] == "float")
        & (rates["denominator"] == "all")
    ]
    rates = rates[rates["fit"] == rates["fit"].iloc[0]] if len(rates) else rates
    settings = style.settings_in_order(rates)
    if not settings:
        return style.nothing(f"{style.attack_name(attack)} has no targeted setting in this study")
    measures = sorted(rates["measure"].astype(str).unique(), key=lambda name: int(name.removeprefix("matched_top")))
    models = tables["models"]
    side = max(2.6, 0.34 * len(models))
    fig, axes = plt.subplots(
        len(settings), len(measures), figsize=(len(measures) * (side + 0.4) + 1.6, len(settings) * (side + 0.6) + 1.0),
        squeeze=False, layout="constrained", sharex=True, sharey=True,
    )  # fmt: skip
    image = None
    for row, setting in enumerate(settings):
        for column, measure in enumerate(measures):
            chosen = rates[(rates["setting"] == setting) & (rates["measure"] == measure)]
            image = panel(axes[row, column], matrix_of(chosen, models), models, 100)
            axes[row, column].set_title(
                f"{style.setting_title(chosen.iloc[0])}, top-{measure.removeprefix('matched_top')}"
            )
            axes[row, column].set_xlabel("target" if row == len(settings) - 1 else "")
            axes[row, column].set_ylabel("source" if column == 0 else "")
    if image is not None:
        style.colour_bar(fig, axes, image, "matching rate [%]")
    return fig
