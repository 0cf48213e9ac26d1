"""Analyses: one module each, one line here for each. Every analysis makes one table of tables."""

from __future__ import annotations

from advatlas.analyses.analysis import Analysis

ANALYSES: dict[str, Analysis] = {
    "robustness": Analysis("advatlas.analyses.robustness", ("models", "adversarials", "success"), also=("clever",)),
    "frontier": Analysis("advatlas.analyses.frontier", ("models", "adversarials", "success"), also=("clever",)),
    "families": Analysis("advatlas.analyses.families", ("models", "outcomes")),
    "asymmetry": Analysis("advatlas.analyses.asymmetry", ("models", "outcomes")),
    "ranking": Analysis("advatlas.analyses.ranking", ("models", "outcomes", "success")),
    "sweeps": Analysis("advatlas.analyses.sweeps", ("models", "outcomes", "success")),
    "fits": Analysis("advatlas.analyses.fits", ("models", "outcomes"), needs=frozenset({"several_fits"})),
    "contrasts": Analysis("advatlas.analyses.contrasts", ("adversarials",), needs=frozenset({"contrasts"})),
    "verdicts": Analysis("advatlas.analyses.verdicts", ("models", "classification"), needs=frozenset({"defenses"})),
    "claims": Analysis(
        "advatlas.analyses.claims",
        ("models", "adversarials", "success", "outcomes", "predictions"),
        also=("classification", "clever", "wordnet"),
        needs=frozenset({"claims"}),
    ),
    "reproduction": Analysis(
        "advatlas.analyses.reproduction",
        ("published", "models", "predictions", "adversarials", "success", "outcomes", "claims"),
        also=("classification", "prediction_times", "frontier", "clever"),
        needs=frozenset({"claims"}),
    ),
    "wordnet": Analysis("advatlas.analyses.wordnet", ("predictions",), needs=frozenset({"pretrained"})),
}

__all__ = ["ANALYSES", "Analysis"]
