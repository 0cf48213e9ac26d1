"""A run that was killed leaves Snakemake's lock behind; the next one takes it away, if nobody else is running."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO

_held: TextIO | None = None


def clear_stale_locks(folder: Path) -> bool:
    """Remove Snakemake's locks below a folder (``.snakemake``) if no other run of this workflow is alive there.

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
    return True
