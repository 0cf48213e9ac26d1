"""One pair of models: examples, what was done to them, and what source and target say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from advatlas.figures import style
from advatlas.stages.gallery import first_fooled

if TYPE_CHECKING:
    from advatlas.results import AdversarialSet


def chosen(made: AdversarialSet, count: int) -> np.ndarray:
    """Return the places of the examples that are shown, as on the study's page."""
    return first_fooled(made.table["label"].to_numpy(), made.table["success"].to_numpy())[:count]


def said(row: pd.Series, names: Mapping[int, str]) -> tuple[str, bool]:
    """Return what a model says of an image, and whether it is wrong."""
    label = int(row["prediction"])
    return f"{style.shorten(names.get(label, str(label)), 14)} ({row['confidence']:.0%})", label != int(row["label"])


def draw(
    made: AdversarialSet,
    answers: pd.DataFrame,
    source: str,
    target: str,
    names: Mapping[int, str],
    count: int = 4,
) -> Figure:
    """Draw a column for each example: original, perturbation (grey is no change), adversarial; wrong answers in red."""
    style.apply()
    places = chosen(made, count)
    if not len(places):
        return style.nothing(f"no image of {source} was attacked")
    shown = answers.drop_duplicates("image_id").set_index("image_id")
    fig, axes = plt.subplots(
        3, len(places), figsize=(1.75 * len(places) + 0.6, 6.4), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for column, place in enumerate(places):
        row = made.table.iloc[place]
        clean, image = (stack[place].numpy().transpose(1, 2, 0) for stack in (made.originals, made.images))
        change = image - clean
        scale = float(np.abs(change).max()) or 1.0
        for axis, picture in zip(axes[:, column], (clean, 0.5 + change / (2 * scale), image), strict=True):
            axis.imshow(picture.clip(0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes[0, column].set_title(style.shorten(names.get(int(row["label"]), str(row["label"])), 14), fontsize=8)
        axes[1, column].set_title(f"L∞ {row['linf']:.2g}, L2 {row['l2']:.2g}", fontsize=7)
        by_source = said(row, names)
        by_target = said(shown.loc[row["image_id"]], names)
        for line, (text, wrong) in enumerate((by_source, by_target)):
            axes[2, column].text(
                0.5, -0.06 - 0.13 * line, text, transform=axes[2, column].transAxes, ha="center", va="top", fontsize=7.5,
                color="firebrick" if wrong else "black",
            )  # fmt: skip
    name = {"attack": made.setting["attack"], "goal": made.setting["goal"], "setting": made.setting["name"],
            "epsilon": made.setting["parameters"].get("epsilon", np.nan)}  # fmt: skip
    fig.suptitle(f"{style.setting_title(pd.Series(name))}\nfirst line: {source} says; second: {target}", fontsize=9)
    return fig
