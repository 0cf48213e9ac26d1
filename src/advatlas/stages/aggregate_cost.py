"""aggregate-cost: what a study cost, beside what was estimated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from advatlas.estimate import estimate
from advatlas.storage.artifacts import write_frame
from advatlas.studies import Study

_EVALUATED = re.compile(r"^evaluated in ([0-9.]+) s$", re.MULTILINE)


def cost_table(
    study: Study,
    found: int | None,
    device: str,
    results: Path,
    cards: Sequence[Path],
    pairs: Sequence[Path],
    output: Path,
) -> None:
    """Write a row for each stage: jobs, measured seconds and disk, and what was estimated.

    Columns: ``stage, jobs, measured`` (jobs of which times are known: models may come from another run), ``seconds`` (of
    wall time, summed over the measured jobs; of pairs the evaluator's own, without what Snakemake and the client add),
    ``cpu_seconds, max_rss_mb, gigabytes, estimated_seconds, estimated_gigabytes``.

    Args:
        device: ``cpu`` or ``gpu``: which estimate stands beside.
        results: the study's folder.
        cards, pairs: the models' cards and the pairs' files.
    """
    estimated = estimate(study, found).set_index("stage")
    sources = {(pair.parent.parent.name, pair.parent.name) for pair in pairs}
    adversarials = [results / "adversarials" / setting / f"{source}.parquet" for setting, source in sorted(sources)]
    measured = {
        "models": _benchmarks(next(card.parent.glob("*.tsv"), card) for card in cards),
        "predict": _benchmarks((results / "benchmarks" / "predict").glob("*.tsv")),
        "attack": _benchmarks(results / "benchmarks" / "attack" / s / f"{m}.tsv" for s, m in sorted(sources)),
        "transfer": _evaluations(results / "logs" / pair.relative_to(results).with_suffix(".log") for pair in pairs),
        "clever": _benchmarks((results / "benchmarks" / "clever").rglob("*.tsv")),
    }
    files = {
        "images": [*(results / "images").glob("*.parquet")],
        "models": [card.parent / "weights.safetensors" for card in cards],
        "predict": [*(results / "predictions").glob("*.parquet")],
        "attack": adversarials,
        "transfer": pairs,
        "clever": [*(results / "clever").rglob("*.parquet")],
    }
    rows = []
    for stage, expected in estimated.drop("total").iterrows():
        times = measured.get(str(stage), pd.DataFrame())
        rows.append(
            {
                "stage": stage,
                "jobs": expected["jobs"],
                "measured": len(times),
                "seconds": times["s"].sum() if len(times) else None,
                "cpu_seconds": times["cpu_time"].sum() if "cpu_time" in times else None,
                "max_rss_mb": times["max_rss"].max() if "max_rss" in times else None,
                "gigabytes": sum(file.stat().st_size for file in files[str(stage)] if file.exists()) / 1e9,
                "estimated_seconds": 3600 * expected[f"{device}_hours"],
                "estimated_gigabytes": expected["gigabytes"],
            }
        )
    floats = ["seconds", "cpu_seconds", "max_rss_mb", "gigabytes", "estimated_seconds", "estimated_gigabytes"]
    write_frame(output, pd.DataFrame(rows).astype({"jobs": int, **dict.fromkeys(floats, float)}))


def _benchmarks(files: Iterable[Path]) -> pd.DataFrame:
    """Read Snakemake's benchmark files; a value that could not be measured there is missing."""
    found = [pd.read_csv(file, sep="\t", na_values="-") for file in files if file.suffix == ".tsv" and file.exists()]
    return pd.concat(found) if found else pd.DataFrame()


def _evaluations(logs: Iterable[Path]) -> pd.DataFrame:
    """Read the seconds of pairs from their logs."""
    said = (_EVALUATED.search(log.read_text(errors="replace")) for log in logs if log.exists())
    return pd.DataFrame({"s": [float(found[1]) for found in said if found]})
