"""What an analysis is: a table made of tables."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:  # pandas takes half a second to import, and the scheduler needs only the names
    import pandas as pd

    Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Analysis:
    """An analysis of a study.

    Attributes:
        module: its module; that has a function ``table(tables, options) -> DataFrame``, where options holds the study's
            ``seed`` and its ``contrasts``.
        tables: the names of the tables it reads; ``published`` is the paper's file of published numbers.
        also: tables it reads where the study has them.
        needs: features (of :meth:`advatlas.studies.Study.features`) without which there is nothing to analyse.
    """

    module: str
    tables: tuple[str, ...]
    also: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()

    def table(self, tables: Tables, options: dict[str, Any]) -> pd.DataFrame:
        """Make the table."""
        function = cast("Callable[..., pd.DataFrame]", importlib.import_module(self.module).table)
        return function(tables, options)
