"""evaluate-transfer: one source's adversarials shown to one target model.

The same function serves the warm evaluator and a process of its own (``python -m advatlas.stages.evaluate``).
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from advatlas.data.imageset import ImageSet
from advatlas.data.splits import load_split
from advatlas.devices import device_slot, make_deterministic
from advatlas.errors import one_line_errors
from advatlas.models.classifier import Classifier, predict_logits
from advatlas.models.zoo import is_excluded, load_card, load_classifier
from advatlas.stages.generate import Adversarials, load_adversarials
from advatlas.storage.artifacts import no_rows, read_artifact, write_artifact

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class PairRequest:
    """The files of one ordered pair, and how to evaluate it."""

    adversarials: str
    images: str
    weights: str
    card: str
    predictions: str
    output: str
    top_k: int
    batch_size: int
    device: str


def evaluate_pair(
    adversarials: Adversarials, target: Classifier, clean_correct: np.ndarray, top_k: int, batch_size: int
) -> dict[str, Any]:
    """Return the columns of the kind ``transfer``.

    Args:
        adversarials: of the source model.
        target: the model that sees them.
        clean_correct: bool, N: whether the target gets the clean image of each adversarial right.
        top_k: how many of the target's classes are recorded, best first.

    ``fooled`` means that the target does not say the true class; ``matched_top1`` and ``matched_topk`` that the target
    class of a targeted attack is its first, or among its first ``top_k`` (null for untargeted attacks).
    """
    artifact = adversarials.artifact
    labels = artifact.column("label")
    wanted = artifact.table["target"].to_pylist()
    columns: dict[str, Any] = {
        "image_id": artifact.column("image_id"),
        "label": labels,
        "target": wanted,
        "clean_correct": clean_correct,
    }
    for suffix, images in (("", adversarials.images), ("_uint8", adversarials.images_uint8)):
        best = predict_logits(target, images, batch_size).topk(top_k, dim=1).indices.numpy()
        columns["source_success" + suffix] = artifact.column("success" + suffix)
        columns["prediction" + suffix] = best[:, 0]
        columns["top_k" + suffix] = list(best.astype(np.int32))
        columns["fooled" + suffix] = best[:, 0] != labels
        columns["matched_top1" + suffix] = [
            None if t is None else t == row[0] for t, row in zip(wanted, best, strict=True)
        ]
        columns["matched_topk" + suffix] = [
            None if t is None else t in row for t, row in zip(wanted, best, strict=True)
        ]
    return columns


class Warehouse:
    """What pairs share, kept in bounded memory: models, adversarials, images, clean predictions.

    An entry is found by path, size and time of change, so a file made anew is read anew.
    """

    def __init__(self, models: int = 32, adversarials: int = 8) -> None:
        self.classifier = _by_file(models, _classifier)
        self.adversarials = _by_file(adversarials, self._adversarials)
        self.images: Callable[[str], ImageSet] = _by_file(2, lambda path: load_split(Path(path), "test"))
        self.correct = _by_file(models, _correct)

    def _adversarials(self, path: str, images: str) -> Adversarials:
        return load_adversarials(path, self.images(images))


def _by_file(size: int, load: Callable[P, R]) -> Callable[P, R]:
    """Cache a loader whose first argument is a path; a changed file is another entry."""

    @functools.lru_cache(maxsize=size)
    def cached(_state: tuple[int, int], *args: P.args, **kwargs: P.kwargs) -> R:
        return load(*args, **kwargs)

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            stat = Path(str(args[0])).stat()
        except OSError:
            return load(*args, **kwargs)  # says what is missing
        return cached((stat.st_mtime_ns, stat.st_size), *args, **kwargs)  # type: ignore[arg-type]

    return call


def _classifier(weights: str, card: str, device: str) -> Classifier:
    return load_classifier(weights, load_card(card), device)


def _correct(path: str) -> dict[str, bool]:
    artifact = read_artifact(path, "predictions")
    return dict(zip(artifact.column("image_id"), artifact.column("correct"), strict=True))


def evaluate_transfer(request: PairRequest, warehouse: Warehouse, output: Path | None = None) -> None:
    """Evaluate one pair and write its file (to ``output`` if given); without rows if either model is excluded."""
    adversarials = warehouse.adversarials(request.adversarials, request.images)
    target_card = load_card(request.card)
    source = adversarials.artifact.metadata
    metadata = {
        "setting": source["setting"],
        "source": source["source"],
        "target": target_card["name"],
        "excluded": bool(source["excluded"] or is_excluded(target_card)),
    }
    if metadata["excluded"] or len(adversarials.artifact) == 0:
        columns = no_rows("transfer")
    else:
        correct = warehouse.correct(request.predictions)
        clean_correct = np.array([correct[i] for i in adversarials.artifact.column("image_id")])
        classifier = warehouse.classifier(request.weights, request.card, request.device)
        columns = evaluate_pair(adversarials, classifier, clean_correct, request.top_k, request.batch_size)
    write_artifact(output or request.output, "transfer", columns, metadata)


def main() -> None:
    """Evaluate the pair whose request stands as JSON in the first argument."""
    with one_line_errors():
        request = PairRequest(**json.loads(sys.argv[1]))
        make_deterministic(int(sys.argv[2]))
        with device_slot(request.device) as device:
            evaluate_transfer(replace(request, device=device), Warehouse(models=1, adversarials=1))


if __name__ == "__main__":
    main()
