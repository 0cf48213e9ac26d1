"""Selection of the images to attack."""

from __future__ import annotations

import numpy as np
import pytest

from advatlas.errors import AdvatlasError
from advatlas.stages.select import choose, random_targets

LABELS = np.repeat(np.arange(10), 20)


def correct(seed=0, rate=0.9):
    rng = np.random.default_rng(seed)
    return {f"m{i}": rng.random(200) < rate for i in range(3)}


def test_common_images_are_right_by_all():
    right = correct()
    chosen = choose("common", 50, LABELS, right, seed=1)
    assert len(set(chosen)) == 50
    assert np.all([r[chosen] for r in right.values()])
    assert np.array_equal(chosen, choose("common", 50, LABELS, right, seed=1))
    assert not np.array_equal(chosen, choose("common", 50, LABELS, right, seed=2))
    assert np.array_equal(chosen, np.sort(chosen))


def test_per_source_takes_any():
    right = correct(rate=0.5)
    chosen = choose("per_source", 100, LABELS, right, seed=1)
    assert len(chosen) == 100
    assert not np.all(np.logical_and.reduce(list(right.values()))[chosen])
    # The choice does not depend on the models.
    assert np.array_equal(chosen, choose("per_source", 100, LABELS, correct(5), seed=1))


def test_one_per_class():
    right = correct()
    chosen = choose("one_per_class", 10, LABELS, right, seed=1)
    assert sorted(LABELS[chosen]) == list(range(10))
    assert np.all([r[chosen] for r in right.values()])


def test_too_few_is_counted_per_model():
    right = correct(rate=0.5)
    with pytest.raises(
        AdvatlasError, match=r"100 images are asked for, but only \d+ of the 200.*m\d \d+, m\d \d+, m\d \d+"
    ):
        choose("common", 100, LABELS, right, seed=1)
    right["m0"][LABELS == 4] = False
    with pytest.raises(AdvatlasError, match=r"of each of 10 classes is asked for, but only of 9 .*\(of none: \[4\]"):
        choose("one_per_class", 10, LABELS, {"m0": right["m0"] | (LABELS != 4)}, seed=1)


def test_random_targets_are_wrong_uniform_and_fixed():
    labels = np.repeat(np.arange(10), 2000)
    targets = random_targets(labels, 10, seed=3)
    assert (targets != labels).all()
    assert np.array_equal(targets, random_targets(labels, 10, seed=3))
    counts = np.bincount((targets - labels) % 10, minlength=10)
    assert counts[0] == 0
    assert counts[1:].min() > 0.85 * counts[1:].mean()
