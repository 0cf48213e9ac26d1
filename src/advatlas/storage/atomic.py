"""Every file appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from advatlas.errors import AdvatlasError


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; when the block ends well, sync it and rename it to ``path``.

    One job owns a file, so two processes do not write the same one at once.

    Raises:
        AdvatlasError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    path = Path(path)
    # Always the same name: what a killed job left is written over by the one that does its work again.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise AdvatlasError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def check_writable(folder: Path) -> None:
    """Check that files can be written in a folder, or that it can be made.

    Raises:
        AdvatlasError: they cannot.
    """
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise AdvatlasError(f"config.yaml: results_dir: nothing can be written in {there}; name another folder")


def write_text(path: Path | str, text: str) -> None:
    """Write a small text file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
