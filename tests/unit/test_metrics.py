"""Distortion, SSIM and intervals against definitions and reference implementations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from skimage.metrics import structural_similarity

from advatlas.metrics.distortion import norms, ssim
from advatlas.metrics.intervals import bootstrap_mean, wilson


def test_norms_of_a_known_perturbation():
    delta = np.zeros((2, 3, 4, 4), np.float32)
    delta[0, :, 1, 2] = [0.3, -0.4, 0.0]
    found = norms(delta)
    assert found["linf"] == pytest.approx([0.4, 0])
    assert found["l2"] == pytest.approx([0.5, 0])
    assert found["l1"] == pytest.approx([0.7, 0])
    assert found["l0"].tolist() == [1, 0]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_ssim_is_that_of_scikit_image(shape):
    rng = np.random.default_rng(0)
    a = rng.random((3, *shape), np.float32)
    b = np.clip(a + rng.normal(0, 0.1, a.shape).astype(np.float32), 0, 1)
    expected = [
        structural_similarity(x.transpose(1, 2, 0), y.transpose(1, 2, 0), data_range=1.0, channel_axis=-1)
        for x, y in zip(a, b, strict=True)
    ]
    assert ssim(a, b) == pytest.approx(expected, abs=1e-6)
    assert ssim(a, a) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(("count", "n"), [(0, 10), (3, 10), (10, 10), (497, 1000), (1, 1)])
def test_wilson_is_that_of_scipy(count, n):
    expected = binomtest(count, n).proportion_ci(0.95, method="wilson")
    low, high = wilson(count, n)
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_of_nothing_is_nan_and_covers_at_its_level():
    low, high = wilson(0, 0)
    assert np.isnan(low)
    assert np.isnan(high)
    rng = np.random.default_rng(0)
    counts = rng.binomial(100, 0.3, 20_000)
    low, high = wilson(counts, np.full(20_000, 100))
    assert ((low <= 0.3) & (high >= 0.3)).mean() == pytest.approx(0.95, abs=0.02)  # n = 100 is discrete


def test_bootstrap_of_a_mean():
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = bootstrap_mean(values, seed=3)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.05)
    assert high == pytest.approx(values.mean() + half, abs=0.05)
    assert bootstrap_mean(values, seed=3) == (low, high)
    assert np.isnan(bootstrap_mean(np.empty(0), 0)).all()
