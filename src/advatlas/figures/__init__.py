"""Figures: one module each, one line here for each. Every figure reads tables alone."""

from __future__ import annotations

from advatlas.figures.figure import Figure

FIGURES: dict[str, Figure] = {
    "transfer": Figure("advatlas.figures.transfer", ("models", "transfer"), per_attack=True),
    "complexity": Figure("advatlas.figures.complexity", ("models", "success")),
    "examples": Figure("advatlas.figures.examples", ("examples", "success"), per_attack=True),
    "matching": Figure(
        "advatlas.figures.matching", ("models", "transfer"), per_attack=True, needs=frozenset({"targeted"})
    ),
    "sweeps": Figure("advatlas.figures.sweeps", ("models", "success")),
    "frontier": Figure(
        "advatlas.figures.frontier", ("models", "robustness", "frontier"), needs=frozenset({"pretrained"})
    ),
    "variants": Figure("advatlas.figures.variants", ("models", "adversarials"), needs=frozenset({"pretrained"})),
    "strips": Figure("advatlas.figures.strips", ("models", "strips"), per_attack=True, needs=frozenset({"pretrained"})),
    "fits": Figure("advatlas.figures.fits", ("fits",), needs=frozenset({"several_fits"})),
    "wordnet": Figure("advatlas.figures.wordnet", ("wordnet",), needs=frozenset({"pretrained"})),
    "defenses": Figure("advatlas.figures.defenses", ("models", "classification"), needs=frozenset({"defenses"})),
    "verdicts": Figure("advatlas.figures.verdicts", ("verdicts",), needs=frozenset({"defenses"})),
    "epsilons": Figure(
        "advatlas.figures.epsilons",
        ("models", "classification"),
        per_attack=True,
        needs=frozenset({"defenses", "epsilons"}),
    ),
    "times": Figure(
        "advatlas.figures.times",
        ("models", "prediction_times", "timing", "success"),
        needs=frozenset({"defenses"}),
    ),
    "confidences": Figure(
        "advatlas.figures.confidences", ("models", "predictions", "strips"), needs=frozenset({"defenses"})
    ),
    "cost": Figure("advatlas.figures.cost", ("cost",)),
    "training": Figure("advatlas.figures.training", ("models", "training"), needs=frozenset({"trained"})),
}

__all__ = ["FIGURES", "Figure"]
