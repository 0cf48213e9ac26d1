"""A run that was killed leaves Snakemake's lock behind; the next one takes it away, if nobody else is running."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TextIO

_held: TextIO | None = None


def lock_folder() -> Path:
    """Return the private folder of this user's locks and sockets on this machine."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(base) / f"advatlas-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def sockets(code: str) -> Path:
    """Return what the names of the sockets of this folder's evaluators begin with.

    Args:
        code: fingerprint of the evaluating code, so that old code never answers.
    """
    return lock_folder() / f"{_here()}-{code}"


def _here() -> str:
    return hashlib.sha256(f"{os.getcwd()}\0{sys.executable}".encode()).hexdigest()[:12]


def clear_stale_locks(folder: Path) -> bool:
    """Remove what a killed run left: Snakemake's locks below a folder (``.snakemake``) and the sockets of its evaluators.

    Nothing is removed while another run of this workflow is alive there.

    A run holds a lock of the operating system for as long as it lives, however it ends; where that lock is free, locks
    that lie there were left by a run that was killed.

    Returns:
        Whether this process now is the folder's run.
    """
    global _held
    if _held is not None:
        return True
    folder.mkdir(exist_ok=True)
    held = open(folder / "advatlas.lock", "a", encoding="utf-8")  # noqa: SIM115 (held until the process ends)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        return False
    _held = held
    for lock in (folder / "locks").glob("*.lock"):
        lock.unlink(missing_ok=True)
    # Evaluators leave with their run; these were killed.
    for left in lock_folder().glob(f"{_here()}-*"):
        left.unlink(missing_ok=True)
    return True
