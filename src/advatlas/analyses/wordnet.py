"""Are least-likely classes unrelated to the true ones? (su2018 section 5.5, Fig. 11)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from advatlas.metrics.wordnet import wordnet_distances

# The paper calls two classes unrelated where their shortest path is longer than this.
RELATED = 5


def table(tables: Mapping[str, pd.DataFrame], _options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each model and candidate image it gets right: the distance of label and least-likely class."""
    right = tables["predictions"][tables["predictions"]["correct"]]
    distance = wordnet_distances(right["label"].to_numpy(), right["least_likely"].to_numpy())
    found = right[["model", "image_id", "label", "least_likely"]].assign(distance=distance)
    return found.assign(unrelated=found["distance"] > RELATED).reset_index(drop=True)
