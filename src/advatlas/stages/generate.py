"""generate-adversarials: one attack setting on one source model."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advatlas.attacks import ATTACKS
from advatlas.attacks.attack import attack_batches
from advatlas.attacks.goal import Goal, Targeted, Untargeted
from advatlas.attacks.red_flags import RedFlagWarning
from advatlas.attacks.result import AttackResult
from advatlas.data.imageset import ImageSet
from advatlas.data.splits import read_images
from advatlas.defenses.adaptive import AttackersView
from advatlas.metrics.distortion import norms, ssim
from advatlas.models.classifier import Classifier, fitting_batch, predict_logits, top_classes
from advatlas.models.zoo import is_excluded, load_card, load_classifier
from advatlas.progress import Progress
from advatlas.stages.select import attacked_images
from advatlas.storage.artifacts import Artifact, artifact_writer, no_rows, read_artifact
from advatlas.storage.shards import Shards, file_state
from advatlas.storage.tensors import tensor_column, toward_zero_float16

# Images read at once.
PART = 64


@dataclass(frozen=True)
class Adversarials:
    """Stored adversarial examples beside the clean images they were made from, as small as they are on disk.

    Attributes:
        originals: uint8, N x C x H x W.
        perturbation: float16, N x C x H x W.
    """

    artifact: Artifact
    originals: Tensor
    perturbation: np.ndarray

    @property
    def nbytes(self) -> int:
        return int(self.originals.numel() + self.perturbation.nbytes)

    def part(self, rows: slice | int) -> tuple[Tensor, Tensor]:
        """Return originals and what every target sees, ``clip(originals + perturbation)``: float32 in [0, 1]."""
        clean = self.originals[rows].to(torch.float32) / 255
        return clean, _shown(clean, self.perturbation[rows])


def to_uint8(images: Tensor) -> Tensor:
    """Round images to 8 bits, as an image file would hold them; still float32 in [0, 1]."""
    return (images * 255).round() / 255


def generate_adversarials(
    setting: dict[str, Any],
    images: Path,
    selection: Path,
    predictions: Path,
    weights: Path,
    card_path: Path,
    output: Path,
    device: str,
    batch_size: int,
    progress: Progress,
    code: str = "",
) -> None:
    """Attack the selected images that the source model gets right, batch by batch, and write the adversarials.

    Each batch is kept in ``{output}.shards`` until all are done: a job that was stopped goes on where it was.

    The columns are those of the kind ``adversarials``; success is evaluated on the images as they are stored, and once
    more after rounding to 8 bits. An excluded source gives a file without rows.
    """
    card = load_card(card_path)
    targets = attacked_images(setting, selection, predictions, excluded=is_excluded(card))
    metadata = {"setting": setting, "source": card["name"], "excluded": is_excluded(card)}
    with artifact_writer(output, "adversarials", metadata) as writer:
        if not targets:
            writer.write(no_rows("adversarials", perturbation=tuple(card["input_size"])))
            progress.say("nothing to attack: " + (card["reason"] or "no selected image is classified correctly"))
            return
        classifier = load_classifier(weights, card, device)
        view = AttackersView(classifier, setting["adaptive"]) if setting["adaptive"] else None
        size = fitting_batch(batch_size, torch.empty(1, *card["input_size"]), device)
        shards = Shards(output, [setting, code, size, *map(file_state, (images, selection, predictions, weights))])
        flags = set()
        for shard in shards.restored("adversarials"):
            writer.write_table(shard.table)
            flags |= set(shard.metadata["red_flags"])
        progress.total = len(targets)
        given: list[tuple[ImageSet, Goal]] = []

        def batches() -> Iterator[tuple[Tensor, Goal, dict[str, Any]]]:
            for clean in itertools.islice(_attacked(images, targets, size), shards.count, None):
                given.append((clean, _goal(clean, targets)))
                yield clean.pixels(), given[-1][1], setting["parameters"]

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RedFlagWarning)
            attack = ATTACKS[setting["attack"]]
            for result in attack_batches(attack, view or classifier, batches(), progress, before=writer.rows):
                clean, goal = given.pop()
                if view is not None:
                    result = _on_the_defended(classifier, view, goal, result)
                bounded = "epsilon" in setting["parameters"]
                columns = _columns(classifier, clean, goal, result, bounded=bounded)
                writer.write(columns)
                flags |= {str(w.message) for w in caught if w.category is RedFlagWarning}
                if writer.rows < len(targets):
                    shards.add("adversarials", columns, red_flags=sorted(flags))
        writer.metadata["red_flags"] = sorted(flags)
    shards.remove()
    for flag in sorted(flags):
        progress.warn(flag)


def _attacked(images: Path, targets: dict[str, int | None], size: int) -> Iterator[ImageSet]:
    """Yield the images to attack, ``size`` at once; the last batch may be smaller."""
    waiting: list[ImageSet] = []
    for part in read_images(images, PART):
        wanted = part.subset(np.array([i in targets for i in part.ids], dtype=bool))
        waiting = [ImageSet.concatenate([*waiting, wanted])]
        while len(waiting[0]) >= size:
            yield waiting[0].subset(np.arange(size))
            waiting = [waiting[0].subset(np.arange(size, len(waiting[0])))]
    if waiting and len(waiting[0]):
        yield waiting[0]


def _on_the_defended(classifier: Classifier, view: AttackersView, goal: Goal, result: AttackResult) -> AttackResult:
    """Return what was crafted on an attacker's view as it fares on the model itself, with the passes of the model."""
    logits = predict_logits(classifier, result.images, len(result.images))
    return dataclasses.replace(
        result,
        success=goal.success(logits),
        forward_queries=result.forward_queries * view.passes,
        backward_queries=result.backward_queries * view.passes,
    )


