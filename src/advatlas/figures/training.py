"""Training curves: loss and validation accuracy of every model, the kept epoch marked."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from advatlas.figures import style

INITIALISATIONS = ("gaussian", "msra", "xavier", "pretrained", "random")


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw one column for each architecture: losses above, validation accuracy below.

    Colours tell initialisations apart; where networks are defended, they tell the defenses apart by the models' names.
    """
    style.apply()
    models = tables["models"]
    defended = bool((models["defense"] != "").any())
    models = models.assign(colour=models["model"] if defended else models["initialisation"])
    history = tables["training"].merge(models[["model", "architecture", "colour", "excluded"]], on="model")
    architectures = list(dict.fromkeys(models["architecture"]))
    fig, axes = plt.subplots(
        2, len(architectures), figsize=(2.1 * len(architectures) + 1, 4.6), squeeze=False, sharex="col", sharey="row",
        layout="constrained",
    )  # fmt: skip
    order = list(dict.fromkeys(models["colour"])) if defended else INITIALISATIONS
    colours = {name: f"C{place}" for place, name in enumerate(order)}
    used = [name for name in order if name in set(history["colour"])]
    for column, architecture in enumerate(architectures):
        above, below = axes[:, column]
        for _, curve in history[history["architecture"] == architecture].groupby("model", sort=False):
            faint = 0.35 if curve["excluded"].iloc[0] else 1.0
            look = {"color": colours[curve["colour"].iloc[0]], "alpha": faint, "linewidth": 1.3}
            above.plot(curve["epoch"], curve["train_loss"], linestyle=":", **look)
            above.plot(curve["epoch"], curve["validation_loss"], **look)
            below.plot(curve["epoch"], curve["validation_accuracy"] * 100, **look)
            kept = curve[curve["best"]].tail(1)
            above.plot(kept["epoch"], kept["validation_loss"], "o", markersize=4, **look)
            below.plot(kept["epoch"], kept["validation_accuracy"] * 100, "o", markersize=4, **look)
        above.set_title(architecture)
        above.set_yscale("log")
        below.set_xlabel("epoch")
        below.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes[0, 0].set_ylabel("loss")
    axes[1, 0].set_ylabel("validation accuracy [%]")
    handles = [Line2D([], [], color=colours[name], label=name) for name in used]
    handles += [
        Line2D([], [], color="0.4", label="validation"),
        Line2D([], [], color="0.4", linestyle=":", label="training"),
        Line2D([], [], color="0.4", marker="o", linestyle="", label="kept epoch"),
    ]
    if models["excluded"].any():
        handles.append(Line2D([], [], color="0.4", alpha=0.35, label="excluded"))
    fig.legend(handles=handles, loc="outside lower center", ncols=4 if defended else len(handles), frameon=False)
    return fig
