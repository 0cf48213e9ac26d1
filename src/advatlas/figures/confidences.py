"""One image under every attack: what is seen, and the three classes the model is surest of (campbell2024 Figs. 7-11)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from advatlas.figures import style


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the original, then for each attack its perturbation (grey is no change), its image, and the answers to it.

    On the first undefended model, of each attack its first setting; the image that most of them fool.
    """
    style.apply()
    models = tables["models"][~tables["models"]["excluded"]]
    source = models.loc[models["defense"] == "", "model"].iloc[0]
    shown = tables["strips"][tables["strips"]["source"] == source]
    if not len(shown):
        return style.nothing(f"no image of {source} was attacked")
    fooled = shown.drop_duplicates(["image_id", "attack"]).groupby("image_id")["success"].sum()
    image_id = fooled.sort_index(kind="stable").idxmax()
    rows = shown[shown["image_id"] == image_id].drop_duplicates("attack")
    names: dict[int, str] = {}
    for classes, said in zip(shown["top_classes"], shown["top_names"], strict=True):
        names |= dict(zip(classes, said, strict=True))
    predictions = tables["predictions"]
    clean = predictions[(predictions["model"] == source) & (predictions["image_id"] == image_id)].iloc[0]
    fig, axes = plt.subplots(
        3, len(rows) + 1, figsize=(1.75 * (len(rows) + 1) + 0.4, 5.2), squeeze=False, layout="constrained",
        gridspec_kw={"height_ratios": [1, 1, 0.75]},
    )  # fmt: skip
    original = style.picture(rows.iloc[0], "original")
    axes[0, 0].set_axis_off()
    _show(axes[1, 0], original)
    axes[1, 0].set_title(f"original: {rows.iloc[0]['label_name']}", fontsize=7.5)
    _answers(axes[2, 0], clean, names)
    for column, (_, row) in enumerate(rows.iterrows(), start=1):
        image = style.picture(row, "image")
        change = image - original
        _show(axes[0, column], 0.5 + change / (2 * (np.abs(change).max() or 1.0)))
        axes[0, column].set_title(f"{style.setting_title(row)}\nL2 {row['l2']:.2f}, Linf {row['linf']:.3f}", fontsize=7)
        _show(axes[1, column], image)
        _answers(axes[2, column], row, names)
    fig.suptitle(f"{source}: perturbation, image, and the three classes it is surest of")
    return fig


def _show(axis: Axes, picture: np.ndarray) -> None:
    axis.imshow(picture.clip(0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set_axis_off()


def _answers(axis: Axes, row: pd.Series, names: dict[int, str]) -> None:
    classes, confidences = list(row["top_classes"]), 100 * np.asarray(row["top_confidences"], dtype=np.float64)
    places = range(len(classes))
    colours = ["C2" if c == row["label"] else "C3" for c in classes]
    axis.barh(places, confidences, color=colours, height=0.6)
    for place, (name, value) in enumerate(zip(classes, confidences, strict=True)):
        axis.text(2, place, f"{style.shorten(str(names.get(name, name)), 14)}  {value:.1f}%", va="center", fontsize=6.5)
    axis.set_xlim(0, 100)
    axis.set_yticks([])
    axis.invert_yaxis()
    axis.set_xlabel("confidence [%]", fontsize=7)
    axis.tick_params(labelsize=6)