def _goal(clean: ImageSet, targets: dict[str, int | None]) -> Goal:
    wanted = [targets[i] for i in clean.ids]
    if None in wanted:
        return Untargeted(clean.labels)
    return Targeted(clean.labels, torch.tensor(wanted, dtype=torch.int64))


def _columns(
    classifier: Classifier, clean: ImageSet, goal: Goal, result: AttackResult, *, bounded: bool
) -> dict[str, Any]:
    originals = clean.pixels()
    perturbation, logits = _stored(classifier, originals, goal, result, bounded=bounded)
    stored = _shown(originals, perturbation)
    rounded = predict_logits(classifier, to_uint8(stored), len(clean))
    return {
        "image_id": clean.ids,
        "label": clean.labels.numpy(),
        "target": [None] * len(clean) if goal.targets is None else goal.targets.numpy(),
        # The attack says whether its confidence was reached; storing the image must not have undone the goal itself.
        "success": (result.success & goal.success(logits)).numpy(),
        "success_uint8": (result.success & goal.success(rounded)).numpy(),
        "prediction": logits.argmax(1).numpy(),
        "confidence": logits.softmax(1).amax(1).numpy(),
        **top_classes(logits),
        **norms((stored - originals).numpy()),
        "ssim": ssim(originals.numpy(), stored.numpy()),
        "iterations": result.iterations.numpy(),
        "forward_queries": result.forward_queries.numpy(),
        "backward_queries": result.backward_queries.numpy(),
        "seconds": result.seconds.numpy(),
        "perturbation": tensor_column(perturbation),
    }


# The nearest adversarials lie so close to the boundary that half precision brings them back. They are then stored this
# much farther from their originals, the first that succeeds: 2**-10 is the spacing of half precision.
STRETCHES = (1 + 2**-11, 1 + 2**-10, 1 + 2**-9, 1 + 2**-8, 1 + 2**-7)


def _stored(
    classifier: Classifier, originals: Tensor, goal: Goal, result: AttackResult, *, bounded: bool
) -> tuple[np.ndarray, Tensor]:
    """Return the perturbation as float16, and the logits of the images it gives.

    It is rounded towards zero, so that storing it leaves no budget. Where the attack has none (``bounded`` is False), an
    image whose success that would undo is stored a little farther out. What still fails then is stored as a failure.
    """
    exact = (result.images - originals).numpy()
    perturbation = toward_zero_float16(exact)
    logits = predict_logits(classifier, _shown(originals, perturbation), len(originals))
    for stretch in () if bounded else STRETCHES:
        lost = (result.success & ~goal.success(logits)).nonzero().squeeze(1)
        if len(lost) == 0:
            break
        farther = (exact[lost.numpy()] * stretch).astype(np.float16)
        again = predict_logits(classifier, _shown(originals[lost], farther), len(lost))
        for place, index in enumerate(lost.tolist()):
            if bool(goal.select(slice(index, index + 1)).success(again[place : place + 1])):
                perturbation[index], logits[index] = farther[place], again[place]
    return perturbation, logits


def _shown(originals: Tensor, perturbation: np.ndarray) -> Tensor:
    """Return the images that follow from a stored perturbation: what every target sees."""
    # torch widens halves ten times as fast as numpy.
    return (originals + torch.from_numpy(perturbation).to(torch.float32)).clamp_(0, 1)


def keep_successful(adversarials: Path, output: Path) -> None:
    """Write the rows of adversarials that succeeded on their source."""
    artifact = read_artifact(adversarials, "adversarials")
    metadata = {key: value for key, value in artifact.metadata.items() if key not in ("kind", "rows")}
    with artifact_writer(output, "adversarials", metadata) as writer:
        writer.write_table(artifact.table.filter(artifact.table["success"]).replace_schema_metadata(None))


def load_adversarials(path: Path | str, images: ImageSet) -> Adversarials:
    """Read adversarials and join them with the selected clean images."""
    artifact = read_artifact(path, "adversarials")
    place = {identifier: index for index, identifier in enumerate(images.ids)}
    positions = np.array([place[i] for i in artifact.column("image_id")], dtype=np.int64)
    plain = Artifact(artifact.path, artifact.table.drop_columns("perturbation"), artifact.metadata)
    return Adversarials(plain, images.images[torch.from_numpy(positions)], artifact.tensor("perturbation"))
