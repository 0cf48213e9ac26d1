"""What a figure is, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure as Canvas

from advatlas.storage.atomic import atomic_path

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Figure:
    """A figure of a study.

    Attributes:
        module: where it is drawn, for the code fingerprint.
        tables: the names of the tables it reads.
        draw: from the tables (and the attack, if ``per_attack``) to a matplotlib figure.
        per_attack: drawn once for each attack of the study.
    """

    module: str
    tables: tuple[str, ...]
    draw: Callable[..., Canvas]
    per_attack: bool = False


def save(canvas: Canvas, outputs: list[Path]) -> None:
    """Write a figure in the format of each file's extension, atomically; equal figures give equal bytes."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "advatlas", "svg.fonttype": "none"}):
        for output in outputs:
            metadata = {"Date": None} if output.suffix == ".svg" else {"Software": None}
            with atomic_path(output) as temporary:
                canvas.savefig(
                    temporary, format=output.suffix[1:], dpi=150, bbox_inches="tight", metadata=metadata
                )
