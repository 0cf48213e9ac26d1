"""The attack contract: what every attack has in common, so that its module holds the method alone."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Concatenate, ParamSpec, Protocol

import torch
from torch import Tensor, nn

from advatlas.attacks.goal import Goal, Targeted
from advatlas.attacks.parameters import Parameter, check_values, parameters_of
from advatlas.attacks.result import AttackResult
from advatlas.errors import AdvatlasError
from advatlas.progress import Progress, silent

P = ParamSpec("P")


@dataclass(frozen=True)
class Attempt:
    """What an attack's own function returns: its images and what they cost, one number for all or one each."""

    images: Tensor
    iterations: Tensor | int
    forward_queries: Tensor | int
    backward_queries: Tensor | int


class Attack(Protocol):
    """An attack: a pure function of classifier, images, goal and named parameters."""

    __name__: str
    parameters: dict[str, Parameter]

    def __call__(self, classifier: nn.Module, images: Tensor, goal: Goal, **parameters: Any) -> AttackResult: ...


def attack(
    function: Callable[Concatenate[nn.Module, Tensor, Goal, P], Attempt],
) -> Callable[Concatenate[nn.Module, Tensor, Goal, P], AttackResult]:
    """Turn a method into an attack.

    The wrapper checks the arguments, holds the classifier in ``eval()`` mode without parameter gradients and restores
    it, times the method, keeps images within [0, 1], and evaluates success on what is returned.

    Raises (of the attack it returns):
        AdvatlasError: an argument is of the wrong shape, type or range; the message names it.
    """
    name = function.__name__
    parameters = parameters_of(function)
    signature = inspect.signature(function)

    @functools.wraps(function)
    def run(classifier: nn.Module, images: Tensor, goal: Goal, *args: P.args, **kwargs: P.kwargs) -> AttackResult:
        check_inputs(name, images, goal)
        try:
            bound = signature.bind(classifier, images, goal, *args, **kwargs)
        except TypeError as error:
            raise AdvatlasError(f"{name}: {error}; its parameters are: {', '.join(parameters)}") from None
        check_values(name, parameters, {k: v for k, v in bound.arguments.items() if k in parameters})
        with undisturbed(classifier):
            synchronise(images.device)
            started = time.perf_counter()
            attempt = function(classifier, images.detach(), goal, *args, **kwargs)
            synchronise(images.device)
            seconds = time.perf_counter() - started
            with torch.no_grad():
                adversarial = attempt.images.detach()
                success = goal.success(classifier(adversarial))
        count = len(images)

        def each(value: Tensor | int) -> Tensor:
            return torch.as_tensor(value, dtype=torch.int64, device=images.device).expand(count).clone()

        return AttackResult(
            images=adversarial,
            success=success,
            iterations=each(attempt.iterations),
            forward_queries=each(attempt.forward_queries) + 1,
            backward_queries=each(attempt.backward_queries),
            seconds=torch.full((count,), seconds / count, dtype=torch.float64, device=images.device),
        )

    run.parameters = parameters  # type: ignore[attr-defined]
    return run  # type: ignore[return-value]  # positional-only in Concatenate, as mypy sees it


def check_inputs(name: str, images: Tensor, goal: Goal) -> None:
    """Check images and labels.

    Raises:
        AdvatlasError: naming the argument and what is expected of it.
    """
    if not isinstance(images, Tensor) or images.dtype != torch.float32 or images.ndim != 4:
        found = f"{images.dtype} of shape {tuple(images.shape)}" if isinstance(images, Tensor) else type(images)
        raise AdvatlasError(f"{name}: images must be a float32 tensor N x C x H x W, not {found}")
    if len(images) == 0:
        raise AdvatlasError(f"{name}: images is an empty batch")
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):
        raise AdvatlasError(f"{name}: images must lie in [0, 1], but reach from {float(low)} to {float(high)}")
    for what, classes in (("labels", goal.labels), ("target_classes", goal.targets)):
        if classes is None:
            continue
        if classes.dtype != torch.int64 or classes.shape != (len(images),):
            raise AdvatlasError(
                f"{name}: {what} must be int64 of shape ({len(images)},), not {classes.dtype} of {tuple(classes.shape)}"
            )
    if isinstance(goal, Targeted) and bool((goal.labels == goal.targets).any()):
        raise AdvatlasError(f"{name}: target_classes equals labels for some images; choose another class")


@contextmanager
def undisturbed(classifier: nn.Module) -> Iterator[None]:
    """Hold a model in ``eval()`` mode with parameters that need no gradient, and restore both."""
    modes = [(module, module.training) for module in classifier.modules()]
    needed = [p for p in classifier.parameters() if p.requires_grad]
    classifier.eval()
    for parameter in needed:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter in needed:
            parameter.requires_grad_(True)


_listener: ContextVar[Callable[[float], None] | None] = ContextVar("listener", default=None)


def tick(fraction: float) -> None:
    """Tell whoever runs the attack what fraction of its work, from 0 to 1, is done; for attacks that take long."""
    listener = _listener.get()
    if listener is not None:
        listener(fraction)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done its work, so that a clock tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def input_gradient(classifier: nn.Module, images: Tensor, goal: Goal) -> Tensor:
    """Return the gradient of the goal's loss with respect to each image."""
    images = images.detach().requires_grad_(True)
    with torch.enable_grad():
        loss = goal.loss(classifier(images)).sum()
        (gradient,) = torch.autograd.grad(loss, images)
    return gradient


def _report(progress: Progress, start: int, size: int, fraction: float) -> None:
    progress.at(start + min(fraction, 0.99) * size)


def run_attack(
    function: Attack,
    classifier: nn.Module,
    images: Tensor,
    goal: Goal,
    parameters: dict[str, Any],
    batch_size: int = 256,
    progress: Progress | None = None,
) -> AttackResult:
    """Attack any number of images in batches on the classifier's device; the result is on the CPU.

    Args:
        images: float32, N x C x H x W, on the CPU.
        batch_size: images at once; the last batch may be smaller.
        progress: told of the images done, and of the part of a batch done by attacks that say so.
    """
    progress = silent() if progress is None else progress
    device = next(classifier.parameters()).device
    parts = []
    successes = 0
    for start in range(0, len(images), batch_size):
        chosen = slice(start, start + batch_size)
        size = min(batch_size, len(images) - start)
        listening = _listener.set(partial(_report, progress, start, size))
        try:
            part = function(classifier, images[chosen].to(device), goal.select(chosen).to(device), **parameters)
        finally:
            _listener.reset(listening)
        parts.append(part.to("cpu"))
        successes += int(parts[-1].success.sum())
        progress.at(start + size, note=f"success {successes}/{start + size}")
    return AttackResult.concatenate(parts)
