"""Every finding of the study's paper, with its effect, interval and verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from advatlas.claims import campbell2024, donoghue2020
from advatlas.claims.claim import Evidence

CLAIMS = {"campbell2024": campbell2024.CLAIMS, "donoghue2020": donoghue2020.CLAIMS}


def table(tables: Mapping[str, pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each claim of the paper; a study of several undefended models is judged by its first."""
    evidence = Evidence(tables, options["seed"])
    return pd.DataFrame([claim.judge(evidence) for claim in CLAIMS[options["paper"]]])
