"""Defensive distillation (Papernot et al. 2016; campbell2024 section 2.3.4)."""

from __future__ import annotations

import dataclasses

from torch import Tensor, nn

from advatlas.attacks.parameters import Positive
from advatlas.defenses.defense import TrainingWork, defense, logits_of


class Tempered(nn.Module):
    """A network whose logits are divided by a temperature."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x) / self.temperature
        return logits


@defense(oblivious=False)
def distillation(work: TrainingWork, *, temperature: Positive = 20.0, retrain_teacher: bool = True) -> None:
    """Train a student of the same shape on the teacher's probabilities at a high temperature.

    Args:
        temperature: T, of the teacher's probabilities and of the student in training; in use it is 1 again.
        retrain_teacher: train the teacher at the same temperature first (Papernot et al.): then logits are some T times as
            large, probabilities saturate, and their gradients vanish in float32, which is what stops unaware attacks.
            Otherwise the undefended model is the teacher as it is, and the student's logits are as large as its own.
            campbell2024 trains the teacher "using a standard approach", but reports what the first kind does.
    """
    teacher = work.network
    if retrain_teacher:
        teacher = work.fresh()
        work.train(Tempered(teacher, temperature), dataclasses.replace(work.options, min_accuracy=0.0))
    teacher.to(work.device)
    soft = (logits_of(work.unit_model(teacher), work.splits["train"], work.device) / temperature).softmax(1)
    student = work.fresh()
    work.train(Tempered(student, temperature), soft_labels=soft)
    work.network = student
