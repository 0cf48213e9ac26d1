"""Tables of studies that were never run, in which the truth is known."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from advatlas.analyses import ANALYSES
from advatlas.metrics.intervals import with_interval

DENOMINATORS = ("all", "clean_correct", "shown_correct", "source_success", "source_success_and_clean_correct")


@dataclass
class Made:
    """One attack setting and what it does.

    Attributes:
        rates: S x T probabilities that an example reaches its goal.
        distance: S x N distances of each image, for attacks that make a norm small.
        seconds, noise: of each source.
    """

    attack: str
    rates: np.ndarray
    goal: str = "untargeted"
    parameters: dict[str, Any] = field(default_factory=dict)
    distance: np.ndarray | None = None
    seconds: np.ndarray | None = None
    noise: np.ndarray | None = None

    @property
    def name(self) -> str:
        swept = "".join(f"-{key}{value:g}" for key, value in self.parameters.items())
        return f"{self.attack}{swept}" + ("" if self.goal == "untargeted" else f"-{self.goal}")


def models_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a table of models; each row gives ``model`` and what differs from a plain one."""
    plain = {
        "architecture": "", "family": "", "defense": "", "undefended": "", "attacked_as": "", "initialisation": "pretrained",
        "width": 1.0, "input_size": 32, "parameters": 1e6, "macs": 1e8, "validation_accuracy": np.nan, "test_accuracy": 0.7,
        "test_images": 1000, "top5_accuracy": 0.9, "paper_name": "", "layers": None, "published_top1": np.nan,
        "excluded": False, "status": "trained", "reason": "", "weights": "trained here",
    }  # fmt: skip
    frame = pd.DataFrame([{**plain, **row} for row in rows]).astype({"layers": "Int64"})
    low, high = frame["test_accuracy"] - 0.02, frame["test_accuracy"] + 0.02
    return frame.assign(test_accuracy_low=low, test_accuracy_high=high, test_correct=0)


