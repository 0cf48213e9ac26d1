"""What analyses of the transfer between models go through: each setting and fit, with the models that take part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from advatlas.metrics.outcomes import Outcomes, outcomes_of


def each_setting(
    tables: Mapping[str, pd.DataFrame], column: str = "reached"
) -> Iterator[tuple[dict[str, Any], Outcomes]]:
    """Yield what identifies each setting and fit, and its outcomes; excluded models are left out."""
    models = list(tables["models"].loc[~tables["models"]["excluded"], "model"])
    images = 1 + max((int(max(row, default=-1)) for row in tables["outcomes"]["image"]), default=-1)
    groups = tables["outcomes"].groupby(["setting", "fit"], sort=False, observed=True)
    for (setting, fit), rows in groups:
        first = rows.iloc[0]
        head = {"setting": setting, "attack": first["attack"], "goal": first["goal"], "fit": fit}
        yield head, outcomes_of(rows, models, images, column)
