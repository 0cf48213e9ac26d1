"""Warnings that explain themselves: signs that an attack's result says less about a model than it seems to.

After the checks of AutoAttack (Croce & Hein 2020). What each flag means and what to do stands in docs/red-flags.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advatlas.attacks.goal import Goal
from advatlas.errors import AdvatlasError

PAGE = "docs/red-flags.md"


class RedFlagWarning(UserWarning):
    """An attack's result may not mean what it seems to mean."""


@dataclass(frozen=True)
class RedFlag:
    """One sign.

    Attributes:
        name: its heading in docs/red-flags.md.
        message: what was seen and what it means for the result.
    """

    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} (see {PAGE}#{self.name})"


def warn(flag: RedFlag) -> None:
    """Issue a flag as a :class:`RedFlagWarning`."""
    warnings.warn(str(flag), RedFlagWarning, stacklevel=3)


def check_logits(attack: str, logits: object, goal: Goal) -> None:
    """Check what a classifier returned.

    Raises:
        AdvatlasError: no float tensor N x K, fewer than two classes, a label or target beyond them, NaN or infinity.
    """
    if not isinstance(logits, Tensor) or not logits.is_floating_point() or logits.ndim != 2:
        found = (
            f"{logits.dtype} of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        )
        raise AdvatlasError(f"{attack}: classifier must return float logits N x K, not {found}")
    classes = logits.shape[1]
    if classes < 2:
        raise AdvatlasError(f"{attack}: classifier has {classes} class; an attack needs at least 2")
    for what, values in (("labels", goal.labels), ("target_classes", goal.targets)):
        if values is not None and not (int(values.min()) >= 0 and int(values.max()) < classes):
            raise AdvatlasError(
                f"{attack}: {what} reach from {int(values.min())} to {int(values.max())}, "
                f"but classifier has the classes 0 to {classes - 1}"
            )
    if not bool(torch.isfinite(logits).all()):
        raise AdvatlasError(f"{attack}: classifier returns NaN or infinite logits; check its weights and normalisation")


def probabilities(logits: Tensor) -> RedFlag | None:
    """Flag outputs that are probabilities: softmax twice hides gradients, and margins lose their meaning."""
    if logits.amin() >= 0 and logits.amax() <= 1 and bool(((logits.sum(1) - 1).abs() < 1e-4).all()):
        return RedFlag(
            "probabilities",
            "the classifier returns probabilities, not logits: gradients vanish where it is sure, and attacks look "
            "weaker than they are",
        )
    return None


@torch.no_grad()
def red_flags(classifier: nn.Module, images: Tensor, goal: Goal) -> list[RedFlag]:
    """Look at a classifier as attacks will see it, before they run.

    Args:
        classifier: images in [0, 1] to logits.
        images: float32, N x C x H x W; a few dozen will do.
        goal: for these images.

    Costs two forward passes and one forward and backward pass over ``images``.
    """
    if images.amin() < 0 or images.amax() > 1:
        return [
            RedFlag(
                "range",
                f"images reach from {float(images.amin()):g} to {float(images.amax()):g}, outside [0, 1]: budgets are in "
                "units of that range and would mean something else",
            )
        ]
    logits, again = classifier(images), classifier(images)
    checks: tuple[Callable[[], RedFlag | None], ...] = (
        lambda: probabilities(logits),
        lambda: _randomised(logits, again),
        lambda: _nothing_right(logits, goal),
        lambda: _zero_gradients(classifier, images, goal),
    )
    return [flag for flag in (check() for check in checks) if flag is not None]


def _randomised(logits: Tensor, again: Tensor) -> RedFlag | None:
    scale = float(logits.abs().amax()) or 1.0
    if float((logits - again).abs().amax()) > 1e-4 * scale:
        return RedFlag(
            "randomised",
            "the classifier gives different logits for the same images: one gradient is only a sample, and a success may "
            "not repeat; average over several passes (expectation over transformation) before calling it robust",
        )
    return None


def _nothing_right(logits: Tensor, goal: Goal) -> RedFlag | None:
    if not bool((logits.argmax(1) == goal.labels).any()):
        return RedFlag(
            "clean-accuracy",
            f"the classifier gets none of {len(logits)} clean images right: every attack 'succeeds' without doing anything; "
            "check labels, class order and normalisation",
        )
    return None


def _zero_gradients(classifier: nn.Module, images: Tensor, goal: Goal) -> RedFlag | None:
    variable = images.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        loss = goal.loss(classifier(variable)).sum()
        gradient = torch.autograd.grad(loss, variable, allow_unused=True)[0] if loss.requires_grad else None
    zero = torch.ones(len(images), dtype=torch.bool)
    if gradient is not None:
        zero = (gradient.flatten(1) == 0).all(1)
    if bool(zero.any()):
        return RedFlag(
            "zero-gradients",
            f"the gradient is exactly zero for {int(zero.sum())} of {len(images)} images: gradient attacks stand "
            "still there, which is no robustness; try the loss 'margin' or 'dlr', or the black-box attack square",
        )
    return None