def transfer_tables(
    models: pd.DataFrame, settings: Sequence[Made], images: int, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """Return the tables that analyses, claims and the page read, of images that every model gets right."""
    rng = np.random.default_rng(seed)
    names = list(models["model"])
    ids = [f"image{i:04d}" for i in range(images)]
    success, outcomes, transfer, made = [], [], [], []
    for setting in settings:
        head = {
            "setting": setting.name,
            "attack": setting.attack,
            "goal": setting.goal,
            "epsilon": setting.parameters.get("epsilon", np.nan),
        }
        reached = rng.random((len(names), len(names), images)) < setting.rates[:, :, None]
        for s, source in enumerate(names):
            own = reached[s, s]
            count = int(own.sum())
            success.append(
                {
                    **head, "source": source, "excluded": False, "n": images, "count": count, "count_uint8": count,
                    **{f"mean_{m}": 0.1 for m in ("linf", "l2", "l1", "l0", "ssim")},
                    "mean_iterations": 10.0, "mean_forward_queries": 10.0, "mean_backward_queries": 10.0,
                    "attack_parameters": json.dumps(setting.parameters),
                }
            )  # fmt: skip
            distance = np.full(images, 0.1) if setting.distance is None else setting.distance[s]
            made.append(
                pd.DataFrame(
                    {
                        **head, "source": source, "image_id": ids, "label": np.arange(images) % 10, "success": own,
                        "linf": distance, "l2": distance, "l1": distance, "l0": 1,
                        "ssim": 1 - (0.01 if setting.noise is None else setting.noise[s]) - 1e-4 * rng.random(images),
                        "seconds": 1.0 if setting.seconds is None else setting.seconds[s],
                    }
                )
            )  # fmt: skip
            for t, target in enumerate(names):
                outcomes.append(
                    {
                        **head, "source": source, "target": target, "fit": "same", "image": np.arange(images),
                        "reached": reached[s, t], "clean_error": np.zeros(images, bool),
                    }
                )  # fmt: skip
                measures = (
                    ["fooled", "clean_error"]
                    if setting.goal == "untargeted"
                    else ["fooled", "matched_top1", "clean_error"]
                )
                transfer += [
                    {
                        **head, "source": source, "target": target, "excluded": False, "fit": "same", "measure": measure,
                        "precision": precision, "denominator": denominator,
                        "count": 0 if measure == "clean_error" else int(reached[s, t].sum()), "n": images,
                    }
                    for measure in measures
                    for precision in ("float", "uint8")
                    for denominator in DENOMINATORS
                ]  # fmt: skip
    frame = with_interval(pd.DataFrame(success))
    frame = frame.assign(rate_uint8=frame["rate"], low_uint8=frame["low"], high_uint8=frame["high"])
    predictions = pd.DataFrame(
        [
            {"model": name, "image_id": i, "label": 0, "label_rank": int(rng.random() > models["top5_accuracy"][m]) * 9,
             "correct": True, "least_likely": 1}
            for m, name in enumerate(names)
            for i in ids
        ]
    )  # fmt: skip
    return {
        "models": models,
        "success": frame,
        "outcomes": pd.DataFrame(outcomes),
        "transfer": with_interval(pd.DataFrame(transfer)),
        "adversarials": pd.concat(made, ignore_index=True),
        "predictions": predictions,
    }


def page_tables(models: int = 18, settings: int = 30, images: int = 24, side: int = 32) -> dict[str, pd.DataFrame]:
    """Return the tables of a whole study of some size, for the page."""
    rng = np.random.default_rng(1)
    names = [f"network{i:02d}" for i in range(models)]
    table = models_table(
        [
            {
                "model": name, "architecture": f"kind{i % 6}", "family": f"kind{i % 6}", "initialisation": "xavier",
                "test_accuracy": 0.6 + 0.02 * i, "parameters": 1e6 * (i + 1), "excluded": i == models - 1,
                "reason": "accuracy 10% is below min_accuracy" if i == models - 1 else "",
            }
            for i, name in enumerate(names)
        ]
    )  # fmt: skip
    chosen = [
        Made(
            ("fgsm", "i_fgsm", "pgd")[place % 3],
            np.clip(rng.random((models, models)) * 0.6 + 0.5 * np.eye(models), 0, 1),
            ("untargeted", "random", "untargeted")[place % 3],
            {"epsilon": 0.01 * (place // 3 + 1)},
        )
        for place in range(settings)
    ]
    tables = transfer_tables(table, chosen, images)
    # Whatever is chosen on the page shows another matrix.
    tables["transfer"]["count"] = rng.integers(0, images + 1, len(tables["transfer"]))
    out = table.loc[table["excluded"], "model"].tolist()
    for name in ("transfer", "success"):
        gone = tables[name]["source"].isin(out) | (tables[name]["target"].isin(out) if name == "transfer" else False)
        tables[name].loc[gone, ["count", "n"]] = 0
        tables[name].loc[gone, ["rate", "low", "high"]] = np.nan
        if name == "success":
            tables[name]["excluded"] = gone
    options = {"seed": 1, "contrasts": [], "paper": "", "dataset": "mnist_sample"}
    for name in ("ranking", "robustness"):
        tables[name] = ANALYSES[name].table(tables, options)
    picture = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(picture, "WEBP", quality=60)
    rows = [
        {
            "setting": setting.name, "source": source, "image_id": f"image{i:04d}", "label_name": "cat", "target_name": "",
            "prediction_name": "dog", "confidence": 0.9, "success": True, "linf": 0.1, "l2": 1.0,
            "original": picture.getvalue(), "perturbation": picture.getvalue(), "adversarial": picture.getvalue(),
        }
        for setting in chosen
        for source in names[:-1]
        for i in range(2)
    ]  # fmt: skip
    tables["gallery"] = pd.DataFrame(rows)
    tables["answers"] = pd.DataFrame(
        [
            {
                "setting": row["setting"], "source": row["source"], "target": target, "image_id": row["image_id"],
                "prediction_name": "dog" if rng.random() < 0.5 else "cat", "confidence": 0.7, "fooled": True,
                "matched": False, "clean_correct": True,
            }
            for row in rows
            for target in names[:-1]
        ]
    )  # fmt: skip
    tables["timing"] = pd.DataFrame(
        [
            {"stage": "attack", "setting": s.name, "model": name, "unit": "image", "units": images, "seconds": 1.0,
             "seconds_per_unit": 1 / images}
            for s in chosen
            for name in names
        ]
    )  # fmt: skip
    tables["training"] = pd.DataFrame(
        [
            {"model": name, "epoch": epoch, "train_loss": 1 / epoch, "validation_loss": 1.1 / epoch,
             "validation_accuracy": 1 - 0.5 / epoch, "learning_rate": 0.001, "best": epoch == 3}
            for name in names
            for epoch in (1, 2, 3)
        ]
    )  # fmt: skip
    tables["cost"] = pd.DataFrame(
        [
            {"stage": stage, "jobs": 9, "measured": 9, "seconds": seconds, "cpu_seconds": seconds, "max_rss_mb": 300.0,
             "gigabytes": 0.1, "estimated_seconds": 2 * seconds, "estimated_gigabytes": 0.2}
            for stage, seconds in (("models", 100.0), ("attack", 50.0), ("transfer", 20.0), ("total", 170.0))
        ]
    )  # fmt: skip
    return tables
