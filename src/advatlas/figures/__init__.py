"""Figures: one module each, one line here for each. Every figure reads tables alone."""

from __future__ import annotations

from advatlas.figures import complexity, examples, training, transfer
from advatlas.figures.figure import Figure

FIGURES: dict[str, Figure] = {
    "transfer": transfer.FIGURE,
    "complexity": complexity.FIGURE,
    "examples": examples.FIGURE,
    "training": training.FIGURE,
}

__all__ = ["FIGURES", "Figure"]
