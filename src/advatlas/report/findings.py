"""The three findings that stand first on the page: said in a sentence, each with its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from advatlas.claims.claim import FAILS, HOLDS, NOT_RUN, OPEN
from advatlas.figures import style

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Finding:
    """A finding: what it is about, and a sentence."""

    head: str
    text: str


def findings(tables: Tables) -> list[Finding]:
    """Return up to three: on robustness (or defenses), on transfer, and on the paper."""
    found = [_defenses(tables) or _robustness(tables), _transfer(tables), _paper(tables)]
    return [finding for finding in found if finding is not None]


def _share(rate: float, low: float, high: float) -> str:
    return f"{rate:.0%} [{low:.0%}, {high:.0%}]"


def _robustness(tables: Tables) -> Finding | None:
    """Return which model is fooled least and most, by the untargeted setting in which models differ most."""
    success = tables["success"]
    success = success[(success["goal"] == "untargeted") & (success["n"] > 0)]
    if not len(success):
        return None
    if success["source"].nunique() < 2:
        most = success.sort_values("rate", kind="stable").iloc[-1]
        share = _share(most["rate"], most["low"], most["high"])
        text = f"{style.setting_title(most)} fools {most['source']} on {share} of {most['n']:.0f} images, more than others."
        return Finding("Robustness.", text)
    spread = success.groupby("setting", sort=False)["rate"].agg(lambda rates: rates.max() - rates.min())
    rows = success[success["setting"] == spread.idxmax()]
    rows = rows.sort_values("rate", kind="stable")
    best, worst = rows.iloc[0], rows.iloc[-1]
    text = (
        f"{style.setting_title(best)} fools {best['source']} on {_share(best['rate'], best['low'], best['high'])} of "
        f"{best['n']:.0f} images and {worst['source']} on {_share(worst['rate'], worst['low'], worst['high'])}: the "
        "setting in which the models differ most."
    )
    return Finding("Robustness.", text)


def _defenses(tables: Tables) -> Finding | None:
    if "verdicts" not in tables or not len(tables["verdicts"]):
        return None
    verdicts = tables["verdicts"]
    verdicts = verdicts[verdicts["goal"] == "untargeted"] if (verdicts["goal"] == "untargeted").any() else verdicts
    rows = verdicts[verdicts["budget"] == verdicts["budget"].iloc[0]]
    best = rows.sort_values("adaptive", kind="stable").iloc[-1]
    hid = list(
        rows.loc[rows["verdict"].isin(["only the gradient was hidden", "falls to an attacker who knows"]), "model"]
    )
    text = (
        f"At {best['budget']} {best['model']} keeps most against those who know of its defense: "
        f"{_share(best['adaptive'], best['adaptive_low'], best['adaptive_high'])}, the undefended model "
        f"{best['base']:.0%}."
    )
    if hid:
        text += f" What {', '.join(hid)} gained under the paper's attack is lost to them."
    return Finding("Defenses.", text)


def _transfer(tables: Tables) -> Finding | None:
    ranking = tables["ranking"]
    ranking = ranking[(ranking["goal"] == "untargeted") & ranking["transfer"].notna()] if len(ranking) else ranking
    if not len(ranking):
        return None
    first = ranking.iloc[0]
    titles = tables["success"].drop_duplicates("setting").set_index("setting")
    title = style.setting_title(titles.loc[first["setting"]])
    share = _share(first["transfer"], first["low"], first["high"])
    text = f"{title} transfers best: {share} of its examples fool other models"
    if len(ranking) > 1:
        last = ranking.iloc[-1]
        share = _share(last["transfer"], last["low"], last["high"])
        text += f", {style.setting_title(titles.loc[last['setting']])} worst: {share}"
    return Finding("Transfer.", f"{text} (mean over pairs, {first['images']} images).")


def _paper(tables: Tables) -> Finding | None:
    if "claims" not in tables or not len(tables["claims"]):
        return None
    claims = tables["claims"]
    claims = claims[~claims["knowing"]]
    counts = claims["verdict_holm"].value_counts()
    tested = int(sum(counts.get(verdict, 0) for verdict in (HOLDS, FAILS, OPEN)))
    if not tested:
        return Finding("The paper.", f"None of its {len(claims)} findings could be tested in this study.")
    text = (
        f"Of {tested} findings this study can test, {counts.get(HOLDS, 0)} hold, {counts.get(FAILS, 0)} do not, "
        f"{counts.get(OPEN, 0)} are not decided (all tested together, Holm); {counts.get(NOT_RUN, 0)} were not run."
    )
    wrong = claims[claims["verdict_holm"] == FAILS].sort_values("p_holm", kind="stable")
    if len(wrong):
        text += f" Not so here: “{wrong['sentence'].iloc[0]}”"
    return Finding("The paper.", text)
