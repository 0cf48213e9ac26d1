"""aggregate: the tables of a study, from the files of its models, attacks and pairs.

Every rate stands with its count, n and 95% interval, once for each denominator. Times are measured and differ from run
to run, so they have a table of their own; all other tables are the same bytes each time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from advatlas.data.splits import load_split
from advatlas.metrics.intervals import bootstrap_mean, wilson
from advatlas.models.zoo import is_excluded, load_card
from advatlas.progress import Progress
from advatlas.seeds import derive_seed
from advatlas.stages.generate import Adversarials, load_adversarials
from advatlas.storage.artifacts import Artifact, read_artifact, write_frame

PRECISIONS = {"float": "", "uint8": "_uint8"}
MEASURES = ("fooled", "matched_top1", "matched_topk")
DENOMINATORS = ("all", "clean_correct", "source_success", "source_success_and_clean_correct")
EXAMPLES = 8
_EXAMPLE_COLUMNS = ("image_id", "label", "prediction", "confidence", "success", "linf", "l2")


def with_interval(frame: pd.DataFrame) -> pd.DataFrame:
    """Add ``rate``, ``low`` and ``high`` (Wilson, 95%) to a frame with ``count`` and ``n``; NaN where n is 0."""
    count, n = frame["count"].to_numpy(np.float64), frame["n"].to_numpy(np.float64)
    rate = np.divide(count, n, out=np.full_like(count, np.nan), where=n > 0)
    low, high = wilson(count, n)
    return frame.assign(rate=rate, low=low, high=high)


def models_table(cards: Iterable[Path], output: Path) -> None:
    """Write one row a model: complexity, accuracy and whether it was excluded (bendaya2020 Tables 1 and 2)."""
    rows = []
    for path in cards:
        card = load_card(path)
        n = card["test_images"]
        rows.append(
            {
                "model": card["name"],
                "architecture": card["architecture"],
                "family": card["family"],
                "initialisation": card["initialisation"],
                "width": card["width"],
                "parameters": card["parameters"],
                "macs": card["macs"],
                "validation_accuracy": card["validation_accuracy"],
                "count": round(card["test_accuracy"] * n),
                "n": n,
                "excluded": is_excluded(card),
                "status": card["status"],
                "reason": card["reason"],
                "best_epoch": card["best_epoch"],
            }
        )
    frame = with_interval(pd.DataFrame(rows))
    write_frame(
        output,
        frame.rename(
            columns={
                "count": "test_correct",
                "n": "test_images",
                "rate": "test_accuracy",
                "low": "test_accuracy_low",
                "high": "test_accuracy_high",
            }
        ),
    )


def training_table(histories: dict[str, Path], output: Path) -> None:
    """Write the training histories of all models below each other."""
    frames = [read_artifact(path, "training").frame().assign(model=model) for model, path in histories.items()]
    frame = pd.concat(frames, ignore_index=True).drop(columns="seconds")
    write_frame(output, frame[["model", *frame.columns.drop("model")]])


def _setting_columns(setting: dict[str, Any]) -> dict[str, Any]:
    return {
        "setting": setting["name"],
        "attack": setting["attack"],
        "goal": setting["goal"],
        "epsilon": setting["parameters"].get("epsilon", np.nan),
    }


def success_table(adversarials: Sequence[Path], seed: int, output: Path) -> None:
    """Write one row for each attack setting and source: success, distortion and cost.

    ``mean_*`` are means over the successful images, with bootstrap intervals over images; ``attack_parameters`` is the full
    resolved setting as JSON.
    """
    rows = []
    for path in adversarials:
        artifact = read_artifact(path, "adversarials")
        setting, source = artifact.metadata["setting"], artifact.metadata["source"]
        frame = artifact.frame()
        won = frame[frame["success"]]
        row = {
            **_setting_columns(setting),
            "source": source,
            "excluded": artifact.metadata["excluded"],
            "n": len(frame),
            "count": int(frame["success"].sum()),
            "count_uint8": int(frame["success_uint8"].sum()),
        }
        for measure in ("linf", "l2", "l1", "l0", "ssim"):
            values = won[measure].to_numpy(np.float64)
            low, high = bootstrap_mean(values, derive_seed(seed, "bootstrap", setting["name"], source, measure))
            row |= {
                f"mean_{measure}": values.mean() if len(values) else np.nan,
                f"mean_{measure}_low": low,
                f"mean_{measure}_high": high,
            }
        for cost in ("iterations", "forward_queries", "backward_queries"):
            row[f"mean_{cost}"] = frame[cost].mean() if len(frame) else np.nan
        row["attack_parameters"] = json.dumps(setting["parameters"], sort_keys=True)
        rows.append(row)
    frame = pd.DataFrame(rows)
    by_8bit = with_interval(frame[["n"]].assign(count=frame["count_uint8"]))
    frame = with_interval(frame).assign(
        rate_uint8=by_8bit["rate"], low_uint8=by_8bit["low"], high_uint8=by_8bit["high"]
    )
    write_frame(output, frame)


def timing_table(histories: dict[str, Path], adversarials: Sequence[Path], output: Path) -> None:
    """Write measured times: seconds an epoch of each training, seconds an image of each attack."""
    rows: list[dict[str, Any]] = []
    for model, path in histories.items():
        history = read_artifact(path, "training").frame()
        rows.append(
            {
                "stage": "train",
                "setting": "",
                "model": model,
                "unit": "epoch",
                "units": len(history),
                "seconds": history["seconds"].sum(),
            }
        )
    for path in adversarials:
        artifact = read_artifact(path, "adversarials")
        seconds = artifact.column("seconds")
        rows.append(
            {
                "stage": "attack",
                "setting": artifact.metadata["setting"]["name"],
                "model": artifact.metadata["source"],
                "unit": "image",
                "units": len(seconds),
                "seconds": seconds.sum(),
            }
        )
    frame = pd.DataFrame(rows)
    write_frame(output, frame.assign(seconds_per_unit=frame["seconds"] / frame["units"].replace(0, np.nan)))


def transfer_table(pairs: Sequence[Path], output: Path, progress: Progress) -> None:
    """Write one row for each setting, pair, measure, precision and denominator: count, n, rate and interval.

    ``measure`` is ``fooled`` for every setting and ``matched_top1``, ``matched_topk`` for targeted ones; ``precision`` says
    whether the images were as stored or rounded to 8 bits. The denominators: ``all`` examples, failed ones included
    (su2018's text); ``clean_correct`` on the target; ``source_success``; and both. Where source and target are the same
    model the rate is the attack's success rate.
    """
    rows = []
    for path in pairs:
        artifact = read_artifact(path, "transfer")
        rows += list(_pair_rows(artifact))
        progress.advance()
    frame = pd.DataFrame(rows)
    for column in ("setting", "attack", "goal", "source", "target", "measure", "precision", "denominator"):
        frame[column] = frame[column].astype("category")
    write_frame(output, with_interval(frame))


def _pair_rows(artifact: Artifact) -> Iterable[dict[str, Any]]:
    metadata = artifact.metadata
    head = {
        **_setting_columns(metadata["setting"]),
        "source": metadata["source"],
        "target": metadata["target"],
        "excluded": metadata["excluded"],
    }
    measures = MEASURES if metadata["setting"]["goal"] != "untargeted" else MEASURES[:1]
    clean = artifact.column("clean_correct").astype(bool)
    for precision, suffix in PRECISIONS.items():
        won = artifact.column("source_success" + suffix).astype(bool)
        chosen = dict(zip(DENOMINATORS, (np.ones(len(artifact), bool), clean, won, won & clean), strict=True))
        for measure in measures:
            reached = artifact.column(measure + suffix).astype(bool)
            for denominator, among in chosen.items():
                yield {
                    **head,
                    "measure": measure,
                    "precision": precision,
                    "denominator": denominator,
                    "count": int((reached & among).sum()),
                    "n": int(among.sum()),
                }


def examples_table(adversarials: Sequence[Path], images: Path, output: Path) -> None:
    """Write a few adversarial examples of every setting and source, with their pixels, for people to look at.

    For each attack and source the same images under all its settings: of each class the one fooled most often, and of
    those the eight fooled most often.
    """
    clean = load_split(images, "test")
    by_source: dict[tuple[str, str], list[Adversarials]] = {}
    for path in adversarials:
        stored = load_adversarials(path, clean)
        metadata = stored.artifact.metadata
        by_source.setdefault((metadata["setting"]["attack"], metadata["source"]), []).append(stored)
    rows = []
    for (attack, source), group in by_source.items():
        shown = _most_fooled(pd.concat([stored.artifact.frame() for stored in group]))
        for stored in group:
            frame = stored.artifact.frame()
            for place in np.flatnonzero(frame["image_id"].isin(shown)):
                row = frame.iloc[place]
                rows.append(
                    {
                        "setting": stored.artifact.metadata["setting"]["name"],
                        "attack": attack,
                        "source": source,
                        **{name: row[name] for name in _EXAMPLE_COLUMNS},
                        "shape": list(stored.images.shape[1:]),
                        "original": stored.originals[place].numpy().ravel(),
                        "image": stored.images[place].numpy().ravel(),
                    }
                )
    columns = ["setting", "attack", "source", *_EXAMPLE_COLUMNS, "shape", "original", "image"]
    write_frame(output, pd.DataFrame(rows, columns=columns))


def _most_fooled(frame: pd.DataFrame) -> set[str]:
    """Return the ids of at most eight images of different classes, fooled most often (ties: the first by name)."""
    fooled = frame[["image_id", "label", "success"]].groupby(["image_id", "label"]).sum().reset_index()
    ranking = fooled.sort_values(["success", "image_id"], ascending=[False, True])
    return set(ranking.drop_duplicates("label")["image_id"].head(EXAMPLES))
