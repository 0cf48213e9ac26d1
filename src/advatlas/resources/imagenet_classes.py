"""The 1,000 classes of ILSVRC-2012, in the order of their numbers."""

from __future__ import annotations

import csv
import functools
from pathlib import Path

CLASSES = Path(__file__).parent / "imagenet_classes.csv"


@functools.cache
def classes() -> tuple[tuple[str, str], ...]:
    """Return (wnid, name) of the 1,000 classes in the order of their numbers, which is that of their wnids."""
    with open(CLASSES, newline="", encoding="utf-8") as file:
        return tuple((row["wnid"], row["name"]) for row in csv.DictReader(file))


def wnids() -> list[str]:
    """Return the WordNet identifiers of the classes."""
    return [wnid for wnid, _ in classes()]
