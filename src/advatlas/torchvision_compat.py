"""Lets ``import torchvision`` work beside a CPU-only torch.

torchvision's PyPI wheel is built against CUDA. Beside a CPU-only torch its operator library does not load, and
``import torchvision`` fails with "operator torchvision::nms does not exist" while it registers fakes for two
operators. Declaring the two first is enough for models, transforms and datasets (no detection operators).
Import this module before torchvision or timm; where the library loads it changes nothing.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch

_library: torch.library.Library | None = None


def _operator_library_loads() -> bool:
    spec = importlib.util.find_spec("torchvision")
    folders = spec.submodule_search_locations if spec is not None else None
    binaries = [so for folder in folders or () for so in Path(folder).glob("_C*.so")]
    try:
        for binary in binaries:
            torch.ops.load_library(str(binary))
    except OSError:
        return False
    return bool(binaries)


def declare_missing_operators() -> None:
    """Declare torchvision's ``nms`` and ``qnms`` where its own library that declares them cannot load."""
    global _library
    if _library is not None or "torchvision" in sys.modules or _operator_library_loads():
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library = library  # the declaration lasts as long as this object


declare_missing_operators()
