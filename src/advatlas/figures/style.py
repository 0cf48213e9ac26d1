"""One look for all figures: seaborn's ``ticks``, colours that colour-blind readers tell apart, names for people."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

mpl.use("Agg")

SEQUENTIAL = "mako_r"
INITIALISATION_MARKERS = {"gaussian": "o", "msra": "s", "xavier": "^"}
ATTACK_NAMES = {
    "apgd": "APGD",
    "bim": "BIM",
    "carlini_wagner": "C&W",
    "deepfool": "DeepFool",
    "dgsm": "DGSM",
    "di_fgsm": "DI-FGSM",
    "ead": "EAD",
    "fgsm": "FGSM",
    "fmn": "FMN",
    "i_fgsm": "I-FGSM",
    "mi_fgsm": "MI-FGSM",
    "one_pixel": "one-pixel",
    "pgd": "PGD",
    "pixel_swap": "pixel swap",
    "si_fgsm": "SI-FGSM",
    "square": "Square",
    "ti_fgsm": "TI-FGSM",
    "vmi_fgsm": "VMI-FGSM",
}


def apply() -> None:
    """Set the style for the figures drawn next."""
    sns.set_theme(
        context="paper",
        style="ticks",
        palette="colorblind",
        rc={
            "figure.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 9,
        },
    )


def nothing(message: str) -> Figure:
    """Return a figure that says why there is nothing to draw."""
    fig = plt.figure(figsize=(5, 1))
    fig.text(0.5, 0.5, message, ha="center")
    return fig


def colour_bar(fig: Figure, axes: Any, image: ScalarMappable, label: str) -> None:
    """Put one colour bar beside all panels."""
    bar = fig.colorbar(image, ax=axes, shrink=0.75, aspect=30, pad=0.02)
    bar.set_label(label)
    bar.outline.set_visible(False)


def picture(example: pd.Series, name: str) -> np.ndarray:
    """Return an image of a row of the tables ``examples`` and ``strips`` as H x W x C in [0, 1]."""
    image: np.ndarray = np.asarray(example[name]).reshape(tuple(example["shape"])).transpose(1, 2, 0).clip(0, 1)
    return image


def shorten(name: str, length: int = 18) -> str:
    """Return a class's name cut to a length."""
    return name if len(name) <= length else name[: length - 1].rstrip() + "…"


def goal_name(goal: str) -> str:
    """Return a goal in words: ``untargeted``, ``random target``, ``least likely target``."""
    return goal if goal == "untargeted" else f"{goal.replace('_', ' ')} target"


def model_looks(models: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return colour (by family), marker and line of each model that takes part, for plots with one line a model."""
    colours = family_colours(models["family"])
    looks: dict[str, dict[str, Any]] = {}
    seen: dict[str, int] = {}
    taking_part = models[~models["excluded"]]
    for model, family in zip(taking_part["model"], taking_part["family"], strict=True):
        place = seen[family] = seen.get(family, -1) + 1
        looks[model] = {"color": colours[family], "marker": "os^Dvp*XP<>"[place % 11], "linestyle": "-"}
    return looks


def attack_name(attack: str) -> str:
    """Return the attack's name in the literature."""
    if attack.startswith("minimal_"):
        return f"{attack_name(attack.removeprefix('minimal_'))}, smallest ε"
    return ATTACK_NAMES.get(attack, attack)


def setting_title(row: Any) -> str:
    """Return a panel's title from a row of a table: attack, epsilon as the papers write it, what else is swept, the goal.

    The other swept parameters are read from the setting's name, which ends in ``-{parameter}{value}`` for each.
    """
    epsilon = row["epsilon"]
    title = attack_name(row["attack"])
    if pd.notna(epsilon):
        levels = epsilon * 255
        whole = abs(levels - round(levels)) < 1e-6 and levels < 33
        title += f", ε = {round(levels)}/255" if whole else f", ε = {epsilon:g}"
    name = str(row.get("setting", row.name))
    swept = [part for part in name.split("-")[1:] if not part.startswith(("epsilon", row["goal"]))]
    title += "".join(f", {part}" for part in swept)
    return title if row["goal"] == "untargeted" else f"{title}, {goal_name(row['goal'])}"


def family_colours(families: pd.Series) -> dict[str, tuple[float, float, float]]:
    """Return one colour for each family, the same in every figure of a study."""
    names = sorted(families.unique())
    palette = sns.color_palette("colorblind" if len(names) <= 10 else "husl", len(names))
    return dict(zip(names, palette, strict=True))


def settings_in_order(frame: pd.DataFrame) -> list[str]:
    """Return the settings of a table from the smallest epsilon to the largest, then by name."""
    unique = frame[["setting", "epsilon"]].astype({"setting": str}).drop_duplicates()
    return list(unique.sort_values(["epsilon", "setting"], kind="stable")["setting"])
