"""The attack contract: what every attack has in common, so that its module holds the method alone."""

from __future__ import annotations

import functools
import inspect
import time
import typing
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import torch
from torch import Tensor, nn

from advatlas.attacks.goal import Goal, Targeted, Untargeted
from advatlas.attacks.losses import LOSSES
from advatlas.attacks.parameters import Parameter, check_values, parameters_of
from advatlas.attacks.red_flags import check_logits, probabilities, red_flags, warn
from advatlas.attacks.result import AttackResult
from advatlas.errors import AdvatlasError
from advatlas.models.classifier import fitting_batch
from advatlas.models.memory import smaller_batch
from advatlas.progress import Progress, silent

P = ParamSpec("P")

# Images that run_attack looks at for red flags before it starts.
FLAGGED = 16


@dataclass(frozen=True)
class Attempt:
    """What an attack's own function returns: its images and what they cost, one number for all or one each.

    Attributes:
        confidence: the margin in logits by which the goal must be reached to count as success.
    """

    images: Tensor
    iterations: Tensor | int
    forward_queries: Tensor | int
    backward_queries: Tensor | int
    confidence: float = 0.0


class Attack(Protocol):
    """An attack: a pure function of classifier, images, goal and named parameters.

    Attributes:
        parameters: read from the signature, by name.
        goals: the kinds of goal it has: :class:`Untargeted`, :class:`Targeted` or both.
        modules: where its code is; what it makes depends on these and what they import.
    """

    __name__: str
    __module__: str
    __doc__: str | None
    parameters: dict[str, Parameter]
    goals: tuple[type[Goal], ...]
    modules: tuple[str, ...]

    def __call__(self, classifier: nn.Module, images: Tensor, goal: Goal, **parameters: Any) -> AttackResult: ...


G = TypeVar("G", bound=Goal)


def attack(
    function: Callable[Concatenate[nn.Module, Tensor, G, P], Attempt],
) -> Callable[Concatenate[nn.Module, Tensor, G, P], AttackResult]:
    """Turn a method into an attack.

    The wrapper checks the arguments and the first logits, holds the classifier in ``eval()`` mode without parameter
    gradients and restores it, times the method, and evaluates success on what is returned. The kind of goal the method
    declares (``Goal``, ``Targeted`` or ``Untargeted``) is the kind it takes.

    Raises (of the attack it returns):
        AdvatlasError: an argument is of the wrong shape, type or range, or the classifier returns anything but finite
            logits of two classes or more; the message names it.
    """
    name = function.__name__
    parameters = parameters_of(function)
    signature = inspect.signature(function)
    kind = typing.get_type_hints(function)["goal"]
    goals = tuple(g for g in (Untargeted, Targeted) if not isinstance(kind, type) or issubclass(g, kind))

    @functools.wraps(function)
    def run(classifier: nn.Module, images: Tensor, goal: G, *args: P.args, **kwargs: P.kwargs) -> AttackResult:
        check_inputs(name, images, goal)
        if not isinstance(goal, goals):
            allowed = " or ".join(g.__name__ for g in goals)
            raise AdvatlasError(f"{name}: goal must be {allowed}, not {type(goal).__name__}")
        try:
            bound = signature.bind(classifier, images, goal, *args, **kwargs)
        except TypeError as error:
            raise AdvatlasError(f"{name}: {error}; its parameters are: {', '.join(parameters)}") from None
        given = {k: v for k, v in bound.arguments.items() if k in parameters}
        check_values(name, parameters, given, len(images))
        with undisturbed(classifier), first_logits_checked(name, classifier, goal):
            synchronise(images.device)
            started = time.perf_counter()
            attempt = function(classifier, images.detach(), goal, *args, **kwargs)
            synchronise(images.device)
            seconds = time.perf_counter() - started
            with torch.no_grad():
                adversarial = attempt.images.detach()
                logits = classifier(adversarial)
        check_logits(name, logits, goal)
        success = goal.success(logits)
        if attempt.confidence:
            # The nearest image with that margin has just that margin, and other batches round it otherwise.
            success &= goal.margin(logits) >= attempt.confidence * (1 - 1e-4)
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
    run.goals = goals  # type: ignore[attr-defined]
    run.modules = (function.__module__,)  # type: ignore[attr-defined]
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
def first_logits_checked(name: str, classifier: nn.Module, goal: Goal) -> Iterator[None]:
    """Check the first logits the attack sees, and warn of probabilities, before hours go into nothing."""

    def check(_module: nn.Module, _inputs: Any, logits: Any) -> None:
        handle.remove()
        check_logits(name, logits, goal)
        flag = probabilities(logits.detach())
        if flag is not None:
            warn(flag)

    handle = classifier.register_forward_hook(check)
    try:
        yield
    finally:
        handle.remove()


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


