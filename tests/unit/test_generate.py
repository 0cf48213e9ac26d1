"""Storing adversarials must not change what they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from advatlas.attacks import ATTACKS, Untargeted
from advatlas.data.imageset import ImageSet
from advatlas.stages.generate import _columns, _shown
from advatlas.storage.artifacts import read_artifact, write_artifact


@pytest.mark.parametrize(
    ("name", "parameters", "precision"),
    [
        ("deepfool", {}, np.float32),
        ("fmn", {"steps": 100}, np.float32),
        ("i_fgsm", {"epsilon": 0.2}, np.float16),
    ],
)
def test_success_survives_storing(tmp_path, lenet, digits, name, parameters, precision):
    test = digits["test"]
    right = (lenet(test.pixels()).argmax(1) == test.labels).nonzero().squeeze(1)[:32]
    clean: ImageSet = test.subset(right.numpy())
    goal = Untargeted(clean.labels)
    originals = clean.pixels()
    result = ATTACKS[name](lenet, originals, goal, **parameters)
    assert result.success.any()
    columns = _columns(lenet, clean, goal, originals, result, 32)
    assert torch.equal(torch.from_numpy(np.asarray(columns["success"])), result.success)
    write_artifact(tmp_path / "a.parquet", "adversarials", columns, {})
    perturbation = read_artifact(tmp_path / "a.parquet", "adversarials").tensor("perturbation")
    assert perturbation.dtype == precision
    assert torch.equal(goal.success(lenet(_shown(originals, perturbation))), result.success)
    if "epsilon" in parameters:
        assert np.abs(perturbation.astype(np.float32)).max() <= parameters["epsilon"]
