"""The findings of campbell2024, and whether they survive attackers who know of the defenses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from advatlas.claims.claim import Claim, Effect, Missing
from advatlas.claims.evidence import Defended

EVIDENCE = Defended
# The four attacks of the paper; its I-FGSM has momentum.
FOUR = ("mi_fgsm", "deepfool", "carlini_wagner", "pixel_swap")
GRADIENT = FOUR[:3]
SINGLE = ("adversarial_training", "feature_smoothing", "gradient_masking", "distillation")
# Differences of accuracy below this count as none.
NOTHING = 0.05


def _gain(evidence: Defended, defense: str, attack: str) -> np.ndarray:
    defended, base = evidence.model(defense), evidence.model()
    gain: np.ndarray = evidence.under(defended, attack) - evidence.under(base, attack)
    return gain


def _overall(evidence: Defended, model: str) -> np.ndarray:
    """Return each image's mean over the four attacks."""
    mean: np.ndarray = np.mean([evidence.under(model, attack) for attack in FOUR], axis=0)
    return mean


def _knowing(evidence: Defended, model: str) -> np.ndarray:
    """Return what is left under the strongest attack within the study's epsilon by one who knows of the defense.

    Such a one may attack the undefended network instead, and show its examples.
    """
    base = evidence.model()
    trials = [evidence.under(model, "pgd", adaptive=True)]
    for attack, source, adaptive in (("square", model, False), ("pgd", base, True), ("mi_fgsm", base, False)):
        try:
            trials.append(evidence.under(model, attack, source=source, adaptive=adaptive))
        except Missing:
            continue
    return evidence.weakest(model, *trials)


def _most_repaired_by_smoothing(evidence: Defended) -> Effect:
    gains = {attack: _gain(evidence, "feature_smoothing", attack) for attack in GRADIENT}
    others = {attack: float(np.nanmean(gain)) for attack, gain in gains.items() if attack != "deepfool"}
    best = max(others, key=lambda attack: others[attack])
    shown = ", ".join(f"{attack} {100 * float(np.nanmean(gain)):+.1f}" for attack, gain in gains.items())
    return evidence.difference(gains["deepfool"], gains[best], f"gains in points: {shown}")


def _against_the_others(evidence: Defended, left: Callable[[Defended, str], np.ndarray]) -> Effect:
    """Return how much more adversarial training keeps than the best of the other defenses."""
    trained = left(evidence, evidence.model("adversarial_training"))
    others = {defense: left(evidence, evidence.model(defense)) for defense in SINGLE[1:]}
    best = max(others, key=lambda defense: float(np.nanmean(others[defense])))
    shares = [f"{100 * float(np.nanmean(right)):.1f}%" for right in (trained, others[best])]
    return evidence.difference(trained, others[best], f"{shares[0]} against {best}'s {shares[1]}")


def _masking(evidence: Defended, attacks: tuple[str, ...]) -> Effect:
    gains = [_gain(evidence, "gradient_masking", attack) for attack in attacks]
    return evidence.mean(np.mean(gains, axis=0), "mean gain over " + ", ".join(attacks))


def _stacked(evidence: Defended) -> Effect:
    both = _overall(evidence, evidence.model("adversarial_training + feature_smoothing"))
    single = {d: _overall(evidence, evidence.model(d)) for d in ("adversarial_training", "feature_smoothing")}
    best = max(single, key=lambda defense: float(np.nanmean(single[defense])))
    return evidence.difference(both, single[best], f"against {best}")


def _gain_knowing(defense: str) -> Claim:
    return Claim(
        f"{defense}_knowing",
        f"{defense.replace('_', ' ').capitalize()} still helps against an attacker who knows of it.",
        "not asked",
        lambda e: e.difference(_knowing(e, e.model(defense)), _knowing(e, e.model())),
        knowing=True,
    )


# Where each table and figure of the paper stands on the page (sections begin with #, else names of figures).
PLACES = {
    "Table 1": ("the data sets", ("#paper",)),
    "Figs. 3 to 5": ("training loss", ("training", "#training")),
    "Fig. 6": ("accuracy of the undefended networks", ("#models",)),
    "Tables 3, 5, 7 and 9": ("F1 after each attack", ("#paper", "defenses")),
    "Tables 2, 4, 6, 8 and 10 to 14": ("times", ("times", "#paper", "#attacks")),
    "Figs. 7 to 11": ("one image under every attack", ("confidences",)),
    "Figs. 12 to 15": ("accuracy after each defense", ("defenses", "#defenses")),
    "Figs. 16 to 18": ("all defenses against all attacks", ("defenses", "verdicts", "#defenses")),
}

CLAIMS = (
    Claim(
        "ifgsm_cheaper_than_deepfool", "I-FGSM is the cheapest attack; DeepFool takes longer.", "Tables 4 and 6",
        lambda e: e.slower("deepfool", "mi_fgsm"),
        unit="doublings of the time",
    ),
    Claim(
        "deepfool_cheaper_than_cw", "C&W takes longer than DeepFool.", "Tables 6 and 8",
        lambda e: e.slower("carlini_wagner", "deepfool"),
        unit="doublings of the time",
    ),
    Claim(
        "cw_cheaper_than_swap", "Pixel swap is the dearest attack.", "Tables 8 and 10",
        lambda e: e.slower("pixel_swap", "carlini_wagner"),
        unit="doublings of the time",
    ),
    Claim(
        "attacks_work", "Every attack brings the undefended network to less than half of its accuracy.", "Tables 3-9",
        lambda e: e.mean(
            0.5 * e.clean(e.model()) - np.max([e.under(e.model(), attack) for attack in FOUR], axis=0),
            "half of the clean accuracy minus what all four attacks leave",
        ),
    ),
    Claim(
        "smoothing_repairs_deepfool_most", "Feature smoothing repairs DeepFool more than I-FGSM and C&W.", "section 3.5.2",
        _most_repaired_by_smoothing,
    ),
    Claim(
        "masking_does_little", "Gradient masking makes no difference to gradient attacks.", "section 3.5.3",
        lambda e: _masking(e, GRADIENT), above=-NOTHING, below=NOTHING,
    ),
    Claim(
        "masking_and_black_box", "Gradient masking does nothing against the black-box attack.", "section 3.5.3",
        lambda e: _masking(e, ("pixel_swap",)), above=-NOTHING, below=NOTHING,
    ),
    Claim(
        "distillation_repairs_deepfool", "Distillation brings accuracy under DeepFool close to that on clean images.",
        "section 3.5.4",
        lambda e: e.difference(
            e.under(e.model("distillation"), "deepfool"), 0.8 * e.clean(e.model("distillation")), "over 80% of clean"
        ),
    ),
    Claim(
        "distillation_fails_against_cw", "Distillation does not help against C&W.", "section 3.5.4",
        lambda e: e.mean(_gain(e, "distillation", "carlini_wagner")), above=-np.inf, below=NOTHING,
    ),
    Claim(
        "training_best", "Adversarial training is the best defense overall.", "section 3.6",
        lambda e: _against_the_others(e, _overall),
    ),
    Claim(
        "stacking_helps", "Adversarial training with smoothing is better than either.", "section 4.1", _stacked,
    ),
    Claim(
        "training_best_knowing", "Adversarial training is the best defense against attackers who know of the defenses.",
        "not asked", lambda e: _against_the_others(e, _knowing), knowing=True,
    ),
    *(_gain_knowing(defense) for defense in SINGLE),
)  # fmt: skip
