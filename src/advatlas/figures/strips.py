"""The same images attacked on every model: what is seen, how noisy, how sure, how long it took (juraev2023 Fig. 6)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from advatlas.figures import style

IMAGES = 3


def draw(tables: Mapping[str, pd.DataFrame], attack: str) -> Figure:
    """Draw a row for each image and a column for each model, of an attack's first setting; red names are wrong."""
    style.apply()
    examples = tables["strips"]
    examples = examples[examples["attack"] == attack]
    if not len(examples):
        return style.nothing(f"no image was attacked with {style.attack_name(attack)} on several models")
    sources = [model for model in tables["models"]["model"] if model in set(examples["source"])]
    images = list(dict.fromkeys(examples["image_id"]))[:IMAGES]
    fig, axes = plt.subplots(
        len(images), len(sources) + 1, figsize=(1.45 * (len(sources) + 1), 2.05 * len(images) + 0.4), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis in axes.flat:
        axis.set_axis_off()
    for row, image_id in enumerate(images):
        of_image = examples[examples["image_id"] == image_id].set_index("source")
        shown = of_image.iloc[-1]
        axes[row, 0].imshow(style.picture(shown, "original"))
        axes[row, 0].set_title(f"original\n{style.shorten(shown['label_name'])}", fontsize=7)
        for column, source in enumerate(sources, start=1):
            if source not in of_image.index:
                continue
            example = of_image.loc[source]
            axis = axes[row, column]
            axis.imshow(style.picture(example, "image"))
            said = f"{style.shorten(example['prediction_name'])} ({example['confidence']:.0%})"
            axis.set_title(f"{source}\n{said}", fontsize=6, color="firebrick" if example["success"] else "black")
            noise = f"noise {1 - example['ssim']:.4f}\n{example['seconds']:.2f} s"
            axis.text(0.5, -0.03, noise, transform=axis.transAxes, ha="center", va="top", fontsize=6.5)
    fig.suptitle(style.setting_title(examples.iloc[0]))
    return fig
