"""The attack settings of the five papers, one YAML file each, every value with its source beside it."""

from __future__ import annotations

from advatlas.attacks.presets.preset import PRESETS, Preset, load_preset

__all__ = ["PRESETS", "Preset", "load_preset"]
