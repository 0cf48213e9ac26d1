"""What a defense is: a function that makes a model from a model.

There are two kinds. A *wrapper* puts something before or around a classifier and leaves its weights alone:
``wrapper(classifier, *, parameters) -> Defended``. A *training* defense makes new weights for the same architecture:
``training(work, *, parameters) -> None``, on the network in ``work``. Both kinds give classifiers like any other, which
attack, are attacked, and can be defended again.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from advatlas.attacks.parameters import Parameter, check_values, parameters_of
from advatlas.attacks.streams import Streams
from advatlas.data.imageset import ImageSet, to_unit
from advatlas.models.classifier import Classifier
from advatlas.models.training import Augment, Normalise, TrainingOptions, TrainingResult, train
from advatlas.progress import Progress
from advatlas.seeds import derive_seed


@dataclass(frozen=True)
class Defense:
    """A defense in the registry.

    Attributes:
        parameters: read from the function's signature, by name.
        trains: it makes new weights; otherwise it wraps.
        oblivious: the paper's attacks were crafted without it, and met it only when the model was asked.
        module: where its code is.
    """

    function: Callable[..., Any]
    parameters: dict[str, Parameter]
    trains: bool
    oblivious: bool

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def module(self) -> str:
        return self.function.__module__

    def wrap(
        self, classifier: Classifier, parameters: dict[str, Any], card: dict[str, Any] | None = None
    ) -> Classifier:
        """Return a classifier behind this defense.

        Args:
            card: of the defended model; its name becomes the classifier's.

        Raises:
            AdvatlasError: a parameter is wrong.
        """
        check_values(self.name, self.parameters, parameters, count=0)
        defended: Classifier = self.function(classifier, **parameters)
        if card is not None:
            defended.card, defended.name = card, card["name"]
        return defended


def defense(*, oblivious: bool) -> Callable[[Callable[..., Any]], Defense]:
    """Make a function a defense: a training one if its first argument is a :class:`TrainingWork`."""

    def registered(function: Callable[..., Any]) -> Defense:
        first = next(iter(inspect.signature(function).parameters))
        trains = typing.get_type_hints(function)[first] is TrainingWork
        return Defense(function, parameters_of(function), trains, oblivious)

    return registered


class Defended(Classifier):
    """A classifier around another one; subclasses say in ``forward`` what happens to images or logits.

    Attributes:
        randomised: the answer, or its gradient, depends on numbers that are drawn.
    """

    randomised = False

    def __init__(self, inner: Classifier) -> None:
        super().__init__(
            inner,
            name=inner.name,
            family=inner.family,
            num_classes=inner.num_classes,
            input_size=inner.input_size,
            mean=[0.0] * inner.input_size[0],
            std=[1.0] * inner.input_size[0],
            card=inner.card,
        )


_draw: ContextVar[int] = ContextVar("draw", default=0)
_honest: ContextVar[bool] = ContextVar("honest", default=False)


@contextmanager
def drawing(number: int) -> Iterator[None]:
    """Within the block, let randomised defenses use another draw; 0 is the one the defender uses."""
    token = _draw.set(number)
    try:
        yield
    finally:
        _draw.reset(token)


@contextmanager
def honest_gradients() -> Iterator[None]:
    """Within the block, let defenses without a useful gradient pass on that of the identity (BPDA)."""
    token = _honest.set(True)
    try:
        yield
    finally:
        _honest.reset(token)


def gradients_are_honest() -> bool:
    """Say whether an attacker who knows of the defense is asking."""
    return _honest.get()


def noise_of(images: Tensor, seed: int) -> Streams:
    """Return each image's random stream for the present draw: it follows from pixels, seed and draw alone.

    So a randomised defense gives an image one answer, whatever else is in the batch, and a changed image fresh noise.
    """
    return Streams.of(images, seed).at(_draw.get())


@dataclass
class TrainingWork:
    """What a training defense works with.

    Attributes:
        network: the undefended model's, on the CPU; the defense leaves it with the new weights.
        fresh: returns a network of the same architecture with first weights of its own.
        options: how it is trained.
        seed: of all that is drawn.
        result: set by :meth:`train`.
    """

    network: nn.Module
    fresh: Callable[[], nn.Module]
    splits: dict[str, ImageSet]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    options: TrainingOptions
    seed: int
    device: str = "cpu"
    progress: Progress | None = None
    result: TrainingResult = field(default_factory=TrainingResult)

    def unit_model(self, network: nn.Module) -> nn.Module:
        """Return a network with its normalisation before it: images in [0, 1] to logits."""
        return nn.Sequential(Normalise(self.mean, self.std).to(self.device), network)

    def train(
        self,
        network: nn.Module,
        options: TrainingOptions | None = None,
        *,
        soft_labels: Tensor | None = None,
        augment: Augment | None = None,
    ) -> TrainingResult:
        """Train a network on the work's images, and keep the result."""
        self.result = train(
            network,
            self.splits["train"],
            self.splits["validation"],
            self.mean,
            self.std,
            options or self.options,
            derive_seed(self.seed, "train"),
            self.device,
            self.progress,
            soft_labels=soft_labels,
            augment=augment,
        )
        return self.result


@torch.no_grad()
def logits_of(network: nn.Module, images: ImageSet, device: str, batch_size: int = 256) -> Tensor:
    """Return a network's logits of uint8 images, on the CPU; the network takes images in [0, 1]."""
    network.eval()
    return torch.cat([network(to_unit(part.to(device))).float().cpu() for part in images.images.split(batch_size)])
