"""Reference libraries, imported where they are installed; for benchmarks and parity tests only."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from types import ModuleType

from advatlas import torchvision_compat  # noqa: F401 (torchattacks and adv-lib import torchvision)


def load(name: str) -> ModuleType | None:
    """Import a rival, or return None where it is not installed."""
    if name.startswith("adv_lib"):
        # adv-lib imports a plotting server's client that it only uses on request.
        visdom = types.ModuleType("visdom")
        visdom.Visdom = None  # type: ignore[attr-defined]
        sys.modules.setdefault("visdom", visdom)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError:
        return None
