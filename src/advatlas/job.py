"""What every script of the workflow does around its one library call."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from advatlas.errors import AdvatlasError
from advatlas.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Job:
    """A running job: its log, which is also what its progress is written to."""

    def __init__(self, name: str, log: TextIO) -> None:
        self.name, self.log = name, log

    def progress(self, total: int, unit: str) -> Progress:
        """Return a progress that writes to the log and to the terminal."""
        return Progress(self.name, total, unit, streams=[self.log, sys.stderr])


@contextmanager
def job(name: str, log: Path | str) -> Iterator[Job]:
    """Run a job's body with what it prints going to its log.

    A user's mistake ends the job with one line, anything unexpected with its traceback; both in the log, which Snakemake
    shows when a job fails.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with _log(log) as stream, redirect_stdout(stream):
        for told in (stream, sys.stderr):
            logging.getLogger("advatlas").addHandler(logging.StreamHandler(told))
        try:
            yield Job(name, stream)
        except AdvatlasError as error:
            _tell(stream, f"advatlas: {error}")
            raise SystemExit(1) from None
        except Exception:
            _tell(stream, traceback.format_exc())
            raise SystemExit(1) from None


@contextmanager
def _log(path: Path | str) -> Iterator[TextIO]:
    """Open a log; that a full disk cannot take its last words is no error of its own."""
    stream = open(path, "w", encoding="utf-8", buffering=1)  # noqa: SIM115 (closed below)
    try:
        yield stream
    finally:
        with suppress(OSError):
            stream.close()


def _tell(stream: TextIO, text: str) -> None:
    """Write to the log; to the terminal where the disk is full."""
    try:
        print(text, file=stream)
    except OSError:
        print(text, file=sys.stderr)


def weights_dir(config: Mapping[str, Any]) -> Path | None:
    """Return the folder of weights that the configuration names, if any."""
    return Path(config["weights_dir"]) if config["weights_dir"] else None


def paths(files: Sequence[str]) -> list[Path]:
    """Return Snakemake's file names as paths."""
    return [Path(file) for file in files]
