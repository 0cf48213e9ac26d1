"""Training of the small networks: fixed batches, best checkpoint by validation loss, divergence detected."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from advatlas.data.imageset import ImageSet, to_unit
from advatlas.progress import Progress, silent
from advatlas.seeds import derive_seed


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step.
        optimizer: ``adam`` or ``sgd`` (with Nesterov momentum).
        learning_rate: its highest value.
        schedule: ``cosine`` (down to 0), ``constant``, or ``step`` (divided by 10 after 50% and 75%).
        warmup_epochs: epochs in which the learning rate rises linearly.
        momentum: of SGD.
        weight_decay: L2 penalty.
        clip_norm: gradients are scaled down to this norm; 0 leaves them.
        min_accuracy: validation accuracy below which the network counts as not trained.
        keep: the weights of the ``best`` epoch, of lowest loss on the clean validation images, or of the ``last``; in
            adversarial training the best in that sense may be the least robust.
    """

    epochs: int = 10
    batch_size: int = 64
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup_epochs: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    min_accuracy: float = 0.5
    keep: str = "best"


# Replaces a batch of images in [0, 1] and their labels by another; the number is the step's, from 0.
Augment = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


@dataclass
class Epoch:
    """One row of the training history."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    best: bool
    seconds: float


@dataclass
class TrainingResult:
    """The outcome of a training.

    Attributes:
        status: ``trained``, ``below_min_accuracy`` or ``diverged`` (a loss that is not a number).
        reason: a sentence for people, empty when trained.
        best_epoch: the epoch whose weights the network now has; 0 means its first weights.
    """

    status: str = "trained"
    reason: str = ""
    best_epoch: int = 0
    history: list[Epoch] = field(default_factory=list)


def train(
    network: nn.Module,
    training: ImageSet,
    validation: ImageSet,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    options: TrainingOptions,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
    *,
    soft_labels: Tensor | None = None,
    augment: Augment | None = None,
) -> TrainingResult:
    """Train a network in place and leave it with the weights of the epoch that is kept.

    Args:
        network: takes normalised images; may offer ``training_logits(x)`` with weighted auxiliary logits. Parameters that
            need no gradient stay as they are, and so do the statistics of batch norms all of whose parameters do.
        training, validation: uint8 images.
        mean, std: per-channel normalisation.
        seed: decides the order of images and the dropout masks.
        progress: advanced once an epoch.
        soft_labels: float, N x K: probabilities of the classes in place of the training labels (distillation).
        augment: called on every batch; the network is in ``train()`` mode.
    """
    progress = silent() if progress is None else progress
    normalise = Normalise(mean, std).to(device)
    y = training.labels.to(device) if soft_labels is None else soft_labels.to(device)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps_per_epoch = max(1, len(y) // options.batch_size)
    optimizer = _optimizer(network, options)
    order = torch.Generator().manual_seed(derive_seed(seed, "order"))
    result = TrainingResult()
    best_loss, best_weights = math.inf, _copy(network)
    with torch.random.fork_rng(devices=[torch.device(device)] if device.startswith("cuda") else []):
        torch.manual_seed(derive_seed(seed, "dropout"))
        for epoch in range(1, options.epochs + 1):
            started = time.perf_counter()
            _train_mode(network)
            losses = []
            for step, batch in enumerate(_batches(len(y), options.batch_size, order)):
                learning_rate = _learning_rate(options, (epoch - 1) + step / steps_per_epoch)
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate
                images, labels = to_unit(training.images[batch].to(device)), y[batch.to(device)]
                if augment is not None:
                    images, labels = augment(images, labels, (epoch - 1) * steps_per_epoch + step)
                loss = _loss(network, normalise(images), labels)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                if options.clip_norm:
                    nn.utils.clip_grad_norm_(network.parameters(), options.clip_norm)
                optimizer.step()
                losses.append(loss.detach())
            train_loss = float(torch.stack(losses).mean())
            validation_loss, accuracy = evaluate(network, validation, normalise)
            improved = math.isfinite(validation_loss) and (options.keep == "last" or validation_loss < best_loss)
            if improved:
                best_loss, best_weights, result.best_epoch = validation_loss, _copy(network), epoch
            result.history.append(
                Epoch(
                    epoch,
                    train_loss,
                    validation_loss,
                    accuracy,
                    learning_rate,
                    improved,
                    time.perf_counter() - started,
                )
            )
            progress.advance(note=f"loss {train_loss:.3f}, validation accuracy {accuracy:.3f}")
            if not math.isfinite(train_loss):
                result.status = "diverged"
                result.reason = f"the training loss was {train_loss} in epoch {epoch}"
                break
    network.load_state_dict(best_weights)
    if result.status == "trained":
        accuracy = evaluate(network, validation, normalise)[1]
        if accuracy < options.min_accuracy:
            result.status = "below_min_accuracy"
            result.reason = f"validation accuracy {accuracy:.3f} is below min_accuracy {options.min_accuracy}"
    return result


class Normalise(nn.Module):
    """Images in [0, 1] brought to a network's mean and standard deviation, one for each channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def evaluate(network: nn.Module, images: ImageSet, normalise: Normalise, batch_size: int = 256) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy of a network, on the device of ``normalise``."""
    network.eval()
    device = normalise.mean.device
    labels = images.labels.to(device)
    logits = torch.cat([network(normalise(to_unit(batch.to(device)))) for batch in images.images.split(batch_size)])
    return float(F.cross_entropy(logits, labels)), float((logits.argmax(1) == labels).float().mean())


def _train_mode(network: nn.Module) -> None:
    network.train()
    for module in network.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _loss(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    outputs = network.training_logits(x) if hasattr(network, "training_logits") else [(1.0, network(x))]  # type: ignore[operator]
    return torch.stack([weight * F.cross_entropy(logits, y) for weight, logits in outputs]).sum()


def _batches(count: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the positions of each batch of an epoch; a last batch that is not full is left out, unless it is all."""
    order = torch.randperm(count, generator=generator)
    batch_size = min(batch_size, count)
    for start in range(0, count - batch_size + 1, batch_size):
        yield order[start : start + batch_size]


def _optimizer(network: nn.Module, options: TrainingOptions) -> torch.optim.Optimizer:
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if options.optimizer == "adam":
        return torch.optim.Adam(trained, options.learning_rate, weight_decay=options.weight_decay)
    return torch.optim.SGD(
        trained,
        options.learning_rate,
        momentum=options.momentum,
        nesterov=options.momentum > 0,
        weight_decay=options.weight_decay,
    )


def _learning_rate(options: TrainingOptions, epoch: float) -> float:
    """Return the learning rate at a (fractional) epoch, counted from 0."""
    if epoch < options.warmup_epochs:
        return options.learning_rate * (epoch + 0.01) / (options.warmup_epochs + 0.01)
    done = epoch / options.epochs
    if options.schedule == "cosine":
        return options.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    if options.schedule == "step":
        return options.learning_rate * (1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01)
    return options.learning_rate
