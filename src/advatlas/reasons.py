"""Why jobs would run: one line for each."""

from __future__ import annotations

import logging
import re

# The fingerprint of the code behind a rule is one of its parameters; Snakemake shows the values, which nobody can read.
_FINGERPRINT = re.compile(r"'?[0-9a-f]{16}'?")
_PARAMS = re.compile(r"Params have changed since last execution: (.*)")


class Reasons(logging.Handler):
    """Listens to Snakemake's logger and prints, for each job it plans, what it is for and why it would run."""

    @classmethod
    def listen(cls) -> None:
        """Print from now on."""
        logging.getLogger("snakemake.logging").addHandler(cls())

    def emit(self, record: logging.LogRecord) -> None:
        """Print the line of a job."""
        job = record.__dict__
        if "reason" in job and job.get("output"):
            print(f"why: {job['rule_name']} {job['output'][0]}: {short(job['reason'])}", flush=True)


def short(reason: str) -> str:
    """Return Snakemake's reason in few words."""
    parts = []
    for part in reason.split("; "):
        changed = _PARAMS.match(part)
        if changed and _FINGERPRINT.search(changed[1]):
            parts.append("the library code behind it has changed")
        elif changed:
            parts.append(f"its settings have changed: {changed[1]}")
        else:
            parts.append(part[:1].lower() + part[1:])
    said = "; ".join(parts)
    return said if len(said) <= 300 else said[:297] + "..."
