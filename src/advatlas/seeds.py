"""Seeds: every random choice follows from the study's seed and the name of the thing chosen for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # analyses and figures need seeds and not torch, which takes seconds to import
    import torch


def derive_seed(seed: int, *parts: object) -> int:
    """Return a seed in [0, 2**63) that depends on the study seed and on each part (stage, model, attack ...)."""
    text = "\x1f".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *parts: object) -> torch.Generator:
    """Return a CPU generator seeded by :func:`derive_seed`: the same draws on every machine and device."""
    import torch

    return torch.Generator().manual_seed(derive_seed(seed, *parts))