@contextmanager
def ticks_between(low: float, high: float) -> Iterator[None]:
    """Within the block, let what an attack says of its own progress count for a part of the whole."""
    outer = _listener.get()
    inner = None if outer is None else partial(_rescaled, outer, low, high)
    token = _listener.set(inner)
    try:
        yield
    finally:
        _listener.reset(token)


def _rescaled(listener: Callable[[float], None], low: float, high: float, fraction: float) -> None:
    listener(low + (high - low) * fraction)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done its work, so that a clock tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def input_gradient(classifier: nn.Module, images: Tensor, goal: Goal, loss: str = "cross_entropy") -> Tensor:
    """Return the gradient of a loss (of :mod:`advatlas.attacks.losses`) with respect to each image."""
    return gradient_and_logits(classifier, images, goal, loss)[0]


def gradient_and_logits(
    classifier: nn.Module, images: Tensor, goal: Goal, loss: str = "cross_entropy"
) -> tuple[Tensor, Tensor]:
    """Return the gradient of a loss with respect to each image, and the logits of the same pass."""
    images = images.detach().requires_grad_(True)
    with torch.enable_grad():
        logits = classifier(images)
        (gradient,) = torch.autograd.grad(LOSSES[loss](goal, logits).sum(), images)
    return gradient, logits.detach()


def per_image(value: float | Tensor, images: Tensor) -> float | Tensor:
    """Return a value for all images as it is, one for each image N as N x 1 x 1 x 1 on their device."""
    return value.to(images).view(-1, *([1] * (images.ndim - 1))) if isinstance(value, Tensor) else value


def linf_box(images: Tensor, epsilon: float | Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest and highest values within ``epsilon`` of the images and within [0, 1]."""
    return (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1)


def default_forward_batch(images: Tensor) -> int:
    """Return how many images a black-box attack shows the classifier at once; on a GPU enough to keep it busy."""
    return max(64, min(4096, 2**28 // images[0].numel())) if images.is_cuda else fitting_batch(128, images, "cpu")


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
        parameters: of the attack; a tensor holds one value for each of all the images.
        progress: told of the images done, and of the part of a batch done by attacks that say so.

    Warns:
        RedFlagWarning: the first images show that results may not mean what they seem to mean.
    """
    batches = (
        (
            images[start : start + batch_size],
            goal.select(slice(start, start + batch_size)),
            _of_images(parameters, slice(start, start + batch_size)),
        )
        for start in range(0, len(images), batch_size)
    )
    return AttackResult.concatenate(list(attack_batches(function, classifier, batches, progress)))


def _attack_in_parts(
    function: Attack, classifier: nn.Module, images: Tensor, goal: Goal, parameters: dict[str, Any]
) -> AttackResult:
    """Attack a batch, in halves where memory is too short for it; the result is on the CPU."""
    try:
        return function(classifier, images, goal, **parameters).to("cpu")
    except (RuntimeError, MemoryError) as error:
        size = smaller_batch(error, len(images))
    parts = [
        _attack_in_parts(function, classifier, images[part], goal.select(part), _of_images(parameters, part))
        for part in (slice(0, size), slice(size, len(images)))
    ]
    return AttackResult.concatenate(parts)


def _of_images(parameters: dict[str, Any], part: slice) -> dict[str, Any]:
    """Return parameters for some of the images; a tensor holds one value for each."""
    return {name: value[part] if isinstance(value, Tensor) else value for name, value in parameters.items()}


def attack_batches(
    function: Attack,
    classifier: nn.Module,
    batches: Iterable[tuple[Tensor, Goal, dict[str, Any]]],
    progress: Progress | None = None,
    before: int = 0,
) -> Iterator[AttackResult]:
    """Attack batch after batch, of images, goal and parameters on the CPU; yields each result, on the CPU.

    Where memory is too short for a batch, it is halved.

    Args:
        before: images attacked by an earlier run that this one goes on from; what it said of the first stands.

    Warns:
        RedFlagWarning: the first images show that results may not mean what they seem to mean.
    """
    progress = silent() if progress is None else progress
    device = next(classifier.parameters()).device
    done, successes = before, 0
    for images, goal, parameters in batches:
        shown, wanted = images.to(device), goal.to(device)
        if done == 0:
            with undisturbed(classifier):
                for flag in red_flags(classifier, shown[:FLAGGED], wanted.select(slice(0, FLAGGED))):
                    warn(flag)
        listening = _listener.set(partial(_report, progress, done, len(images)))
        try:
            result = _attack_in_parts(function, classifier, shown, wanted, parameters)
        finally:
            _listener.reset(listening)
        done += len(images)
        successes += int(result.success.sum())
        progress.at(done, note=f"success {successes}/{done - before}")
        yield result
