"""evaluate-transfer: one source's adversarials shown to one target model.

The same function serves the warm evaluator and a process of its own (``python -m advatlas.stages.evaluate``).
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from advatlas.data.fitting import SAME, fit_images, ways
from advatlas.data.splits import load_split
from advatlas.devices import device_slot, make_deterministic
from advatlas.errors import one_line_errors
from advatlas.models.classifier import Classifier, fitting_batch, predict_logits
from advatlas.models.zoo import is_excluded, load_card, load_classifier, view_name
from advatlas.stages.generate import Adversarials, load_adversarials, to_uint8
from advatlas.storage.artifacts import KINDS, artifact_writer, no_rows, read_artifact
from advatlas.storage.shards import file_state

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class PairRequest:
    """The files of one ordered pair, and how to evaluate it.

    ``images`` is the source's view of the selected images; ``fits`` are ways to bring them to the target's size;
    ``eight_bit`` asks for the images rounded to 8 bits as well.
    """

    adversarials: str
    images: str
    weights: str
    card: str
    predictions: str
    output: str
    top_k: int
    fits: tuple[str, ...]
    eight_bit: bool
    batch_size: int
    device: str


def pair_request(fields: Mapping[str, str]) -> PairRequest:
    """Return the request of a pair from the ``name=value`` arguments of ``evaluator/client.py``; others are ignored."""
    texts = {name: fields[name] for name in ("adversarials", "images", "weights", "card", "predictions", "output")}
    return PairRequest(
        **texts,
        top_k=int(fields["top_k"]),
        fits=tuple(fields["fits"].split(",")),
        eight_bit=fields["eight_bit"] == "yes",
        batch_size=int(fields["batch_size"]),
        device=fields["device"],
    )


def evaluate_pair(
    adversarials: Adversarials,
    target: Classifier,
    clean_correct: np.ndarray,
    shown_correct: dict[str, np.ndarray],
    top_k: int,
    batch_size: int,
    *,
    eight_bit: bool = True,
) -> Iterator[dict[str, Any]]:
    """Yield the columns of the kind ``transfer``, for each way in which the images are brought to the target's size.

    Args:
        adversarials: of the source model.
        target: the model that sees them.
        clean_correct: bool, N: whether the target gets its own view of each original right.
        shown_correct: for each fit (of :mod:`advatlas.data.fitting`) bool, N: whether the target gets the source's view
            of each original, fitted in that way, right.
        top_k: how many of the target's classes are recorded, best first.
        eight_bit: evaluate the images rounded to 8 bits as well; otherwise those columns are null.

    ``fooled`` means that the target does not say the true class; ``matched_top1`` that it says the target class of a
    targeted attack (null for untargeted ones); ``confidence`` is the softmax of the predicted class.
    """
    artifact = adversarials.artifact
    labels = artifact.column("label")
    wanted = artifact.table["target"].combine_chunks()
    count = len(artifact)
    batch = fitting_batch(batch_size, torch.empty(1, *target.input_size), next(target.parameters()).device)
    for fit, correct in shown_correct.items():
        best = {suffix: np.empty((count, top_k), np.int32) for suffix in ("", "_uint8")[: 1 + eight_bit]}
        confidence = {suffix: np.empty(count, np.float32) for suffix in best}
        for start in range(0, count, batch):
            rows = slice(start, start + batch)
            _, images = adversarials.part(rows)
            for suffix in best:
                shown = to_uint8(images) if suffix else images
                logits = predict_logits(target, fit_images(shown, target.input_size[-1], fit), batch)
                best[suffix][rows] = logits.topk(top_k, dim=1).indices.numpy()
                confidence[suffix][rows] = logits.softmax(1).amax(1).numpy()
        columns: dict[str, Any] = {
            "image_id": artifact.table["image_id"].combine_chunks(),
            "label": labels,
            "target": wanted,
            "fit": pa.repeat(fit, count),
            "clean_correct": clean_correct,
            "shown_correct": correct,
        }
        for suffix, said in best.items():
            first = said[:, 0].astype(np.int64)
            columns["source_success" + suffix] = artifact.column("success" + suffix)
            columns["prediction" + suffix] = first
            columns["confidence" + suffix] = confidence[suffix]
            columns["top_k" + suffix] = pa.ListArray.from_arrays(
                np.arange(0, said.size + 1, top_k, dtype=np.int32), said.ravel()
            )
            columns["fooled" + suffix] = first != labels
            columns["matched_top1" + suffix] = pc.equal(wanted, first)  # null where no class was wanted
        for name, kind in KINDS["transfer"].items():
            columns.setdefault(name, pa.nulls(count, kind))
        yield columns


class Warehouse:
    """What pairs share, kept in bounded memory: models, adversarials, images, clean predictions.

    An entry is found by path, size and time of change, so a file made anew is read anew.

    Args:
        models, adversarials: bytes of each to keep; the last one used is always kept.
    """

    def __init__(self, models: int = 3 * 2**30, adversarials: int = 2 * 2**30) -> None:
        self.classifier = _by_file(_classifier, models, lambda c: sum(p.nbytes for p in c.parameters()))
        self.adversarials = _by_file(self._adversarials, adversarials, lambda a: a.nbytes)
        self.images = _by_file(
            lambda path: load_split(Path(path), "test"), adversarials // 2, lambda i: i.images.nbytes
        )
        self.correct = _by_file(_correct, 2**26, lambda c: 100 * len(c))
        self._shown: dict[tuple[Any, ...], dict[str, bool]] = {}

    def _adversarials(self, path: str, images: str) -> Adversarials:
        return load_adversarials(path, self.images(images))

    def shown_correct(self, request: PairRequest, fit: str) -> dict[str, bool]:
        """Say of each original, in the source's view and fitted to the target, whether the target gets it right."""
        key = (file_state(request.images), request.images, file_state(request.weights), request.weights, fit)
        if key not in self._shown:
            target = self.classifier(request.weights, request.card, request.device)
            images = self.images(request.images)
            batch = fitting_batch(request.batch_size, torch.empty(1, *target.input_size), request.device)
            right: list[np.ndarray] = []
            for start in range(0, len(images), batch):
                part = images.subset(np.arange(start, min(start + batch, len(images))))
                logits = predict_logits(target, fit_images(part.pixels(), target.input_size[-1], fit), batch)
                right.append((logits.argmax(1) == part.labels).numpy())
            self._shown[key] = dict(zip(images.ids, np.concatenate(right), strict=True))
        return self._shown[key]


