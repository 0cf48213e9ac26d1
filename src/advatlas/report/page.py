"""The page: template, tables, data, pictures and Plotly's script in one file of bounded size."""

from __future__ import annotations

import base64
import gzip
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from PIL import Image

from advatlas.analyses.claims import MODULES
from advatlas.claims.claim import FAILS, HOLDS, NOT_RUN, OPEN
from advatlas.report.content import as_json, comparison_table, content
from advatlas.report.findings import findings
from advatlas.storage.atomic import atomic_path

Tables = Mapping[str, pd.DataFrame]

# Bytes that the page keeps below. Figures are made smaller, then left out, until it does.
LIMIT = 20_000_000
# Above so many models the small matrix of the first screen has no numbers.
MANY = 14
_FILES = Path(__file__).parent
_VERDICTS = {HOLDS: "holds", FAILS: "fails", OPEN: "open", NOT_RUN: "missing"}
# Widths in pixels and WebP qualities that are tried for the figures, the best first.
_FIGURE_SIZES = ((1400, 80), (1000, 70), (700, 60))


@dataclass(frozen=True)
class About:
    """What a page says of its study besides the tables.

    Attributes:
        facts, provenance: names and values.
        study_text, config_text, versions_text: shown as they are.
        figures: caption and PNG file of each.
    """

    name: str
    description: str
    paper: str
    facts: dict[str, str]
    provenance: dict[str, str]
    study_text: str = ""
    config_text: str = ""
    versions_text: str = ""
    figures: Sequence[tuple[str, Path]] = field(default_factory=tuple)


def write_page(tables: Tables, about: About, output: Path, limit: int = LIMIT) -> None:
    """Write the page of a study; the file is below ``limit`` bytes.

    Raises:
        AdvatlasError: it cannot be written.
    """
    for width, quality in (*_FIGURE_SIZES, (0, 0)):
        figures = [_figure(caption, path, width, quality) for caption, path in about.figures] if width else []
        text = render(tables, about, figures)
        if len(text.encode()) < limit:
            break
    with atomic_path(output) as temporary:
        temporary.write_text(text, encoding="utf-8")


