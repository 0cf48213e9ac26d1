"""Where data and weights may come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Where data and weights may come from, which a study may adapt to."""

    data: Path
    weights: Path | None = None
    download: bool = True
