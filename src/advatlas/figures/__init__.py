"""Figures: one module each, one line here for each. Every figure reads tables alone."""

from __future__ import annotations

from advatlas.figures.figure import Figure

FIGURES: dict[str, Figure] = {
    "transfer": Figure("advatlas.figures.transfer", ("models", "transfer"), per_attack=True),
    "complexity": Figure("advatlas.figures.complexity", ("models", "success")),
    "examples": Figure("advatlas.figures.examples", ("examples", "success"), per_attack=True),
    "training": Figure("advatlas.figures.training", ("models", "training"), needs=frozenset({"trained"})),
}

__all__ = ["FIGURES", "Figure"]
