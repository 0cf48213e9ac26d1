"""What the page shows interactively, as one JSON-like object made of the tables."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from advatlas.figures import style
from advatlas.metrics.intervals import wilson

Tables = Mapping[str, pd.DataFrame]

PRECISION_NAMES = {"float": "as stored (float)", "uint8": "rounded to 8 bits"}
DENOMINATOR_NAMES = {
    "all": "all examples (su2018's text)",
    "clean_correct": "those whose original the target gets right",
    "shown_correct": "those it gets right as shown (su2018's code)",
    "source_success": "those that fool their source",
    "source_success_and_clean_correct": "those that fool their source, target right on the original",
}
ORDER_NAMES = {"study": "as in the study", "family": "family", "accuracy": "accuracy", "clustering": "clustering"}
TRAINING_NAMES = {
    "validation_accuracy": "validation accuracy",
    "validation_loss": "validation loss",
    "train_loss": "training loss",
    "learning_rate": "learning rate",
}


def content(tables: Tables) -> dict[str, Any]:
    """Return all that the page's script draws from."""
    models = tables["models"]
    names = list(models["model"])
    settings = _settings(tables)
    matrix, clusterings = _matrix(tables["transfer"], names, [s["name"] for s in settings])
    gallery, originals, answers, classes = _gallery(tables, names)
    measures = list(dict.fromkeys(tables["transfer"]["measure"].astype(str)))
    return {
        "models": [
            {
                "name": row.model,
                "family": row.family,
                "accuracy": _number(row.test_accuracy),
                "excluded": bool(row.excluded),
            }
            for row in models.itertuples()
        ],
        "settings": settings,
        "first": first_setting(tables, settings),
        "attack_names": {s["attack"]: style.attack_name(s["attack"]) for s in settings},
        "goal_names": {s["goal"]: style.goal_name(s["goal"]) for s in settings},
        "measure_names": {name: _measure_name(name) for name in measures},
        "precision_names": PRECISION_NAMES,
        "denominator_names": DENOMINATOR_NAMES,
        "order_names": ORDER_NAMES,
        "orders": _orders(models),
        "clusterings": clusterings,
        "matrix": matrix,
        "gallery": gallery,
        "originals": originals,
        "answers": answers,
        "classes": classes,
        "palette": [[round(255 * c) for c in colour] for colour in sns.color_palette(style.SEQUENTIAL, 24)],
        "colours": list(sns.color_palette("colorblind").as_hex()),
        "robustness": _robustness(tables, names),
        "comparison": _comparison(tables, settings),
        "training": _training(tables),
        "training_names": TRAINING_NAMES,
        "cost": _cost(tables["cost"]),
    }


def _number(value: Any) -> float | None:
    """Return a number as JSON can hold it, with the digits that matter."""
    return None if value is None or not np.isfinite(value) else float(f"{float(value):.5g}")


def _numbers(values: Any) -> list[float | None]:
    return [_number(value) for value in values]


def _measure_name(name: str) -> str:
    if name.startswith("matched_top"):
        k = name.removeprefix("matched_top")
        return "target class says the target" if k == "1" else f"target class within its first {k}"
    return {"fooled": "target is wrong", "clean_error": "target is wrong on the original"}.get(name, name)


def _settings(tables: Tables) -> list[dict[str, Any]]:
    rows = tables["success"].drop_duplicates("setting")
    return [
        {"name": row["setting"], "attack": row["attack"], "goal": row["goal"], "title": style.setting_title(row)}
        for _, row in rows.iterrows()
    ]


def first_setting(tables: Tables, settings: list[dict[str, Any]]) -> int:
    """Return the place of the setting that is shown first: the untargeted one that transfers best."""
    ranking = tables["ranking"]
    best = ranking[(ranking["goal"] == "untargeted") & (ranking["rank"] == 1)] if len(ranking) else ranking
    name = best["setting"].iloc[0] if len(best) else settings[0]["name"]
    return next(place for place, setting in enumerate(settings) if setting["name"] == name)


def _orders(models: pd.DataFrame) -> dict[str, list[int]]:
    places = models.reset_index(drop=True)
    return {
        "study": list(range(len(places))),
        "family": list(map(int, places.sort_values(["family", "test_accuracy"], kind="stable").index)),
        "accuracy": list(map(int, places.sort_values("test_accuracy", ascending=False, kind="stable").index)),
    }


