"""What a figure is, and how it is written."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from advatlas.storage.atomic import atomic_path

if TYPE_CHECKING:  # matplotlib takes a second to import, and the scheduler needs only the names
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Figure:
    """A figure of a study.

    Attributes:
        module: its module; that has a function ``draw(tables) -> matplotlib figure`` (``draw(tables, attack)`` if
            ``per_attack``).
        tables: the names of the tables it reads.
        per_attack: drawn once for each attack of the study.
        needs: features (of :meth:`advatlas.studies.Study.features`) without which there is nothing to draw.
    """

    module: str
    tables: tuple[str, ...]
    per_attack: bool = False
    needs: frozenset[str] = frozenset()

    def caption(self, attack: str | None = None) -> str:
        """Return what the figure shows: the first line of its module's docstring, which is not imported for it."""
        origin = Path(__file__).parent / f"{self.module.rpartition('.')[2]}.py"
        said = ast.get_docstring(ast.parse(origin.read_text(encoding="utf-8"))) or ""
        first = said.partition("\n")[0]
        return f"{attack}: {first}" if attack else first

    def draw(self, tables: Tables, attack: str | None = None) -> Canvas:
        """Draw the figure from its tables."""
        function = cast("Callable[..., Canvas]", importlib.import_module(self.module).draw)
        return function(tables, attack) if self.per_attack else function(tables)


def save(canvas: Canvas, outputs: list[Path]) -> None:
    """Write a figure in the format of each file's extension, atomically; equal figures give equal bytes."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "advatlas"}):
        for output in outputs:
            metadata = {"Date": None} if output.suffix == ".svg" else {"Software": None}
            with atomic_path(output) as temporary:
                canvas.savefig(temporary, format=output.suffix[1:], dpi=150, bbox_inches="tight", metadata=metadata)
