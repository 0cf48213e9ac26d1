"""Evasion attacks: pure functions ``attack(classifier, images, goal, *, parameters) -> AttackResult``.

One module an attack, one line here for each. ``images`` are float32 in [0, 1], N x C x H x W; ``classifier`` maps them to
logits; all budgets are in units of the pixel range.
"""

from __future__ import annotations

from typing import cast

from advatlas.attacks.apgd import apgd
from advatlas.attacks.attack import Attack, run_attack
from advatlas.attacks.bim import bim
from advatlas.attacks.carlini_wagner import carlini_wagner
from advatlas.attacks.deepfool import deepfool
from advatlas.attacks.dgsm import dgsm
from advatlas.attacks.di_fgsm import di_fgsm
from advatlas.attacks.ead import ead
from advatlas.attacks.fgsm import fgsm
from advatlas.attacks.fmn import fmn
from advatlas.attacks.goal import Goal, Targeted, Untargeted
from advatlas.attacks.i_fgsm import i_fgsm
from advatlas.attacks.mi_fgsm import mi_fgsm
from advatlas.attacks.minimal import minimal
from advatlas.attacks.one_pixel import one_pixel
from advatlas.attacks.pgd import pgd
from advatlas.attacks.pixel_swap import pixel_swap
from advatlas.attacks.red_flags import RedFlag, RedFlagWarning, red_flags
from advatlas.attacks.result import AttackResult
from advatlas.attacks.si_fgsm import si_fgsm
from advatlas.attacks.square import square
from advatlas.attacks.ti_fgsm import ti_fgsm
from advatlas.attacks.vmi_fgsm import vmi_fgsm

_METHODS = tuple(
    cast(Attack, function)
    for function in (
        apgd,
        bim,
        carlini_wagner,
        deepfool,
        dgsm,
        di_fgsm,
        ead,
        fgsm,
        fmn,
        i_fgsm,
        mi_fgsm,
        one_pixel,
        pgd,
        pixel_swap,
        si_fgsm,
        square,
        ti_fgsm,
        vmi_fgsm,
    )
)
# Each attack with a budget also searches for its smallest, under the name "minimal_...".
_SEARCHES = tuple(minimal(function) for function in _METHODS if "epsilon" in function.parameters)

ATTACKS: dict[str, Attack] = {function.__name__: function for function in (*_METHODS, *_SEARCHES)}

__all__ = [
    "ATTACKS",
    "Attack",
    "AttackResult",
    "Goal",
    "RedFlag",
    "RedFlagWarning",
    "Targeted",
    "Untargeted",
    "apgd",
    "bim",
    "carlini_wagner",
    "deepfool",
    "dgsm",
    "di_fgsm",
    "ead",
    "fgsm",
    "fmn",
    "i_fgsm",
    "mi_fgsm",
    "minimal",
    "one_pixel",
    "pgd",
    "pixel_swap",
    "red_flags",
    "run_attack",
    "si_fgsm",
    "square",
    "ti_fgsm",
    "vmi_fgsm",
]
