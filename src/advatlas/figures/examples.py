"""Example images: original, perturbation and adversarial image, for each setting of an attack."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from advatlas.figures import style


def draw(tables: Mapping[str, pd.DataFrame], attack: str) -> Figure:
    """Draw the same images as every setting of an attack changes them, on the source it fools most.

    For each setting one row of perturbations, scaled to be seen (grey is no change), and one of adversarial images with
    what the source says of them.
    """
    style.apply()
    examples = tables["examples"]
    success = tables["success"]
    success = success[(success["attack"] == attack) & ~success["excluded"] & (success["n"] > 0)]
    settings = style.settings_in_order(success)
    if not settings:
        return style.nothing(f"no source model was attacked with {style.attack_name(attack)}")
    source = success.groupby("source", sort=False)["count"].sum().idxmax()
    shown = examples[(examples["attack"] == attack) & (examples["source"] == source)].sort_values(
        "label", kind="stable"
    )
    ids = list(dict.fromkeys(shown["image_id"]))
    rows = 1 + 2 * len(settings)
    fig, axes = plt.subplots(
        rows,
        len(ids),
        figsize=(1.15 * len(ids) + 1.2, 1.25 * rows + 0.5),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for column, image_id in enumerate(ids):
        of_image = shown[shown["image_id"] == image_id].set_index("setting")
        for row, setting in enumerate(settings):
            if setting in of_image.index:
                _column(axes, column, row, of_image.loc[setting])
    titles = success.drop_duplicates("setting").set_index("setting")
    _label(axes[0, 0], "original")
    for row, setting in enumerate(settings):
        _label(axes[1 + 2 * row, 0], f"{style.setting_title(titles.loc[setting])}\nperturbation")
        _label(axes[2 + 2 * row, 0], "adversarial")
    fig.suptitle(f"{style.attack_name(attack)} on {source}, the model it fools most; red: fooled")
    return fig


def _column(axes: np.ndarray, column: int, row: int, example: pd.Series) -> None:
    original, image = (style.picture(example, name) for name in ("original", "image"))
    _show(axes[0, column], original)
    axes[0, column].set_title(style.shorten(example["label_name"], 14), fontsize=7)
    change = image - original
    scale = np.abs(change).max() or 1.0
    _show(axes[1 + 2 * row, column], 0.5 + change / (2 * scale))
    axis = axes[2 + 2 * row, column]
    _show(axis, image)
    axis.set_title(
        f"{style.shorten(example['prediction_name'], 12)} ({example['confidence']:.0%})",
        fontsize=7,
        color="firebrick" if example["success"] else "black",
        pad=2,
    )


def _show(axis: Axes, picture: np.ndarray) -> None:
    axis.imshow(picture.clip(0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def _label(axis: Axes, text: str) -> None:
    axis.text(-0.12, 0.5, text, transform=axis.transAxes, ha="right", va="center", fontsize=8)
