"""What the site's pages take from the project itself when they are built: help texts, and lists of claims and attacks."""

from __future__ import annotations

import re
import subprocess
import sys

COMMANDS = ("", "studies", "estimate", "why", "show", "compare")


def on_page_markdown(markdown: str, **_kwargs: object) -> str:
    """Replace ``{{ commands }}``, ``{{ claims }}`` and ``{{ attacks }}`` in a page."""
    made = {"commands": commands, "claims": claims, "attacks": attacks}
    return re.sub(r"\{\{ (commands|claims|attacks) \}\}", lambda found: made[found[1]](), markdown)


def commands() -> str:
    """Return the help of every command."""
    texts = []
    for command in COMMANDS:
        call = [sys.executable, "-m", "advatlas.cli", *([command] if command else []), "--help"]
        done = subprocess.run(call, capture_output=True, text=True, check=True)
        texts.append(
            f"## advatlas {command}\n\n```text\n{done.stdout.strip()}\n```".replace("## advatlas \n", "## advatlas\n")
        )
    return "\n\n".join(texts)


def claims() -> str:
    """Return the papers' findings with their bounds."""
    import numpy as np

    from advatlas.analyses.claims import MODULES

    texts = []
    for paper, module in MODULES.items():
        lines = [f"## {paper}", "", "| finding | where | holds where the effect is | unit |", "|---|---|---|---|"]
        for claim in module.CLAIMS:
            bounds = [
                f"> {claim.above:g}" if np.isfinite(claim.above) else "",
                f"< {claim.below:g}" if np.isfinite(claim.below) else "",
            ]
            lines.append(
                f"| {claim.sentence} | {claim.where} | {' and '.join(b for b in bounds if b)} | {claim.unit} |"
            )
        texts.append("\n".join(lines))
    return "\n\n".join(texts)


def attacks() -> str:
    """Return the place of every attack's documentation for mkdocstrings."""
    from advatlas.attacks import ATTACKS

    names = sorted(name for name in ATTACKS if not name.startswith("minimal_"))
    return "\n\n".join(f"::: advatlas.attacks.{name}.{name}" for name in names)
