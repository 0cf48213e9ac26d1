"""The one exception that means "the user can mend this": its message says what is wrong, where, what to do."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class AdvatlasError(Exception):
    """A mistake or a condition the user can act on; shown as its message alone, never as a traceback."""


class DamagedFileError(AdvatlasError):
    """A file the pipeline made is not what was written: truncated, changed, or of another kind.

    Attributes:
        path: of the file.
        reason: what is wrong with it.
    """

    def __init__(self, path: Path | str, reason: object) -> None:
        self.path = Path(path)
        self.reason = f"damaged, or not an Advatlas file ({' '.join(str(reason).split())[:200]})"
        super().__init__(f"{path}: {self.reason}; delete it and run again, and it is made anew")


def did_you_mean(word: object, allowed: Iterable[object]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of the allowed spellings, or an empty string."""
    near = difflib.get_close_matches(str(word).lower(), [str(a) for a in allowed], n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def one_of(allowed: Iterable[object]) -> str:
    """Return the allowed values as a readable, comma-separated list."""
    return ", ".join(str(a) for a in allowed)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with one line on stderr and exit code 1 where a user's mistake is raised inside."""
    try:
        yield
    except AdvatlasError as error:
        print(f"advatlas: {error}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None
