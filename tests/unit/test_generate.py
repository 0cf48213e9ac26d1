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
    ("name", "parameters"),
    [("deepfool", {}), ("fmn", {"steps": 100}), ("i_fgsm", {"epsilon": 0.2})],
)
def test_success_survives_storing(tmp_path, lenet, digits, name, parameters):
    test = digits["test"]
    right = (lenet(test.pixels()).argmax(1) == test.labels).nonzero().squeeze(1)[:32]
    clean: ImageSet = test.subset(right.numpy())
    goal = Untargeted(clean.labels)
    originals = clean.pixels()
    result = ATTACKS[name](lenet, originals, goal, **parameters)
    assert result.success.any()
    columns = _columns(lenet, clean, goal, result, bounded="epsilon" in parameters)
    assert torch.equal(torch.from_numpy(np.asarray(columns["success"])), result.success)
    write_artifact(tmp_path / "a.parquet", "adversarials", columns, {})
    perturbation = read_artifact(tmp_path / "a.parquet", "adversarials").tensor("perturbation")
    assert perturbation.dtype == np.float16
    assert torch.equal(goal.success(lenet(_shown(originals, perturbation))), result.success)
    # What is stored is no farther than a fraction of a percent.
    exact = (result.images - originals).flatten(1).norm(dim=1).numpy()
    assert (np.asarray(columns["l2"]) <= exact * 1.008 + 1e-6).all()
    if "epsilon" in parameters:
        assert np.abs(perturbation.astype(np.float32)).max() <= parameters["epsilon"]
