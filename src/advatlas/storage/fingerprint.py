"""The fingerprint of code: what an artifact depends on, and nothing else.

A fingerprint covers some modules of the package and all modules they import, directly or not, within the package.
Comments, docstrings and layout do not count. ``__init__.py`` files hold registries and re-exports; they are not followed,
so that a new line in a registry makes nothing stale: the caller names the entries it uses as roots.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = "advatlas"
# What only prints cannot change a result.
NEUTRAL = frozenset({"advatlas.progress"})
_SOURCE = Path(__file__).resolve().parents[1]


def fingerprint(*roots: str, source: Path = _SOURCE) -> str:
    """Return 16 hexadecimal digits that change when the code of the roots, or of what they import, changes.

    Args:
        roots: module names, e.g. ``advatlas.attacks.fgsm``.
        source: the folder of the package.
    """
    combined = hashlib.sha256()
    for module in sorted(closure(*roots, source=source)):
        combined.update(f"{module}:{_module(module, source)[0]}\n".encode())
    return combined.hexdigest()[:16]


def closure(*roots: str, source: Path = _SOURCE) -> set[str]:
    """Return the roots and every module of the package they import, less ``__init__`` modules and what only prints."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module not in found | NEUTRAL:
            found.add(module)
            waiting.extend(_module(module, source)[1])
    return found


def _file(module: str, source: Path) -> Path | None:
    """Return the file of a module of the package; None where it is a package or no module."""
    path = source.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return path if module.startswith(PACKAGE + ".") and path.is_file() else None


@functools.cache
def _module(module: str, source: Path) -> tuple[str, tuple[str, ...]]:
    path = _file(module, source)
    if path is None:
        raise ValueError(f"{module} is not a module of {PACKAGE}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    within = tuple(sorted(name for name in imported if _file(name, source) is not None))
    return hashlib.sha256(ast.dump(_without_docstrings(tree)).encode()).hexdigest(), within


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree
