"""Which rate a transfer matrix shows."""

from __future__ import annotations

import pandas as pd


def headline_rates(transfer: pd.DataFrame, fit: str | None = None) -> pd.DataFrame:
    """Return the rows of the transfer table that stand for each cell: images as stored, over all examples.

    Args:
        fit: how images are brought to another size; None: the first of the table.

    The measure is ``fooled`` for untargeted settings and ``matched_top1`` (the target model says the target class) for
    targeted ones, so that the rate of a model with itself is the attack's success rate.
    """
    chosen = fit or (str(transfer["fit"].iloc[0]) if len(transfer) else "")
    measure = transfer["goal"].astype(str).map(lambda goal: "fooled" if goal == "untargeted" else "matched_top1")
    return transfer[
        (transfer["measure"].astype(str) == measure)
        & (transfer["fit"] == chosen)
        & (transfer["precision"] == "float")
        & (transfer["denominator"] == "all")
    ]
