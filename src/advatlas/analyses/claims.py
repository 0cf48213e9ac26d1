"""Every finding of the study's paper, with its effect, interval and verdict."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pandas as pd

from advatlas.claims import bendaya2020, campbell2024, donoghue2020, juraev2023, su2018
from advatlas.claims.claim import judge_all

MODULES: dict[str, ModuleType] = {
    "bendaya2020": bendaya2020,
    "campbell2024": campbell2024,
    "donoghue2020": donoghue2020,
    "juraev2023": juraev2023,
    "su2018": su2018,
}


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each claim of the paper.

    ``verdict`` is by the claim's own 95% interval; ``verdict_holm`` is what is left of it when all claims of the paper are
    tested together (Holm 1979, 5%). A study of several undefended models with defenses is judged by its first.
    """
    paper = MODULES[options["paper"]]
    evidence = paper.EVIDENCE(tables, options["seed"], options["dataset"])
    return pd.DataFrame(judge_all(paper.CLAIMS, evidence))
