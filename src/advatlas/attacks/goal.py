"""What an attack is after. A goal knows success, loss and margin, so that no attack needs a sign flag."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Goal(ABC):
    """The goal for each image of a batch.

    Attributes:
        labels: int64, N: the true classes.
    """

    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    @abstractmethod
    def targets(self) -> Tensor | None:
        """The target classes, or None where any wrong class will do."""

    @abstractmethod
    def success(self, logits: Tensor) -> Tensor:
        """Return bool[N]: whether the logits N x K reach the goal."""

    @abstractmethod
    def loss(self, logits: Tensor) -> Tensor:
        """Return float[N], to be maximised: cross-entropy with the label, or minus that with the target."""

    @abstractmethod
    def margin(self, logits: Tensor) -> Tensor:
        """Return float[N]: how far the logits are past the goal; positive exactly where it is reached."""

    @abstractmethod
    def select(self, index: Any) -> Goal:
        """Return the goal of some of the images (positions or a boolean mask)."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Goal:
        """Return the goal on a device."""


def _best_other(logits: Tensor, classes: Tensor) -> Tensor:
    others = logits.scatter(1, classes.unsqueeze(1), -torch.inf)
    return others.amax(1)


def logits_of(logits: Tensor, classes: Tensor) -> Tensor:
    """Return float[N]: each row's logit of its class."""
    return logits.gather(1, classes.unsqueeze(1)).squeeze(1)


@dataclass(frozen=True)
class Untargeted(Goal):
    """Any class but the true one."""

    @property
    def targets(self) -> None:
        return None

    def success(self, logits: Tensor) -> Tensor:
        return logits.argmax(1) != self.labels

    def loss(self, logits: Tensor) -> Tensor:
        return F.cross_entropy(logits, self.labels, reduction="none")

    def margin(self, logits: Tensor) -> Tensor:
        return _best_other(logits, self.labels) - logits_of(logits, self.labels)

    def select(self, index: Any) -> Untargeted:
        return Untargeted(self.labels[index])

    def to(self, device: torch.device | str) -> Untargeted:
        return Untargeted(self.labels.to(device))


@dataclass(frozen=True)
class Targeted(Goal):
    """One given class for each image.

    Attributes:
        target_classes: int64, N.
    """

    target_classes: Tensor

    @property
    def targets(self) -> Tensor:
        return self.target_classes

    def success(self, logits: Tensor) -> Tensor:
        return logits.argmax(1) == self.target_classes

    def loss(self, logits: Tensor) -> Tensor:
        return -F.cross_entropy(logits, self.target_classes, reduction="none")

    def margin(self, logits: Tensor) -> Tensor:
        return logits_of(logits, self.target_classes) - _best_other(logits, self.target_classes)

    def select(self, index: Any) -> Targeted:
        return Targeted(self.labels[index], self.target_classes[index])

    def to(self, device: torch.device | str) -> Targeted:
        return Targeted(self.labels.to(device), self.target_classes.to(device))