def _matrix(transfer: pd.DataFrame, names: list[str], settings: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return counts and numbers by setting, fit, measure, precision and denominator, and an order of models by setting."""
    place = {name: index for index, name in enumerate(names)}
    n = len(names)
    cells = (
        transfer["source"].astype(str).map(place).astype(int) * n
        + transfer["target"].astype(str).map(place).astype(int)
    ).to_numpy()
    keys = ["setting", "fit", "measure", "precision", "denominator"]
    matrix: dict[str, Any] = {name: {} for name in settings}
    clusterings: dict[str, list[int]] = {}
    # The measure that the goal is about comes first, so that it is what is shown.
    order = transfer["measure"].astype(str).map(lambda name: name == "clean_error")
    targeted = (transfer["goal"].astype(str) != "untargeted") & (transfer["measure"].astype(str) == "fooled")
    rank = order.astype(int) * 2 + targeted.astype(int)
    for by_rank in (0, 1, 2):
        chosen = transfer[rank == by_rank]
        for key, rows in chosen.groupby(keys, sort=False, observed=True):
            setting, fit, measure, precision, denominator = map(str, key if isinstance(key, tuple) else (key,))
            count, of = np.zeros(n * n, np.int64), np.zeros(n * n, np.int64)
            at = cells[rows.index.to_numpy()]
            count[at], of[at] = rows["count"].to_numpy(), rows["n"].to_numpy()
            by = matrix[setting].setdefault(fit, {}).setdefault(measure, {}).setdefault(precision, {})
            by[denominator] = {"count": count.tolist(), "of": of.tolist()}
            if setting not in clusterings:
                with np.errstate(invalid="ignore", divide="ignore"):
                    clusterings[setting] = clustered((count / of).reshape(n, n))
    return matrix, clusterings


def clustered(rates: np.ndarray) -> list[int]:
    """Return an order of the models in which those between which much transfers stand together (average linkage)."""
    known = ~np.isnan(rates).all(1)
    inside = np.flatnonzero(known)
    if len(inside) < 3:
        return list(range(len(rates)))
    part = np.nan_to_num(rates[np.ix_(inside, inside)])
    distance = 1 - (part + part.T) / 2
    np.fill_diagonal(distance, 0)
    order = inside[leaves_list(linkage(squareform(distance, checks=False), "average", optimal_ordering=True))]
    return [*map(int, order), *map(int, np.flatnonzero(~known))]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False, name=None)]


def _gallery(tables: Tables, names: list[str]) -> tuple[dict[str, Any], list[str], dict[str, Any], list[str]]:
    shown, said = tables["gallery"], tables["answers"]
    texts = [shown["label_name"], shown["target_name"], shown["prediction_name"], said["prediction_name"]]
    classes = sorted(set(pd.concat([text.astype(str) for text in texts])) - {""})
    code = {name: index for index, name in enumerate(classes)}
    originals: dict[bytes, int] = {}
    gallery: dict[str, list[dict[str, Any]]] = {}
    for row in records(shown):
        gallery.setdefault(f"{row['setting']}|{row['source']}", []).append(
            {
                "id": row["image_id"],
                "label": code[row["label_name"]],
                "target": code[row["target_name"]] if row["target_name"] else None,
                "said": code[row["prediction_name"]],
                "confidence": _number(row["confidence"]),
                "success": bool(row["success"]),
                "linf": _number(row["linf"]),
                "l2": _number(row["l2"]),
                "o": originals.setdefault(row["original"], len(originals)),
                "p": base64.b64encode(row["perturbation"]).decode(),
                "a": base64.b64encode(row["adversarial"]).decode(),
            }
        )
    place = {name: index for index, name in enumerate(names)}
    answers: dict[str, dict[str, dict[int, list[Any]]]] = {}
    for row in records(said):
        by_image = answers.setdefault(f"{row['setting']}|{row['source']}", {}).setdefault(row["image_id"], {})
        by_image[place[row["target"]]] = [
            code[row["prediction_name"]],
            round(float(row["confidence"]), 4),
            bool(row["clean_correct"]),
        ]
    return gallery, [base64.b64encode(image).decode() for image in originals], answers, classes


def _robustness(tables: Tables, names: list[str]) -> list[dict[str, Any]]:
    """Return measures of robustness, a value a model: distances where the study has them, then what attacks leave."""
    found = []
    distances = tables["robustness"]
    for key, rows in distances.groupby(["measure", "setting", "goal"], sort=False):
        measure, setting, goal = map(str, key if isinstance(key, tuple) else (key,))
        divisor = "none" if measure.endswith("linf") else "values"
        by = rows[(rows["images"] == "all") & (rows["divisor"] == divisor)].set_index("model").reindex(names)
        per = "" if divisor == "none" else " / number of values"
        title = f"{measure.replace('_', ' ')}{per}: {setting}" + ("" if goal in setting else f", {goal}")
        found.append(
            {
                "title": title,
                "text": "Mean distance to the nearest adversarial example found, with its interval over images. "
                "Higher is more robust.",
                "value": _numbers(by["mean"]),
                "low": _numbers(by["low"]),
                "high": _numbers(by["high"]),
                "n": [int(x) for x in by["n"].fillna(0)],
            }
        )
    success = tables["success"]
    for _, rows in success.groupby("setting", sort=False):
        by = rows.set_index("source").reindex(names)
        left, low, high = (100 * (1 - by[name].astype(float)) for name in ("rate", "high", "low"))
        found.append(
            {
                "title": f"images kept [%]: {style.setting_title(rows.iloc[0])}",
                "text": "Share of the attacked images, all of which the model gets right, that it still gets right. "
                "Higher is more robust.",
                "value": _numbers(left),
                "low": _numbers(low),
                "high": _numbers(high),
                "n": [int(x) for x in by["n"].fillna(0)],
            }
        )
    return [measure for measure in found if any(value is not None for value in measure["value"])]


def comparison_table(tables: Tables) -> pd.DataFrame:
    """Return one row for each attack setting: pooled over the source models, each image once a model."""
    success = tables["success"][~tables["success"]["excluded"]]
    ranked = {row["setting"]: row for row in records(tables["ranking"])}
    timing = tables["timing"][tables["timing"]["stage"] == "attack"]
    spent = timing.groupby("setting")["seconds"].sum() / timing.groupby("setting")["units"].sum().replace(0, np.nan)
    rows = []
    for setting, of in success.groupby("setting", sort=False):
        count, n = of["count"].sum(), of["n"].sum()
        low, high = wilson(count, n)
        weights = of["count"].to_numpy(np.float64)
        row: dict[str, Any] = {
            "setting": setting,
            "title": style.setting_title(of.iloc[0]),
            "images": int(n),
            "success": count / n if n else np.nan,
            "success_low": float(low),
            "success_high": float(high),
            "success_uint8": of["count_uint8"].sum() / n if n else np.nan,
        }
        for name in ("transfer", "low", "high"):
            row[f"transfer_{name}"] = ranked[setting][name] if setting in ranked else np.nan
        for name in ("linf", "l2", "l0", "ssim"):
            values = of[f"mean_{name}"].to_numpy(np.float64)
            known = ~np.isnan(values) & (weights > 0)
            row[name] = np.average(values[known], weights=weights[known]) if known.any() else np.nan
        row["seconds"] = float(spent.get(setting, np.nan))
        row["passes"] = (of["mean_forward_queries"] + of["mean_backward_queries"]).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def _comparison(tables: Tables, settings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    frame = comparison_table(tables).set_index("setting").reindex([s["name"] for s in settings])

    def measure(title: str, name: str, low: str = "", high: str = "", by: float = 1.0, *, log: bool = False) -> Any:
        made: dict[str, Any] = {"title": title, "value": _numbers(by * frame[name]), "log": log}
        if low:
            made |= {"low": _numbers(by * frame[low]), "high": _numbers(by * frame[high])}
        return made

    return [
        measure("success on the source [%]", "success", "success_low", "success_high", 100),
        measure("transfer to other models [%]", "transfer_transfer", "transfer_low", "transfer_high", 100),
        measure("success after rounding to 8 bits [%]", "success_uint8", by=100),
        measure("mean L2 of successes", "l2"),
        measure("mean Linf of successes", "linf"),
        measure("mean L0 (pixels) of successes", "l0"),
        measure("mean SSIM of successes", "ssim"),
        measure("seconds an image", "seconds", log=True),
        measure("passes an image, forward and back", "passes", log=True),
    ]


def _training(tables: Tables) -> list[dict[str, Any]]:
    if "training" not in tables:
        return []
    return [
        {
            "model": model,
            "epoch": rows["epoch"].astype(int).tolist(),
            **{name: _numbers(rows[name]) for name in TRAINING_NAMES},
        }
        for model, rows in tables["training"].groupby("model", sort=False)
    ]


def _cost(cost: pd.DataFrame) -> dict[str, Any]:
    shown = cost[cost["stage"] != "total"]
    return {
        "stage": shown["stage"].astype(str).tolist(),
        "measured": _numbers(shown["seconds"]),
        "estimated": _numbers(shown["estimated_seconds"]),
    }


def as_json(value: Any) -> str:
    """Return compact JSON; NaN is not JSON and raises."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
