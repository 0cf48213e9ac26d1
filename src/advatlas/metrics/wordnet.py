"""How far apart two ImageNet classes are in the WordNet hierarchy (su2018 section 5.5, Fig. 11)."""

from __future__ import annotations

import csv
import functools
from pathlib import Path

import numpy as np

from advatlas.resources.imagenet_classes import wnids

HYPERNYMS = Path(__file__).parents[1] / "resources" / "imagenet_hypernyms.csv"
_FAR = 10_000


@functools.cache
def _steps_up() -> np.ndarray:
    """Return for each class and each of its ancestors the least number of steps up; int32, 1000 x ancestors."""
    parents: dict[str, list[str]] = {}
    with open(HYPERNYMS, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            parents.setdefault(row["wnid"], []).append(row["hypernym"])
    synsets = sorted(set(parents) | {p for above in parents.values() for p in above} | set(wnids()))
    place = {synset: index for index, synset in enumerate(synsets)}
    steps = np.full((len(wnids()), len(synsets)), _FAR, np.int32)
    for label, wnid in enumerate(wnids()):
        level, distance = {wnid}, 0
        while level:
            for synset in level:
                steps[label, place[synset]] = min(distance, steps[label, place[synset]])
            level = {p for synset in level for p in parents.get(synset, []) if steps[label, place[p]] > distance + 1}
            distance += 1
    return steps


def wordnet_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the shortest path between classes, up to a common hypernym and down again: int N.

    As NLTK's ``shortest_path_distance``, over hypernyms and instance hypernyms.

    Args:
        first: classes, int N, from 0 to 999.
        second: the same.
    """
    steps = _steps_up()
    return np.array([(steps[a] + steps[b]).min() for a, b in zip(first, second, strict=True)], dtype=np.int64)
