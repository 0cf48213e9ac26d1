"""Where a page's results come from: the study, the configuration, versions, the code and the machine."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from advatlas.report.page import About

_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "pyarrow", "scipy", "scikit-image", "scikit-learn",
             "snakemake", "pillow", "matplotlib", "seaborn", "plotly")  # fmt: skip


def about(
    name: str,
    paper: str,
    study_file: Path,
    config: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    figures: Sequence[tuple[str, Path]],
    base: Path,
    code: str,
) -> About:
    """Collect what a page says of its study besides the tables.

    Args:
        study_file: the YAML file of the study.
        figures: caption and PNG file of each.
        base: the folder of the project, for its commit.
        code: fingerprint of the code behind the stages.
    """
    text = study_file.read_text(encoding="utf-8")
    study = yaml.safe_load(text)
    models, success = tables["models"], tables["success"]
    taking_part = int((~models["excluded"]).sum())
    attacked = success["n"].max()
    facts = {
        "paper": paper or "none",
        "data": str(study["dataset"]["name"]),
        "models": f"{taking_part}" + (f" of {len(models)}" if taking_part < len(models) else ""),
        "ordered pairs": f"{taking_part * (taking_part - 1):,}",
        "attack settings": f"{success['setting'].nunique()}",
        "images": f"{attacked:.0f}" if attacked else "0",
        "adversarial examples": f"{success['n'].sum():,.0f}",
        "page made": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    }
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        versions[package] = importlib.metadata.version(package)
    provenance = {
        "seed": str(study.get("seed", 0)),
        "commit": commit(base),
        "code fingerprint": code,
        "device": str(config["device"]),
        "machine": machine(),
        "system": platform.platform(),
    }
    return About(
        name=name,
        description=" ".join(str(study.get("description", "")).split()),
        paper=paper,
        facts=facts,
        provenance=provenance,
        study_text=text,
        config_text=yaml.safe_dump(dict(config), sort_keys=False),
        versions_text="\n".join(f"{package} {version}" for package, version in versions.items()),
        figures=figures,
    )


def commit(base: Path) -> str:
    """Return the commit of the project, with a word where files differ from it; ``unknown`` outside a repository."""
    try:
        done = subprocess.run(
            ["git", "-C", str(base), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip().replace("-dirty", ", with changes")


def machine() -> str:
    """Return the processor's name, where the system tells it, and how many cores there are."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores"