def render(tables: Tables, about: About, figures: list[dict[str, Any]]) -> str:
    """Return the page as text."""
    from plotly.offline import get_plotlyjs

    data = content(tables)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((_FILES / "template.html").read_text(encoding="utf-8"))
    packed = base64.b64encode(gzip.compress(as_json(data).encode(), 6, mtime=0)).decode()
    shown: dict[str, Any] = {
        "defenses_table": _defenses(tables),
        "claims_table": _claims(tables),
        "claims_hint": _claims_hint(tables),
        "places_table": _places(about.paper, figures),
        "reproduction_table": _reproduction(tables),
        "reproduction_hint": _reproduction_hint(tables),
        "has_training": bool(data["training"]),
        "figures": figures,
    }
    sections = [
        ("overview", "Overview", True),
        ("matrix", "Matrix", True),
        ("models", "Models", True),
        ("robustness", "Robustness", True),
        ("attacks", "Attacks", True),
        ("defenses", "Defenses", bool(shown["defenses_table"])),
        ("claims", "Findings", bool(shown["claims_table"])),
        ("paper", "Paper", bool(shown["reproduction_table"])),
        ("training", "Training", shown["has_training"]),
        ("cost", "Cost", True),
        ("figures", "Figures", bool(figures)),
        ("provenance", "Provenance", True),
    ]
    return template.render(
        study=about,
        sections=[{"id": name, "title": title} for name, title, there in sections if there],
        facts=_facts(about.facts),
        provenance=_facts(about.provenance),
        findings=findings(tables),
        first_matrix=_first_matrix(data),
        first_title=data["settings"][data["first"]]["title"],
        models_table=_models(tables),
        attacks_table=_attacks(tables),
        cost_table=_cost(tables["cost"]),
        study_text=about.study_text,
        config_text=about.config_text,
        versions_text=about.versions_text,
        style=Markup((_FILES / "style.css").read_text(encoding="utf-8")),
        script=Markup((_FILES / "page.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs()),
        data=Markup(packed),
        **shown,
    )


def _facts(facts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in facts.items()]


def _figure(caption: str, path: Path, width: int, quality: int) -> dict[str, Any]:
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((width, 4 * width))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=quality, method=4)
    source = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
    return {"name": path.stem, "caption": caption, "width": picture.width, "height": picture.height, "source": source}


# ---- tables

Cell = tuple[str, Any]  # what is shown (HTML), and what it is sorted by


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[Cell]], text: Sequence[int] = (0,), *, sortable: bool = False
) -> Markup:
    """Return an HTML table; columns in ``text`` are words, the others numbers."""

    def name(column: int) -> str:
        return ' class="text"' if column in text else ""

    head = "".join(f"<th scope='col'{name(i)}>{html.escape(title)}</th>" for i, title in enumerate(heads))
    body = "".join(
        "<tr>"
        + "".join(
            f'<td{name(i)} data-value="{html.escape(str(value))}">{shown}</td>' for i, (shown, value) in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    kind = "plain sortable" if sortable else "plain"
    return Markup(f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')


def _word(text: Any) -> Cell:
    return html.escape(str(text)), text


def _number(value: Any, form: str = "{:.4g}") -> Cell:
    missing = value is None or pd.isna(value)
    return ("", "") if missing else (form.format(value), float(value))


def _with_range(value: Any, low: Any, high: Any, form: str = "{:.4g}") -> Cell:
    shown, key = _number(value, form)
    if shown and not (pd.isna(low) or pd.isna(high)):
        shown += f' <span class="range">[{form.format(low)}, {form.format(high)}]</span>'
    return shown, key


def _first_matrix(data: dict[str, Any]) -> Markup:
    """Return the first matrix as a table, so that it is there before any script has run."""
    names = [model["name"] for model in data["models"]]
    setting = data["settings"][data["first"]]["name"]
    cells = next(iter(next(iter(next(iter(data["matrix"][setting].values())).values())).values()))["all"]
    n = len(names)
    palette = data["palette"]
    rows = []
    for source, name in enumerate(names):
        row = []
        for target in range(n):
            count, of = cells["count"][source * n + target], cells["of"][source * n + target]
            own = " own" if source == target else ""
            if not of:
                row.append(f'<td class="none{own}">✕</td>')
                continue
            r, g, b = palette[round(count / of * (len(palette) - 1))]
            ink = "#111" if 0.299 * r + 0.587 * g + 0.114 * b > 140 else "#fff"
            colours = f"background:rgb({r},{g},{b});color:{ink}"
            row.append(f'<td class="{own.strip()}" style="{colours}">{100 * count / of:.0f}</td>')
        rows.append(f"<tr><th scope='row'>{html.escape(name)}</th>{''.join(row)}</tr>")
    head = "".join(f"<th scope='col'><div>{html.escape(name)}</div></th>" for name in names)
    kind = "grid many" if n > MANY else "grid"
    table = f'<table class="{kind}"><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return Markup(table)


def _models(tables: Tables) -> Markup:
    models = tables["models"]
    success = tables["success"]
    free = success[(success["goal"] == "untargeted") & (success["n"] > 0)]
    own = free.groupby("source")["rate"].mean()
    rates = tables["transfer"]
    rates = rates[
        (rates["measure"] == "fooled")
        & (rates["denominator"] == "all")
        & (rates["precision"] == "float")
        & (rates["goal"].astype(str) == "untargeted")
        & (rates["source"].astype(str) != rates["target"].astype(str))
    ]
    received = rates.groupby(rates["target"].astype(str))["rate"].mean()
    sent = rates.groupby(rates["source"].astype(str))["rate"].mean()
    clever = tables.get("clever")
    scores = (
        clever[clever["norm"] == "l2"].groupby("model")["score"].mean()
        if clever is not None
        else pd.Series(dtype=float)
    )
    heads = ["model", "family", "defense", "initialisation", "parameters [10⁶]", "MACs [10⁶]", "accuracy [%]", "top-5 [%]",
             "success [%]", "transfer received [%]", "transfer sent [%]", "CLEVER L2", "weights", "status"]  # fmt: skip
    rows = []
    for _, row in models.iterrows():
        value, low, high = (100 * row[f"test_accuracy{end}"] for end in ("", "_low", "_high"))
        rows.append(
            [
                _word(row["model"]),
                _word(row["family"]),
                _word(row["defense"]),
                _word(row["initialisation"]),
                _number(row["parameters"] / 1e6),
                _number(row["macs"] / 1e6),
                _with_range(value, low, high, "{:.1f}"),
                _number(100 * row["top5_accuracy"], "{:.1f}"),
                _number(100 * own.get(row["model"], np.nan), "{:.1f}"),
                _number(100 * received.get(row["model"], np.nan), "{:.1f}"),
                _number(100 * sent.get(row["model"], np.nan), "{:.1f}"),
                _number(scores.get(row["model"], np.nan)),
                _word(row["weights"]),
                _word(f"left out: {row['reason']}" if row["excluded"] else row["status"]),
            ]
        )
    keep = [i for i in range(len(heads)) if any(row[i][0] for row in rows)]
    return _table(
        [heads[i] for i in keep],
        [[row[i] for i in keep] for row in rows],
        [place for place, i in enumerate(keep) if i in (0, 1, 2, 3, 12, 13)],
        sortable=True,
    )


def _attacks(tables: Tables) -> Markup:
    heads = [
        "setting",
        "images",
        "success [%]",
        "at 8 bits [%]",
        "transfer [%]",
        "L2",
        "Linf",
        "L0",
        "SSIM",
        "s an image",
        "passes",
    ]
    rows = [
        [
            _word(row["title"]),
            _number(row["images"], "{:.0f}"),
            _with_range(100 * row["success"], 100 * row["success_low"], 100 * row["success_high"], "{:.1f}"),
            _number(100 * row["success_uint8"], "{:.1f}"),
            _with_range(
                100 * row["transfer_transfer"], 100 * row["transfer_low"], 100 * row["transfer_high"], "{:.1f}"
            ),
            *(_number(row[name], "{:.3g}") for name in ("l2", "linf", "l0", "ssim", "seconds")),
            _number(row["passes"], "{:.0f}"),
        ]
        for _, row in comparison_table(tables).iterrows()
    ]
    return _table(heads, rows, sortable=True)


def _defenses(tables: Tables) -> Markup | None:
    if "verdicts" not in tables or not len(tables["verdicts"]):
        return None
    heads = [
        "model",
        "defense",
        "goal",
        "budget",
        "clean [%]",
        "paper's attack [%]",
        "strongest [%]",
        "undefended [%]",
        "verdict",
    ]
    rows = []
    for _, row in tables["verdicts"].iterrows():
        shares = [
            _with_range(100 * row[name], 100 * row[f"{name}_low"], 100 * row[f"{name}_high"], "{:.1f}")
            for name in ("clean", "paper", "adaptive")
        ]
        kind = {"holds": "holds", "holds in part": "open"}.get(row["verdict"], "fails")
        verdict = f'<span class="verdict {kind}">{html.escape(row["verdict"])}</span>'
        words = [_word(row[name]) for name in ("model", "defense", "goal", "budget")]
        rows.append([*words, *shares, _number(100 * row["base"], "{:.1f}"), (verdict, row["verdict"])])
    return _table(heads, rows, (0, 1, 2, 3, 8), sortable=True)


def _verdict(verdict: str) -> Cell:
    return f'<span class="verdict {_VERDICTS[verdict]}">{verdict}</span>', verdict


def _claims(tables: Tables) -> Markup | None:
    if "claims" not in tables:
        return None
    heads = ["finding", "where", "verdict", "with Holm", "effect", "unit", "bound", "n", "p", "p (Holm)", "detail"]
    rows = []
    for _, row in tables["claims"].iterrows():
        bounds = [
            f"> {row['above']:g}" if np.isfinite(row["above"]) else "",
            f"< {row['below']:g}" if np.isfinite(row["below"]) else "",
        ]
        rows.append(
            [
                (
                    f'<div class="wide" title="{html.escape(row["claim"])}">{html.escape(row["sentence"])}</div>',
                    row["sentence"],
                ),
                _word(row["where"]),
                _verdict(row["verdict"]),
                _verdict(row["verdict_holm"]),
                _with_range(row["effect"], row["low"], row["high"], "{:.3g}"),
                _word(row["unit"]),
                _word(" and ".join(bound for bound in bounds if bound)),
                (f"{row['n']} {row['over']}" if row["n"] else "", row["n"]),
                _number(row["p_value"], "{:.2g}"),
                _number(row["p_holm"], "{:.2g}"),
                _word(row["detail"]),
            ]
        )
    return _table(heads, rows, (0, 1, 2, 3, 5, 10), sortable=True)


def _claims_hint(tables: Tables) -> str:
    if "claims" not in tables:
        return ""
    return (
        "Each finding as a number with its 95% interval, over images or over models; it holds where the interval lies "
        "within the bound, does not where it lies outside, else it is not decided. With Holm: what stands when all are "
        "tested together at 5%. “Not asked” marks what the paper left open: attackers who know of the defense."
    )


def _places(paper: str, figures: list[dict[str, Any]]) -> Markup | None:
    if paper not in MODULES:
        return None
    there = {figure["name"] for figure in figures}
    rows = []
    for where, (text, targets) in MODULES[paper].PLACES.items():
        links = []
        for target in targets:
            if target.startswith("#"):
                links.append(f'<a href="{target}">{target[1:]}</a>')
                continue
            drawn = sorted(name for name in there if name == target or name.startswith(f"{target}-"))
            links += [f'<a href="#figure-{name}">{name}</a>' for name in drawn]
        rows.append([_word(where), _word(text), (", ".join(links) or "not in this study", "")])
    return _table(["paper", "what it shows", "here"], rows, (0, 1, 2))


def _reproduction(tables: Tables) -> Markup | None:
    if "reproduction" not in tables:
        return None
    heads = ["where", "wording", "unit", "published", "ours", "difference", "n", "note"]
    rows = []
    for _, row in tables["reproduction"].iterrows():
        ours = _with_range(row["ours"], row["low"], row["high"])
        rows.append(
            [
                _word(row["where"]),
                (f'<div class="wide">{html.escape(row["wording"])}</div>', row["wording"]),
                _word(row["unit"]),
                _number(row["published"], "{:.6g}"),
                ours,
                _number(row["difference"], "{:+.3g}"),
                _number(row["n"] or None, "{:.0f}"),
                _word(row["note"]),
            ]
        )
    return _table(heads, rows, (0, 1, 2, 7), sortable=True)


def _reproduction_hint(tables: Tables) -> str:
    if "reproduction" not in tables:
        return ""
    found = tables["reproduction"]
    ours = found["ours"].notna()
    inside = int((found["inside"] == True).sum())  # noqa: E712 (a nullable column)
    pictures = int((found["printed_in"] == "picture").sum())
    return (
        f"{len(found) - pictures} numbers printed in tables and text; {int(ours.sum())} have one of ours beside them, "
        f"{inside} lie in our 95% interval. {pictures} figures give their numbers in the picture alone."
    )


def _cost(cost: pd.DataFrame) -> Markup:
    names = {
        "jobs": "jobs",
        "measured": "measured jobs",
        "seconds": "seconds",
        "cpu_seconds": "CPU seconds",
        "max_rss_mb": "peak memory [MB]",
        "gigabytes": "disk [GB]",
        "estimated_seconds": "estimated seconds, at most",
        "estimated_gigabytes": "estimated disk [GB], at most",
    }
    rows = [[_word(row["stage"]), *(_number(row[name], "{:,.4g}") for name in names)] for _, row in cost.iterrows()]
    return _table(["stage", *names.values()], rows)
