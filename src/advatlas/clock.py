"""A clock that was set back: files dated in the future look newer than whatever is made from them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

# A file server's clock may be a moment ahead.
_TOLERANCE = 2.0


def date_now(*folders: Path) -> int:
    """Give files below some folders that are dated in the future the time it is now, and say so.

    Snakemake compares contents where only the date differs, so nothing is made again for that; with the dates as they are
    it would refuse every output as older than its input.

    Returns:
        How many files were dated.
    """
    now = time.time()
    late = [
        file
        for folder in folders
        for parent, _, names in os.walk(folder)
        for file in (os.path.join(parent, name) for name in names)
        if os.stat(file, follow_symlinks=False).st_mtime > now + _TOLERANCE
    ]
    for file in late:
        os.utime(file, (now, now))
    if late:
        print(
            f"advatlas: {len(late)} files are dated in the future, such as {late[0]}: was the clock set back? They are now "
            "dated now",
            file=sys.stderr,
        )
    return len(late)
