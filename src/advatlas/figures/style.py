"""One look for all figures: seaborn's ``ticks``, colours that colour-blind readers tell apart, names for people."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns

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
    return title if row["goal"] == "untargeted" else f"{title}, {row['goal']} target"


def family_colours(families: pd.Series) -> dict[str, tuple[float, float, float]]:
    """Return one colour for each family, the same in every figure of a study."""
    names = sorted(families.unique())
    palette = sns.color_palette("colorblind" if len(names) <= 10 else "husl", len(names))
    return dict(zip(names, palette, strict=True))


def settings_in_order(frame: pd.DataFrame) -> list[str]:
    """Return the settings of a table from the smallest epsilon to the largest, then by name."""
    unique = frame[["setting", "epsilon"]].astype({"setting": str}).drop_duplicates()
    return list(unique.sort_values(["epsilon", "setting"], kind="stable")["setting"])
