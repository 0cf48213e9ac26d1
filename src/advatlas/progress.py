"""Progress of long work, as lines that read well in a log file and when many jobs share one terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from tqdm import tqdm


class Progress:
    """Prints a line with bar, rate and time left, at most one every ``interval`` seconds, and one at the end.

    Args:
        description: what is being done, e.g. ``train lenet_xavier``.
        total: the number of steps.
        unit: the name of one step.
        streams: where the lines go; ``None`` means stderr.
        interval: seconds between two lines.
    """

    def __init__(
        self,
        description: str,
        total: int,
        unit: str = "it",
        streams: list[TextIO] | None = None,
        interval: float = 10.0,
    ) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.streams = [sys.stderr] if streams is None else streams
        self.interval = interval
        self.done: float = 0
        self.started = time.monotonic()
        self.last_line = self.started

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps`` more as done; ``note`` (a loss, a success rate) is shown at the end of the line."""
        self.at(self.done + steps, note)

    def at(self, done: float, note: str = "") -> None:
        """Say how much is done altogether; prints a line if it is time for one, or if all is done."""
        self.done = done
        now = time.monotonic()
        if now - self.last_line >= self.interval or self.done >= self.total:
            self.last_line = now
            self.say(note)

    def say(self, note: str = "") -> None:
        """Print the line now."""
        meter = tqdm.format_meter(
            round(self.done, 1) if self.done % 1 else int(self.done),
            self.total,
            time.monotonic() - self.started,
            ncols=120,
            prefix=self.description,
            unit=self.unit,
            postfix=note or None,
            ascii=True,
        )
        for stream in self.streams:
            print(meter, file=stream, flush=True)

    def warn(self, message: str) -> None:
        """Print a warning about what is being done."""
        for stream in self.streams:
            print(f"warning: {self.description}: {message}", file=stream, flush=True)


def silent() -> Progress:
    """Return a progress that prints nothing."""
    return Progress("", 0, streams=[])
