"""The one form in which every model reaches the rest of the library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from advatlas.models.memory import smaller_batch


class Classifier(nn.Module):
    """A network behind the contract: float32 images in [0, 1], N x C x H x W, in; logits N x K out.

    Normalisation is inside. The classifier is in ``eval()`` mode and its parameters do not require gradients; it is
    not meant for training.

    Args:
        network: takes normalised images.
        name: the model's name in the study, e.g. ``lenet_xavier``.
        family: the name under which figures and analyses group it.
        num_classes: K.
        input_size: C, H, W.
        mean: per channel, of images in [0, 1]; taken off before the network.
        std: per channel; divided by.
        card: everything else that is known of the model.
        first_class: how many of the network's first outputs are left out: 1 where it has a background class.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        family: str,
        num_classes: int,
        input_size: tuple[int, int, int],
        mean: Sequence[float],
        std: Sequence[float],
        card: dict[str, Any] | None = None,
        first_class: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self.first_class = first_class
        self.name, self.family, self.num_classes, self.input_size = name, family, num_classes, input_size
        self.card = {} if card is None else card
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))
        self.requires_grad_(False)
        self.eval()
        # Convolutions run up to twice as fast in this layout, on CPU and GPU alike.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        normalised = (images - self.mean) / self.std
        logits: Tensor = self.network(normalised.contiguous(memory_format=torch.channels_last))
        return logits[:, self.first_class :] if self.first_class else logits


def fitting_batch(batch_size: int, images: Tensor, device: str | torch.device) -> int:
    """Return how many images go through a network at once.

    On a CPU as many as its cache likes, at most ``batch_size``: 128 small ones, 16 of 3 x 224 x 224.
    """
    values = max(1, images[0].numel()) if len(images) else 1
    return batch_size if torch.device(device).type == "cuda" else max(1, min(batch_size, max(8, 2_500_000 // values)))


@torch.no_grad()
def predict_logits(classifier: nn.Module, images: Tensor, batch_size: int = 256) -> Tensor:
    """Return the logits of float images on the CPU, computed in batches on the classifier's device.

    Where memory is too short for a batch, it is halved.
    """
    device = next(classifier.parameters()).device
    parts: list[Tensor] = []
    start = 0
    while start < len(images):
        batch = images[start : start + batch_size]
        try:
            parts.append(classifier(batch.to(device)).float().cpu())
            start += len(batch)
        except (RuntimeError, MemoryError) as error:
            batch_size = smaller_batch(error, len(batch))
    return torch.cat(parts) if parts else torch.empty(0, 0)


# Classes recorded with their confidences for every answer: campbell2024 shows three.
TOP = 3


def top_classes(logits: Tensor) -> dict[str, list[Any]]:
    """Return the classes of the largest logits, best first, and their probabilities: columns of predictions."""
    best = logits.softmax(1).topk(min(TOP, logits.shape[1]), dim=1)
    return {"top_classes": list(best.indices.int().numpy()), "top_confidences": list(best.values.numpy())}
