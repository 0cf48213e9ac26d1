"""Evasion attacks: pure functions ``attack(classifier, images, goal, *, parameters) -> AttackResult``.

One module an attack, one line here for each. ``images`` are float32 in [0, 1], N x C x H x W; ``classifier`` maps them to
logits; all budgets are in units of the pixel range.
"""

from __future__ import annotations

from typing import cast

from advatlas.attacks.attack import Attack, run_attack
from advatlas.attacks.fgsm import fgsm
from advatlas.attacks.goal import Goal, Targeted, Untargeted
from advatlas.attacks.i_fgsm import i_fgsm
from advatlas.attacks.one_pixel import one_pixel
from advatlas.attacks.result import AttackResult

ATTACKS: dict[str, Attack] = {
    function.__name__: cast(Attack, function)
    for function in (
        fgsm,
        i_fgsm,
        one_pixel,
    )
}

__all__ = [
    "ATTACKS",
    "Attack",
    "AttackResult",
    "Goal",
    "Targeted",
    "Untargeted",
    "fgsm",
    "i_fgsm",
    "one_pixel",
    "run_attack",
]
