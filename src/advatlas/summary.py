"""The short summary at the end of a run: what came out, and where to look."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from advatlas.errors import one_line_errors
from advatlas.metrics.transfer import headline_rates
from advatlas.storage.artifacts import read_frame


def summarise(results: Path) -> str:
    """Return the summary of a study's folder of results as text.

    Raises:
        AdvatlasError: its tables have not been made.
    """
    models, success, transfer = (
        read_frame(results / "tables" / f"{name}.parquet") for name in ("models", "success", "transfer")
    )
    excluded = models[models["excluded"]]
    rates = headline_rates(transfer)
    rates = rates[rates["n"] > 0]
    rows = []
    for setting in dict.fromkeys(success["setting"]):
        own = success[(success["setting"] == setting) & (success["n"] > 0)]
        others = rates[(rates["setting"] == setting) & (rates["source"].astype(str) != rates["target"].astype(str))]
        rows.append(
            {
                "setting": setting,
                "success on the source": _mean(own["rate"]),
                "transfer to others": _mean(others["rate"]),
                "mean Linf": f"{own['mean_linf'].mean():.3f}" if own["count"].sum() else "-",
                "images": int(own["n"].max()) if len(own) else 0,
            }
        )
    taking_part = models[~models["excluded"]]
    lines = [
        "",
        f"{results.name}: {len(taking_part)} models, {len(taking_part) * (len(taking_part) - 1)} ordered pairs, test "
        f"accuracy {taking_part['test_accuracy'].min():.1%} to {taking_part['test_accuracy'].max():.1%}",
        *(f"  excluded: {row.model} ({row.reason})" for row in excluded.itertuples()),
        "",
        pd.DataFrame(rows).to_string(index=False),
        *_findings(results),
        "",
        f"page: {results / 'report.html'} (open it in a browser)",
        f"figures: {results / 'figures'}/   tables: {results / 'tables'}/ (pandas.read_parquet)   logs: {results / 'logs'}/",
    ]
    return "\n".join(lines)


def _findings(results: Path) -> list[str]:
    """Return the verdicts on defenses and claims, where the study has them."""
    lines: list[str] = []
    if (results / "tables" / "verdicts.parquet").exists():
        verdicts = read_frame(results / "tables" / "verdicts.parquet")
        shown = pd.DataFrame(
            {
                "model": verdicts["model"],
                "budget": verdicts["budget"].where(
                    verdicts["goal"] == "untargeted", verdicts["budget"] + ", " + verdicts["goal"]
                ),
                "paper's attack": verdicts["paper"].map("{:.0%}".format),
                "strongest": verdicts["adaptive"].map("{:.0%}".format),
                "undefended": verdicts["base"].map("{:.0%}".format),
                "verdict": verdicts["verdict"],
            }
        )
        lines += ["", "accuracy of defended models, and whether the defense holds:", shown.to_string(index=False)]
    if (results / "tables" / "claims.parquet").exists():
        claims = read_frame(results / "tables" / "claims.parquet")
        lines += ["", "findings of the paper; a star: not decided once all are tested together (Holm):"]
        stars = np.where(claims["verdict"] == claims["verdict_holm"], "", " *")
        judged = claims["verdict"] + stars
        lines += [f"  {verdict:16} {said}" for verdict, said in zip(judged, claims["sentence"], strict=True)]
    return lines


def _mean(rates: pd.Series) -> str:
    values = rates.dropna().to_numpy(np.float64)
    return f"{values.mean():.1%} ({values.min():.0%}-{values.max():.0%})" if len(values) else "-"


def main() -> None:
    """Print the summary of the folder in the first argument."""
    with one_line_errors():
        print(summarise(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
