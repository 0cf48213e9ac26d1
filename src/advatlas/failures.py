"""What failed in a run, and why: one table at its end."""

from __future__ import annotations

import logging
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What a job says of a damaged file (errors.DamagedFileError).
_DAMAGED = re.compile(r"^advatlas: (.+?): damaged, or not an Advatlas file")
# A run that met damaged files starts again to make them anew, this often at most.
_AGAIN, _MOST = "ADVATLAS_AGAIN", 5
_SHOWN = 20


@dataclass(frozen=True)
class Failure:
    """A failed job: its rule, what it was to make, why it failed, and its log."""

    rule: str
    output: str
    reason: str
    log: str


class Failures(logging.Handler):
    """Listens to Snakemake's logger and remembers the jobs that failed."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._seen: dict[str, Failure] = {}

    @classmethod
    def listen(cls) -> Failures:
        """Return one that listens from now on."""
        failures = cls()
        logging.getLogger("snakemake.logging").addHandler(failures)
        return failures

    def emit(self, record: logging.LogRecord) -> None:
        """Remember the job, or the jobs of the group, of an error."""
        jobs = getattr(record, "job_error_info", None) or [record.__dict__]
        for job in jobs:
            if "rule_name" in job and job.get("output"):
                failure = _failure(job)
                self._seen[failure.output] = failure

    def table(self) -> str:
        """Return the failures as text, for people; empty where there are none."""
        if not self._seen:
            return ""
        failures = list(self._seen.values())
        lines = [f"{len(failures)} failed; all that does not hang on it was done, and the next run does the rest:"]
        for failure in failures[:_SHOWN]:
            lines += [f"  {failure.rule}: {failure.output}", f"    {failure.reason}", f"    log: {failure.log}"]
        if len(failures) > _SHOWN:
            lines.append(f"  and {len(failures) - _SHOWN} more")
        return "\n".join(lines)

    def set_damaged_aside(self) -> list[Path]:
        """Rename the damaged files that jobs failed of to ``{file}.damaged``; the next run misses them and makes them anew.

        Not before the run is over: jobs that need the file would be missing it too, and end the run for all others.
        """
        aside = []
        for name in sorted({found[1] for f in self._seen.values() if (found := _DAMAGED.match(f.reason))}):
            path = Path(name)
            if path.exists():
                aside.append(path.with_name(path.name + ".damaged"))
                os.replace(path, aside[-1])
        return aside

    def end(self) -> None:
        """Print the table; where files were damaged, set them aside and start the run again in place of this process."""
        print(self.table(), file=sys.stderr)
        aside = self.set_damaged_aside()
        for path in aside:
            print(f"advatlas: {path.with_suffix('')} was damaged; set aside as {path.name}", file=sys.stderr)
        again = int(os.environ.get(_AGAIN, "0"))
        if aside and again < _MOST:
            os.environ[_AGAIN] = str(again + 1)
            print("advatlas: running again, to make it anew", file=sys.stderr, flush=True)
            os.execv(sys.executable, sys.orig_argv)


def _failure(job: dict[str, Any]) -> Failure:
    logs = [str(path) for path in job.get("log") or [] if Path(str(path)).is_file()]
    reason = "no word in its log: it was killed, by somebody or for want of memory, or the disk is full"
    for log in reversed(logs):  # the job's own, which is the first, has the last word
        lines = [line.strip() for line in Path(log).read_text(errors="replace").splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("advatlas:")]
        if lines:
            reason = (said or lines)[-1]
    return Failure(job["rule_name"], str(job["output"][0]), reason, logs[0] if logs else "none")
