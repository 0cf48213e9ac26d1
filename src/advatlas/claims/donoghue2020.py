"""The findings of donoghue2020, and whether they survive attackers who know of the defenses.

Its accuracies were measured on training images, its curves on 50 images, and "0.14" for DGSM is 0.014 in its plots.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from advatlas.claims.claim import Claim, Effect
from advatlas.claims.evidence import Defended

EVIDENCE = Defended
AVERAGED, TRAINED = "prediction_averaging", "adversarial_training"
EPSILON, SATURATED = 0.025, 0.014


def _fgsm_drop(evidence: Defended, index: int) -> Effect:
    base = evidence.model(index=index)
    return evidence.difference(evidence.clean(base), evidence.under(base, "fgsm", epsilon=EPSILON), base)


def _fgsm_gain(evidence: Defended, defense: str) -> Effect:
    defended, base = evidence.model(defense), evidence.model()
    return evidence.difference(
        evidence.under(defended, "fgsm", epsilon=EPSILON), evidence.under(base, "fgsm", epsilon=EPSILON), defended
    )


def _knowing_gain(evidence: Defended, defense: str) -> Effect:
    defended, base = evidence.model(defense), evidence.model()
    left = [evidence.under(m, "pgd", adaptive=True, epsilon=EPSILON) for m in (defended, base)]
    return evidence.difference(left[0], left[1], defended)


def _dgsm_fails(evidence: Defended, defense: str, share: float, *, adaptive: bool = False) -> Effect:
    """Return the share of images that are not brought to the target class, less what the claim allows."""
    count, n, detail = evidence.target_hits(evidence.model(defense), "dgsm", SATURATED, adaptive=adaptive)
    hits = evidence.proportion(count, n, detail)
    return Effect(share - hits.value, share - hits.draws, n, detail)


def _dgsm_saturates(evidence: Defended) -> Effect:
    return evidence.proportion(*evidence.target_hits(evidence.model(), "dgsm", SATURATED))


def _cost(evidence: Defended) -> Effect:
    return evidence.difference(evidence.clean(evidence.model()), evidence.clean(evidence.model(TRAINED)))


def _linear(evidence: Defended) -> Effect:
    """Return the share of the variance of averaged accuracy over epsilon that a straight line explains."""
    model = evidence.model(AVERAGED)
    source = evidence.attacked_as(model)
    rows = evidence.said[
        (evidence.said["attack"] == "fgsm") & (evidence.said["source"] == source) & (evidence.said["target"] == model)
    ].sort_values("epsilon")
    curves = [evidence.clean(model), *(evidence.under(model, "fgsm", epsilon=e) for e in rows["epsilon"])]
    x = np.array([0.0, *rows["epsilon"]])
    rates = np.stack(curves)
    draws = evidence.weights @ rates.T / evidence.weights.sum(1, keepdims=True)

    def explained(y: np.ndarray) -> np.ndarray:
        gaps = y - y.mean(1, keepdims=True)
        slope = gaps @ (x - x.mean()) / ((x - x.mean()) ** 2).sum()
        rest = gaps - slope[:, None] * (x - x.mean())
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(1 - (rest**2).sum(1) / (gaps**2).sum(1))

    return Effect(float(explained(rates.mean(1)[None])[0]), explained(draws), rates.shape[1], f"{len(x)} epsilons")


# Where each table and figure of the paper stands on the page (sections begin with #, else names of figures).
PLACES = {
    "Figs. 1 and 4": ("examples of FGSM", ("examples-fgsm",)),
    "Fig. 3": ("accuracy against the epsilon of FGSM", ("epsilons-fgsm",)),
    "Fig. 5": ("accuracy against the epsilon of DGSM", ("epsilons-dgsm",)),
    "Fig. 6": ("FGSM against averaging", ("epsilons-fgsm", "#defenses")),
    "Fig. 7": ("FGSM against adversarial training", ("epsilons-fgsm", "#defenses")),
    "Figs. 2 and 8": ("perturbations of FGSM and DGSM", ("examples-fgsm", "examples-dgsm")),
}

CLAIMS = (
    Claim(
        "fgsm_drops_first", "FGSM at 2.5% of the range costs the first network more than 50 points.",
        "section III-D, Fig. 3",
        partial(_fgsm_drop, index=0), above=0.5,
    ),
    Claim(
        "fgsm_drops_second", "FGSM at 2.5% costs the second network about 73 points: more than 50.", "section III-D",
        partial(_fgsm_drop, index=1), above=0.5,
    ),
    Claim(
        "dgsm_saturates", "DGSM at 0.014 brings (nearly) every image to the target class.", "section III-D, Fig. 5",
        _dgsm_saturates, above=0.9,
    ),
    Claim(
        "averaging_helps_fgsm", "Averaging raises accuracy under small FGSM attacks.", "section III-E, Fig. 6",
        partial(_fgsm_gain, defense=AVERAGED),
    ),
    Claim(
        "averaging_linear", "Behind averaging, accuracy falls roughly linearly with epsilon.", "section III-E, Fig. 6",
        _linear, above=0.8, unit="share of variance",
    ),
    Claim(
        "averaging_stops_dgsm", "Averaging lets DGSM have no more than 2%.", "section III-E",
        partial(_dgsm_fails, defense=AVERAGED, share=0.02),
    ),
    Claim(
        "training_costs_accuracy", "Adversarial training costs accuracy on clean images.", "section III-E", _cost,
    ),
    Claim(
        "training_helps_fgsm", "Adversarial training raises accuracy under FGSM.", "section III-E, Fig. 7",
        partial(_fgsm_gain, defense=TRAINED),
    ),
    Claim(
        "training_stops_dgsm", "DGSM has no success (at most 4%) after adversarial training.", "section III-E",
        partial(_dgsm_fails, defense=TRAINED, share=0.04),
    ),
    Claim(
        "averaging_helps_knowing", "Averaging still helps against PGD that averages too.", "not asked",
        partial(_knowing_gain, defense=AVERAGED), knowing=True,
    ),
    Claim(
        "averaging_stops_dgsm_knowing", "Averaging stops DGSM that averages too.", "not asked",
        partial(_dgsm_fails, defense=AVERAGED, share=0.02, adaptive=True), knowing=True,
    ),
    Claim(
        "training_helps_knowing", "Adversarial training still helps against PGD.", "not asked",
        partial(_knowing_gain, defense=TRAINED), knowing=True,
    ),
)  # fmt: skip