def _by_file(load: Callable[P, R], limit: int, size: Callable[[R], int]) -> Callable[P, R]:
    """Cache a loader whose first argument is a path, up to ``limit`` bytes; a changed file is another entry."""
    kept: OrderedDict[Any, R] = OrderedDict()

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            key = (file_state(str(args[0])), args, tuple(kwargs.items()))
        except OSError:
            return load(*args, **kwargs)  # says what is missing
        if key not in kept:
            loaded = load(*args, **kwargs)
            while kept and sum(map(size, kept.values())) + size(loaded) > limit:
                kept.popitem(last=False)
            kept[key] = loaded
        kept.move_to_end(key)
        return kept[key]

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
    with artifact_writer(output or request.output, "transfer", metadata) as writer:
        if metadata["excluded"] or len(adversarials.artifact) == 0:
            writer.write(no_rows("transfer"))
            return
        correct = warehouse.correct(request.predictions)
        classifier = warehouse.classifier(request.weights, request.card, request.device)
        ids = adversarials.artifact.column("image_id")
        size = adversarials.originals.shape[-1]
        shown: dict[str, np.ndarray] = {}
        for fit in ways(size, classifier.input_size[-1], request.fits):
            own_view = fit == SAME and Path(request.images).stem == view_name(target_card)
            right = correct if own_view else warehouse.shown_correct(request, fit)
            shown[fit] = np.array([right[i] for i in ids])
        clean_correct = np.array([correct[i] for i in ids])
        for columns in evaluate_pair(
            adversarials,
            classifier,
            clean_correct,
            shown,
            request.top_k,
            request.batch_size,
            eight_bit=request.eight_bit,
        ):
            writer.write(columns)


def main() -> None:
    """Evaluate the pair that the arguments describe, as those of ``evaluator/client.py`` do."""
    with one_line_errors():
        fields = dict(argument.split("=", 1) for argument in sys.argv[1:])
        request = pair_request(fields)
        make_deterministic(int(fields["threads"]))
        with device_slot(request.device) as device:
            started = time.perf_counter()
            evaluate_transfer(replace(request, device=device), Warehouse())
            print(f"evaluated in {time.perf_counter() - started:.4f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
