"""Reads the presets: entries of a study's ``attacks``, where a list of values is a sweep, of goals one setting for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advatlas.errors import AdvatlasError, did_you_mean, one_of
from advatlas.validation import read_yaml

FOLDER = Path(__file__).parent
PRESETS = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@dataclass(frozen=True)
class Preset:
    """The settings of one paper.

    Attributes:
        paper: its short name.
        attacks: entries of a study's ``attacks``.
        clever: keyword arguments of :class:`advatlas.metrics.clever_sampling.Sampling`; None where the paper has no CLEVER.
    """

    name: str
    paper: str
    attacks: list[dict[str, Any]]
    clever: dict[str, Any] | None


def load_preset(name: str) -> Preset:
    """Read a preset; ``su2018-paper`` and ``su2018_paper`` are the same.

    Raises:
        AdvatlasError: there is none of that name; the message lists those there are.
    """
    stem = name.replace("-", "_")
    if stem not in PRESETS:
        raise AdvatlasError(f"unknown preset '{name}'; known: {one_of(PRESETS)}{did_you_mean(stem, PRESETS)}")
    content = read_yaml(FOLDER / f"{stem}.yaml")
    return Preset(stem, content["paper"], content["attacks"], content.get("clever"))
