"""Networks of torchvision, timm and pytorchcv, built from one line of text such as ``torchvision.models.vgg16()``."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from typing import Any

from torch import nn

from advatlas import torchvision_compat  # noqa: F401 (torchvision and timm, imported where needed, need it)
from advatlas.errors import AdvatlasError

LIBRARIES = ("torchvision.models", "timm", "pytorchcv.model_provider")


def parse(build: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Take a call of a library's function apart; nothing of it is executed.

    Returns:
        The function's dotted name, its positional and its named arguments.

    Raises:
        AdvatlasError: it is not one call, of a function below :data:`LIBRARIES`, with plain values as arguments.
    """
    try:
        call = ast.parse(build.strip(), mode="eval").body
        if not isinstance(call, ast.Call):
            raise ValueError("not a call")
        name = ast.unparse(call.func)
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(f"'{name}' is not the name of a function")
        arguments = [ast.literal_eval(argument) for argument in call.args]
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise AdvatlasError(
            f"build: '{build}': {error}; expected one call with plain values, such as torchvision.models.vgg16()"
        ) from None
    if not any(name.startswith(f"{library}.") for library in LIBRARIES):
        raise AdvatlasError(f"build: '{build}': only functions of {', '.join(LIBRARIES)} are called")
    return name, arguments, named


def build_library_network(build: str) -> nn.Module:
    """Build a network, with whatever weights its library draws, in ``eval()`` mode.

    Raises:
        AdvatlasError: there is no such function, or it refuses its arguments.
    """
    name, arguments, named = parse(build)
    function = _function(name, build)
    try:
        network = function(*arguments, **named)
    except Exception as error:  # what a library raises for a wrong argument is its own affair
        raise AdvatlasError(f"build: '{build}': {type(error).__name__}: {' '.join(str(error).split())}") from None
    if not isinstance(network, nn.Module):
        raise AdvatlasError(f"build: '{build}' returns {type(network).__name__}, not a network")
    if name.startswith("pytorchcv."):
        _pool_globally(network)
    return network.eval()


def _pool_globally(network: nn.Module) -> None:
    """Let a network of pytorchcv, whose last pooling has the size for 224 pixels, take other sizes; the same at 224."""
    for module in network.modules():
        if isinstance(getattr(module, "final_pool", None), nn.AvgPool2d):
            module.final_pool = nn.AdaptiveAvgPool2d(1)


def _function(name: str, build: str) -> Callable[..., Any]:
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        if callable(found):
            return found  # type: ignore[no-any-return]
        break
    raise AdvatlasError(f"build: '{build}': there is no function {name}")
