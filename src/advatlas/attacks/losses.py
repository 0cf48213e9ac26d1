"""What attacks ascend: functions of a goal and logits N x K that return float[N], to be maximised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from advatlas.attacks.goal import Goal, logits_of
from advatlas.errors import AdvatlasError

LossName = Literal["cross_entropy", "logit", "margin", "dlr", "directed"]


def cross_entropy(goal: Goal, logits: Tensor) -> Tensor:
    """The goal's own loss: cross-entropy with the label, or minus that with the target."""
    return goal.loss(logits)


def logit(goal: Goal, logits: Tensor) -> Tensor:
    """Minus the label's logit, or the target's: what su2018's code ascends (its ``--use_zvalue``)."""
    return -logits_of(logits, goal.labels) if goal.targets is None else logits_of(logits, goal.targets)


def margin(goal: Goal, logits: Tensor) -> Tensor:
    """How far the logits are past the goal (Carlini & Wagner 2017)."""
    return goal.margin(logits)


def directed(goal: Goal, logits: Tensor) -> Tensor:
    """Cross-entropy with the label minus cross-entropy with the target: donoghue2020's J_adv, negated.

    Raises:
        AdvatlasError: the goal has no target.
    """
    if goal.targets is None:
        raise AdvatlasError("the loss 'directed' needs a target class: use the goal Targeted")
    return F.cross_entropy(logits, goal.labels, reduction="none") - F.cross_entropy(
        logits, goal.targets, reduction="none"
    )


def dlr(goal: Goal, logits: Tensor) -> Tensor:
    """Difference of logits ratio (Croce & Hein 2020, Eqs. 6 and 7): unmoved by shift and scale of the logits.

    Raises:
        AdvatlasError: fewer than 3 classes (4 with a target).
    """
    needed = 3 if goal.targets is None else 4
    if logits.shape[1] < needed:
        raise AdvatlasError(f"the loss 'dlr' needs at least {needed} classes, not {logits.shape[1]}")
    ranked = logits.topk(needed, dim=1).values
    if goal.targets is None:
        return goal.margin(logits) / (ranked[:, 0] - ranked[:, 2]).clamp(min=1e-12)
    spread = ranked[:, 0] - (ranked[:, 2] + ranked[:, 3]) / 2
    return (logits_of(logits, goal.targets) - logits_of(logits, goal.labels)) / spread.clamp(min=1e-12)


LOSSES: dict[str, Callable[[Goal, Tensor], Tensor]] = {
    function.__name__: function for function in (cross_entropy, logit, margin, dlr, directed)
}
