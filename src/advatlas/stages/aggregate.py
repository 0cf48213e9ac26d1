"""aggregate: the tables of a study, from the files of its models, attacks and pairs.

Every rate stands with its count, n and 95% interval, once for each denominator. Times are measured and differ from run
to run, so they have a table of their own; all other tables are the same bytes each time.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from advatlas.data.fitting import belongs
from advatlas.data.splits import load_split
from advatlas.metrics.intervals import bootstrap_mean, with_interval
from advatlas.models.zoo import is_excluded, load_card
from advatlas.progress import Progress
from advatlas.seeds import derive_seed
from advatlas.stages import gallery
from advatlas.stages.generate import load_adversarials
from advatlas.storage.artifacts import KINDS, Artifact, read_artifact, read_metadata, write_frame

PRECISIONS = {"float": "", "uint8": "_uint8"}
DENOMINATORS = ("all", "clean_correct", "shown_correct", "source_success", "source_success_and_clean_correct")
EXAMPLES, STRIPS = 8, 3
_EXAMPLE_COLUMNS = (
    "image_id", "label", "prediction", "confidence", "top_classes", "top_confidences", "success", "linf", "l2", "ssim",
)  # fmt: skip
_PLAIN = [name for name, kind in KINDS["adversarials"].items() if kind is not None]


def models_table(cards: Sequence[Path], predictions: Sequence[Path], output: Path) -> None:
    """Write one row a model: complexity, accuracy and whether it was excluded (bendaya2020 Tables 1 and 2; su2018 Table 1).

    ``test_accuracy`` is measured: of a trained model on the test images, of a pretrained one on the study's candidates.
    ``published_*`` stand in the papers' tables, NaN where nothing does; ``folder`` is that of weights and card below
    ``results/models``.
    """
    rows = []
    for path, said in zip(cards, predictions, strict=True):
        card = load_card(path)
        ranks = read_artifact(said, "predictions").column("label_rank")
        n = card.get("test_images", len(ranks))
        rows.append(
            {
                "model": card["name"],
                "folder": "/".join(path.parent.parts[-2:]),
                "architecture": card["architecture"],
                "family": card["family"],
                "defense": card.get("defense", ""),
                "undefended": card.get("undefended", card["name"]),
                "attacked_as": card.get("attacked_as", card["name"]),
                "initialisation": card.get("initialisation", "pretrained"),
                "width": card.get("width", 1.0),
                "input_size": card["input_size"][-1],
                "parameters": card["parameters"],
                "macs": card["macs"],
                "validation_accuracy": card.get("validation_accuracy", np.nan),
                "count": round(card["test_accuracy"] * n) if "test_accuracy" in card else int((ranks == 0).sum()),
                "n": n,
                "top5_accuracy": (ranks < 5).mean() if len(ranks) else np.nan,
                "paper_name": card.get("paper_name") or card["name"],
                "year": card.get("year"),
                "layers": card.get("layers"),
                "published_parameters": 1e6 * (card.get("paper_parameters") or np.nan),
                "published_top1": (card.get("top1") or np.nan) / 100,
                "published_top5": (card.get("top5") or np.nan) / 100,
                "weights": card.get("weights", "trained here"),
                "licence": card.get("licence", ""),
                "excluded": is_excluded(card),
                "status": card["status"],
                "reason": card["reason"],
                "best_epoch": card.get("best_epoch"),
            }
        )
    frame = with_interval(pd.DataFrame(rows).astype({"year": "Int64", "layers": "Int64", "best_epoch": "Int64"}))
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


def predictions_table(predictions: Sequence[Path], output: Path) -> None:
    """Write what every model says of every candidate image, below each other."""
    frames = []
    for path in predictions:
        artifact = read_artifact(path, "predictions")
        frames.append(artifact.frame().assign(model=artifact.metadata["model"]))
    frame = pd.concat(frames, ignore_index=True)
    write_frame(output, frame[["model", *frame.columns.drop("model")]])


def adversarials_table(adversarials: Sequence[Path], output: Path) -> None:
    """Write one row for each attacked image of every setting and source, without the pixels.

    ``seconds`` is measured, and differs from run to run.
    """
    frames = []
    for path in adversarials:
        artifact = read_artifact(path, "adversarials", columns=_PLAIN)
        known = {**setting_columns(artifact.metadata["setting"]), "source": artifact.metadata["source"]}
        frames.append(artifact.frame().assign(**known))
    frame = pd.concat(frames, ignore_index=True)
    for column in ("setting", "attack", "goal", "source"):
        frame[column] = frame[column].astype("category")
    heads = ["setting", "attack", "goal", "epsilon", "source"]
    write_frame(output, frame[[*heads, *frame.columns.drop(heads)]])


def setting_columns(setting: dict[str, Any]) -> dict[str, Any]:
    """Return the columns by which every table names an attack setting."""
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
        artifact = read_artifact(path, "adversarials", columns=_PLAIN)
        setting, source = artifact.metadata["setting"], artifact.metadata["source"]
        frame = artifact.frame()
        won = frame[frame["success"]]
        row = {
            **setting_columns(setting),
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
        artifact = read_artifact(path, "adversarials", columns=["seconds"])
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


def prediction_times_table(times: Sequence[Path], output: Path) -> None:
    """Write one row for each model and batch size: median seconds an image, and the tenth and ninetieth percentile."""
    rows = []
    for path in times:
        artifact = read_artifact(path, "prediction_times")
        for size, timed in artifact.frame().groupby("batch_size")["seconds"]:
            low, middle, high = timed.quantile([0.1, 0.5, 0.9])
            rows.append(
                {
                    "model": artifact.metadata["model"],
                    "device": artifact.metadata["device"],
                    "batch_size": size,
                    "repeats": len(timed),
                    "median": middle,
                    "p10": low,
                    "p90": high,
                }
            )
    columns = ["model", "device", "batch_size", "repeats", "median", "p10", "p90"]
    write_frame(output, pd.DataFrame(rows, columns=columns))


def transfer_table(
    pairs: Sequence[Path],
    top_k: Sequence[int],
    fits: Sequence[str],
    selection: Path,
    class_names: Sequence[str],
    output: Path,
    outcomes: Path,
    answers: Path,
    progress: Progress,
    *,
    files: int,
    eight_bit: bool = True,
) -> None:
    """Write one row for each setting, pair, fit, measure, precision and denominator: count, n, rate and interval.

    ``fit`` says how images were brought to the target's size; pairs of one size, where nothing is done, stand under every
    fit, so that the rows of one fit are a whole matrix. ``measure`` is ``fooled`` for every setting and ``matched_top{k}``
    for targeted ones (the target class among the first k), and ``clean_error``: how many of the originals, shown in the
    same way, the target gets wrong. ``precision`` says whether the images were as stored or rounded to 8 bits. The
    denominators: ``all`` examples, failed ones included (su2018's text); ``clean_correct``, those whose original the
    target gets right in its own view; ``shown_correct``, in the view it is shown (su2018's code); ``source_success``; and
    ``source_success_and_clean_correct``. Where source and target are the same model the rate is the attack's success.

    ``outcomes`` has one row for each setting, pair and fit, for analyses that resample images: of the images as stored,
    ``image`` (places in the selection), ``reached`` (fooled, or matched_top1 if targeted) and ``clean_error``, as lists.

    ``answers`` has what the targets said of the images that the report shows (:mod:`advatlas.stages.gallery`).

    Args:
        class_names: by class.
        files: how many settings and sources the study has.
    """
    place = {
        identifier: index for index, identifier in enumerate(read_artifact(selection, "selection").column("image_id"))
    }
    rows: list[dict[str, Any]] = []
    lists: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for path in pairs:
        artifact = read_artifact(path, "transfer")
        said += gallery.answers(artifact, class_names, files)
        lists += list(_pair_outcomes(artifact, fits, place))
        rows += list(_pair_rows(artifact, top_k, fits, eight_bit))
        progress.advance()
    frame = pd.DataFrame(rows)
    for column in ("setting", "attack", "goal", "source", "target", "fit", "measure", "precision", "denominator"):
        frame[column] = frame[column].astype("category")
    write_frame(output, with_interval(frame))
    write_frame(outcomes, pd.DataFrame(lists))
    write_frame(answers, pd.DataFrame(said, columns=gallery.ANSWERS))


def _pair_outcomes(artifact: Artifact, fits: Sequence[str], place: dict[str, int]) -> Iterable[dict[str, Any]]:
    setting = artifact.metadata["setting"]
    frame = artifact.frame()
    for fit in setting.get("fits") or fits:
        shown = fitted_rows(frame, fit)
        yield {
            **setting_columns(setting),
            "source": artifact.metadata["source"],
            "target": artifact.metadata["target"],
            "fit": fit,
            "image": np.array([place[i] for i in shown["image_id"]], dtype=np.int32),
            "reached": shown["fooled" if setting["goal"] == "untargeted" else "matched_top1"].to_numpy(dtype=bool),
            "clean_error": ~shown["shown_correct"].to_numpy(dtype=bool),
        }


def _pair_rows(
    artifact: Artifact, top_k: Sequence[int], fits: Sequence[str], eight_bit: bool
) -> Iterable[dict[str, Any]]:
    metadata = artifact.metadata
    head = {
        **setting_columns(metadata["setting"]),
        "source": metadata["source"],
        "target": metadata["target"],
        "excluded": metadata["excluded"],
    }
    frame = artifact.frame()
    for fit in metadata["setting"].get("fits") or fits:
        shown = fitted_rows(frame, fit)
        flags = {name: shown[name].to_numpy(dtype=bool) for name in ("clean_correct", "shown_correct")}
        for precision, suffix in PRECISIONS.items():
            if suffix and not eight_bit:
                continue
            won = shown[f"source_success{suffix}"].to_numpy(dtype=bool)
            everything = np.ones(len(shown), bool)
            both = won & flags["clean_correct"]
            chosen = dict(zip(DENOMINATORS, (everything, *flags.values(), won, both), strict=True))
            measures = {"fooled": shown[f"fooled{suffix}"].to_numpy(dtype=bool)}
            if metadata["setting"]["goal"] != "untargeted":
                measures |= _matched(shown, suffix, top_k)
            measures["clean_error"] = ~flags["shown_correct"]
            for measure, reached in measures.items():
                for denominator, among in chosen.items():
                    yield {
                        **head,
                        "fit": fit,
                        "measure": measure,
                        "precision": precision,
                        "denominator": denominator,
                        "count": int((reached & among).sum()),
                        "n": int(among.sum()),
                    }


def fitted_rows(frame: pd.DataFrame, fit: str) -> pd.DataFrame:
    """Return the rows of a pair's file that a fit comes to."""
    return frame[np.array([belongs(way, fit) for way in frame["fit"]], dtype=bool)]


def _matched(shown: pd.DataFrame, suffix: str, top_k: Sequence[int]) -> dict[str, np.ndarray]:
    """Return for each k whether the target class is among the first k; k = 1 always."""
    ranks = {1, *top_k}
    if not len(shown):
        return {f"matched_top{k}": np.empty(0, bool) for k in sorted(ranks)}
    said = np.stack(shown[f"top_k{suffix}"].tolist())
    hit = said == shown["target"].to_numpy(dtype=np.int64)[:, None]
    return {f"matched_top{k}": hit[:, :k].any(1) for k in sorted(ranks)}


def examples_table(
    adversarials: Sequence[Path], views: dict[str, Path], class_names: Sequence[str], output: Path
) -> None:
    """Write a few adversarial examples of every setting, with their pixels, for people to look at.

    For each attack the same images under all its settings, on the source that it fools most: of each class the one fooled
    most often, and of those the eight fooled most often.

    Args:
        views: the file of selected images as each source sees them.
        class_names: by class.
    """
    groups: dict[str, dict[str, list[Path]]] = {}
    won: dict[tuple[str, str], int] = {}
    for path in adversarials:
        metadata = read_metadata(path)
        attack, source = metadata["setting"]["attack"], metadata["source"]
        groups.setdefault(attack, {}).setdefault(source, []).append(path)
        successes = int(_plain(path, ["success"])["success"].sum())
        won[attack, source] = won.get((attack, source), 0) + successes
    chosen = [
        by_source[max(by_source, key=lambda source, attack=attack: won[attack, source])]  # type: ignore[misc]
        for attack, by_source in groups.items()
    ]
    _write_examples(chosen, EXAMPLES, _EXAMPLE_COLUMNS, views, class_names, output)


def strips_table(
    adversarials: Sequence[Path], views: dict[str, Path], class_names: Sequence[str], output: Path
) -> None:
    """Write the same few images as every source attacks them by each attack's first setting, those fooled most often.

    ``seconds`` is measured, and differs from run to run.
    """
    first: dict[str, str] = {}
    shown = []
    for path in adversarials:
        setting = read_metadata(path)["setting"]
        if setting["name"] == first.setdefault(setting["attack"], setting["name"]):
            shown.append(path)
    _write_examples([shown] if shown else [], STRIPS, (*_EXAMPLE_COLUMNS, "seconds"), views, class_names, output)


def _write_examples(
    groups: Iterable[list[Path]],
    count: int,
    known: Sequence[str],
    views: dict[str, Path],
    class_names: Sequence[str],
    output: Path,
) -> None:
    """Write the ``count`` images of each group that are fooled most often in it, from each of its files."""
    selected = functools.cache(lambda path: load_split(path, "test"))
    rows = []
    for group in groups:
        shown = _most_fooled(pd.concat([_plain(path, ["image_id", "label", "success"]) for path in group]), count)
        for path in group:
            metadata = read_metadata(path)
            stored = load_adversarials(path, selected(views[metadata["source"]]))
            frame = stored.artifact.frame()
            for place in np.flatnonzero(frame["image_id"].isin(shown)):
                row = frame.iloc[place]
                original, image = stored.part(slice(place, place + 1))
                rows.append(
                    {
                        **setting_columns(metadata["setting"]),
                        "source": metadata["source"],
                        **{name: row[name] for name in known},
                        "label_name": class_names[row["label"]],
                        "prediction_name": class_names[row["prediction"]],
                        "top_names": [class_names[c] for c in row["top_classes"]],
                        "shape": list(image.shape[1:]),
                        "original": original.numpy().ravel(),
                        "image": image.numpy().ravel(),
                    }
                )
    columns = ["setting", "attack", "goal", "epsilon", "source", *known, "label_name", "prediction_name", "top_names"]
    write_frame(output, pd.DataFrame(rows, columns=[*columns, "shape", "original", "image"]))


def _plain(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Return the columns of adversarials without the tensor, which is nearly all of the file."""
    return read_artifact(path, "adversarials", columns=columns or _PLAIN).frame()


def _most_fooled(frame: pd.DataFrame, count: int) -> set[str]:
    """Return the ids of at most ``count`` images of different classes, fooled most often (ties: the first by name)."""
    fooled = frame[["image_id", "label", "success"]].groupby(["image_id", "label"]).sum().reset_index()
    ranking = fooled.sort_values(["success", "image_id"], ascending=[False, True])
    return set(ranking.drop_duplicates("label")["image_id"].head(count))
