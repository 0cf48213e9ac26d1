"""The first step of CLEVER (Weng et al. 2018): the largest gradient norms around each image.

:func:`collect_maxima` draws points around each image in blocks and keeps each block's largest gradient norms; it streams,
takes many images and targets at once, goes on from a file where it was stopped, and does not depend on the batch size.
One pass serves all three norms. :mod:`advatlas.metrics.clever` makes scores of them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from advatlas.attacks.attack import undisturbed
from advatlas.attacks.goal import Untargeted
from advatlas.attacks.red_flags import check_logits
from advatlas.attacks.streams import Streams
from advatlas.errors import AdvatlasError
from advatlas.models.memory import smaller_batch
from advatlas.progress import Progress, silent
from advatlas.storage.atomic import atomic_path

NORMS = ("l1", "l2", "linf")
# Points drawn at once from one generator; part of what a seed means.
GROUP = 16
# Blocks between two writes of the file a run can go on from.
SAVE_EVERY = 10


@dataclass(frozen=True)
class Sampling:
    """How points are drawn around an image.

    Attributes:
        blocks: N_b, the number of maxima an extreme value distribution is fitted to.
        block_size: N_s, the points of which each is the maximum.
        ball: the shape the points are drawn from. A score in another norm than the ball's is an estimate over a region
            that is not that norm's ball; Weng et al.'s code reports all three from one ball as well.
        radius: of the ball, in units of the pixel range.
        radial: ``ball`` draws uniformly within it (the paper), where in many dimensions nearly every point lies at the
            surface; ``uniform`` draws the distance itself uniformly (the authors' code).
        seed: decides the points, together with each image's pixels.
    """

    blocks: int = 500
    block_size: int = 1024
    ball: Literal["l1", "l2", "linf"] = "l2"
    radius: float = 5.0
    radial: Literal["ball", "uniform"] = "ball"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.blocks < 1 or self.block_size < 1:
            raise AdvatlasError(
                f"clever: blocks and block_size must be at least 1, not {self.blocks}, {self.block_size}"
            )
        if self.ball not in NORMS:
            raise AdvatlasError(f"clever: ball: '{self.ball}' is not one of: {', '.join(NORMS)}")
        if self.radial not in ("ball", "uniform"):
            raise AdvatlasError(f"clever: radial: '{self.radial}' is not one of: ball, uniform")
        if not 0 < self.radius < math.inf:
            raise AdvatlasError(f"clever: radius: {self.radius} is not a positive number")


# Weng et al. 2018, section 5.1: N_b = 500, N_s = 1024, R = 5 in L2.
PAPER = Sampling()
# Their code (collect_gradients.py, estimate_gradient_norm.py): distances uniform between 0 and 3.
CODE = Sampling(radius=3.0, radial="uniform")


@dataclass(frozen=True)
class Maxima:
    """Block maxima of gradient norms: N images x T targets x B blocks, for each norm of a perturbation.

    Attributes:
        values: ``l1`` holds Linf norms of gradients, ``l2`` L2 norms, ``linf`` L1 norms: the norm of a gradient that
            bounds the effect of a perturbation is the dual of the perturbation's.
        margins: float32, N x T: label's logit minus target's, at the image itself.
        targets: int64, N x T.
        sampling: what they were drawn by; ``blocks`` says how many there are.
    """

    values: dict[str, Tensor]
    margins: Tensor
    targets: Tensor
    sampling: Sampling


def other_classes(labels: Tensor, num_classes: int) -> Tensor:
    """Return all classes but the label, N x (K - 1): the targets whose least score is the untargeted score."""
    classes = torch.arange(num_classes, device=labels.device).expand(len(labels), -1)
    return classes[classes != labels.unsqueeze(1)].view(len(labels), num_classes - 1)


def collect_maxima(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor,
    sampling: Sampling = PAPER,
    *,
    batch_size: int = 128,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Maxima:
    """Draw points around images and keep the largest gradient norms of each block.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W in [0, 1].
        labels: int64, N: the classes whose logits fall.
        targets: int64, N x T: the classes whose logits rise; all T share the forward passes.
        sampling: how points are drawn.
        batch_size: points in one pass, of as many images as fill it; the result does not depend on it but for the
            rounding of the classifier's own arithmetic.
        checkpoint: a file to write every few blocks, and to go on from if it is there.
        progress: told of blocks done.

    Costs ``blocks * block_size`` forward passes an image and as many backward passes a target, for all three norms.

    Raises:
        AdvatlasError: an argument of the wrong shape or type, a target equal to the label, or a checkpoint of another run.
    """
    _check(images, labels, targets)
    progress = silent() if progress is None else progress
    device = next(classifier.parameters()).device
    images, labels, targets = images.to(device), labels.to(device), targets.to(device)
    keys = Streams.of(images, sampling.seed).keys.tolist()
    run = _run_id(keys, labels, targets, sampling)
    with undisturbed(classifier):
        with torch.no_grad():
            logits = classifier(images)
        check_logits("clever", logits, Untargeted(labels))
        margins = logits.gather(1, labels.unsqueeze(1)) - logits.gather(1, targets)
        shape = (len(images), targets.shape[1], sampling.blocks)
        values, done = _resume(checkpoint, run, shape, device)
        for block in range(done, sampling.blocks):
            for norm, maxima in _block(classifier, images, labels, targets, sampling, keys, block, batch_size).items():
                values[norm][:, :, block] = maxima
            progress.at(block + 1)
            if checkpoint is not None and ((block + 1) % SAVE_EVERY == 0 or block + 1 == sampling.blocks):
                _save(checkpoint, run, values, block + 1)
    return Maxima({n: v.cpu() for n, v in values.items()}, margins.cpu(), targets.cpu(), sampling)


def _check(images: Tensor, labels: Tensor, targets: Tensor) -> None:
    if images.dtype != torch.float32 or images.ndim != 4 or len(images) == 0:
        raise AdvatlasError(f"clever: images must be float32 N x C x H x W, not {images.dtype} {tuple(images.shape)}")
    if images.amin() < 0 or images.amax() > 1:
        raise AdvatlasError("clever: images must lie in [0, 1]")
    if labels.dtype != torch.int64 or labels.shape != (len(images),):
        raise AdvatlasError(f"clever: labels must be int64 of shape ({len(images)},), not {tuple(labels.shape)}")
    if targets.dtype != torch.int64 or targets.ndim != 2 or len(targets) != len(images) or targets.shape[1] == 0:
        raise AdvatlasError(f"clever: targets must be int64 of shape ({len(images)}, T), not {tuple(targets.shape)}")
    if bool((targets == labels.unsqueeze(1)).any()):
        raise AdvatlasError("clever: targets hold the label of some images; choose other classes")


def _block(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor,
    sampling: Sampling,
    keys: list[int],
    block: int,
    batch_size: int,
) -> dict[str, Tensor]:
    """Return the maxima of one block of every image, N x T for each norm."""
    count, wanted = targets.shape
    groups = math.ceil(sampling.block_size / GROUP)
    maxima = {norm: torch.zeros(count, wanted, device=images.device) for norm in NORMS}
    work = [(image, group) for image in range(count) for group in range(groups)]
    together = max(1, batch_size // GROUP)
    for start in range(0, len(work), together):
        parts, owners = [], []
        for image, group in work[start : start + together]:
            size = min(GROUP, sampling.block_size - group * GROUP)
            offsets = _draw(images[image].shape, images.device, sampling, (keys[image], block, group))[:size]
            parts.append((images[image] + offsets).clamp(0, 1))
            owners.append(torch.full((size,), image, device=images.device))
        owner = torch.cat(owners)
        for place, norms in enumerate(_norms_in_parts(classifier, torch.cat(parts), labels[owner], targets[owner])):
            for norm, value in norms.items():
                maxima[norm][:, place].scatter_reduce_(0, owner, value, "amax")
    return maxima


def _draw(shape: torch.Size, device: torch.device, sampling: Sampling, key: tuple[int, int, int]) -> Tensor:
    """Return GROUP offsets within the ball, which follow from the key alone."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    generator = torch.Generator(device).manual_seed(int.from_bytes(digest, "big") >> 1)
    size = (GROUP, *shape)
    if sampling.ball == "linf":
        direction = 2 * torch.rand(size, generator=generator, device=device) - 1
        if sampling.radial == "ball":
            return sampling.radius * direction
        direction = direction / direction.abs().amax((1, 2, 3), keepdim=True)
    elif sampling.ball == "l2":
        direction = torch.randn(size, generator=generator, device=device)
        direction = direction / torch.linalg.vector_norm(direction, dim=(1, 2, 3), keepdim=True)
    else:
        direction = torch.empty(size, device=device).exponential_(generator=generator)
        direction = direction / direction.sum((1, 2, 3), keepdim=True)
        signs = torch.rand(size, generator=generator, device=device) < 0.5
        direction = torch.where(signs, -direction, direction)
    distance = torch.rand((GROUP, 1, 1, 1), generator=generator, device=device)
    if sampling.radial == "ball":
        distance = distance ** (1 / math.prod(shape))
    return sampling.radius * distance * direction


def _norms_in_parts(classifier: nn.Module, points: Tensor, labels: Tensor, targets: Tensor) -> list[dict[str, Tensor]]:
    """Return the gradient norms of points, in two halves where memory is too short for all of them at once."""
    try:
        return _gradient_norms(classifier, points, labels, targets)
    except (RuntimeError, MemoryError) as error:
        size = smaller_batch(error, len(points))
    first, second = (
        _norms_in_parts(classifier, points[part].detach(), labels[part], targets[part])
        for part in (slice(0, size), slice(size, None))
    )
    return [{norm: torch.cat([a[norm], b[norm]]) for norm in a} for a, b in zip(first, second, strict=True)]


def _gradient_norms(classifier: nn.Module, points: Tensor, labels: Tensor, targets: Tensor) -> list[dict[str, Tensor]]:
    """Return for each target the norms of the gradients of label's minus target's logit; one forward pass for all."""
    points = points.requires_grad_(True)
    with torch.enable_grad():
        logits = classifier(points)
    found = []
    for place in range(targets.shape[1]):
        weights = torch.zeros_like(logits)
        weights.scatter_(1, labels.unsqueeze(1), 1.0).scatter_(1, targets[:, place : place + 1], -1.0)
        last = place == targets.shape[1] - 1
        (gradient,) = torch.autograd.grad(logits, points, weights, retain_graph=not last)
        size = gradient.flatten(1).abs()
        found.append({"l1": size.amax(1), "l2": torch.linalg.vector_norm(size, dim=1), "linf": size.sum(1)})
    return found


def _run_id(keys: list[int], labels: Tensor, targets: Tensor, sampling: Sampling) -> str:
    content = [keys, labels.tolist(), targets.tolist(), dataclasses.asdict(sampling)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _save(path: Path, run: str, values: Mapping[str, Tensor], done: int) -> None:
    tensors = {norm: value[:, :, :done].cpu().contiguous() for norm, value in values.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {"run": run, "blocks": str(done)})


def _resume(
    path: Path | None, run: str, shape: tuple[int, int, int], device: torch.device
) -> tuple[dict[str, Tensor], int]:
    values = {norm: torch.zeros(shape, device=device) for norm in NORMS}
    if path is None or not path.exists():
        return values, 0
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            if metadata.get("run") != run:
                raise AdvatlasError(f"{path}: belongs to other images, targets or settings; delete it to start anew")
            done = int(metadata["blocks"])
            for norm in NORMS:
                values[norm][:, :, :done] = file.get_tensor(norm).to(device)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise AdvatlasError(f"{path}: damaged ({error}); delete it to start anew") from None
    return values, done
