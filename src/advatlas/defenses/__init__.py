"""Defenses: functions that make a model from a model. One module each, one line here for each."""

from __future__ import annotations

from advatlas.defenses.adversarial_training import adversarial_training
from advatlas.defenses.bit_depth import bit_depth
from advatlas.defenses.defense import Defense
from advatlas.defenses.distillation import distillation
from advatlas.defenses.feature_smoothing import feature_smoothing
from advatlas.defenses.gradient_masking import gradient_masking
from advatlas.defenses.prediction_averaging import prediction_averaging

DEFENSES: dict[str, Defense] = {
    defense.name: defense
    for defense in (
        adversarial_training,
        bit_depth,
        distillation,
        feature_smoothing,
        gradient_masking,
        prediction_averaging,
    )
}

__all__ = ["DEFENSES", "Defense"]
