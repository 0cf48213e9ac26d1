"""CLEVER against closed forms, and how it samples, resumes and fits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import kstest, weibull_max
from torch import Tensor, nn

from advatlas.errors import AdvatlasError
from advatlas.metrics import clever_sampling
from advatlas.metrics.clever import clever_scores, untargeted_scores
from advatlas.metrics.clever_sampling import CODE, NORMS, PAPER, Sampling, collect_maxima, other_classes
from advatlas.metrics.weibull import fit_reverse_weibull
from tests.conftest import classifier_of, small_network

DUAL = {"l1": float("inf"), "l2": 2.0, "linf": 1.0}
SMALL = Sampling(blocks=30, block_size=40, radius=0.5)


def linear(classes: int = 4, size: int = 5) -> nn.Module:
    return classifier_of(nn.Sequential(nn.Flatten(), nn.Linear(size * size, classes)), size=size, classes=classes)


def some_images(count: int = 3, size: int = 5) -> Tensor:
    return 0.2 + 0.6 * torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sampling", [SMALL, dataclasses.replace(SMALL, radial="uniform", ball="l1"), CODE])
def test_it_is_exact_on_a_linear_model_in_every_norm(sampling):
    model = linear()
    images = some_images()
    sampling = dataclasses.replace(sampling, blocks=20, block_size=20)
    logits = model(images)
    labels = logits.argmax(1)
    targets = other_classes(labels, 4)
    scores = clever_scores(collect_maxima(model, images, labels, targets, sampling))
    weight = model.network[1].weight
    for row in scores.itertuples():
        normal = weight[labels[row.image]] - weight[row.target]
        margin = logits[row.image, labels[row.image]] - logits[row.image, row.target]
        expected = float(margin / torch.linalg.vector_norm(normal, ord=DUAL[row.norm]))
        assert row.score == pytest.approx(expected, rel=1e-5)
        assert row.method == "constant"
    assert len(scores) == 3 * 3 * len(NORMS)
    least = untargeted_scores(scores)
    assert len(least) == 3 * len(NORMS)
    assert (least.score.to_numpy() == scores.groupby(["image", "norm"]).score.min().to_numpy()).all()


class Cone(nn.Module):
    """One logit is the squared distance from a centre: the gradient's norm grows with the distance."""

    def forward(self, x: Tensor) -> Tensor:
        near = 1 - (x - 0.5).square().flatten(1).sum(1)
        return torch.stack([near, torch.zeros_like(near)], 1)


def test_a_curved_function_of_known_slope():
    """Within radius r of the centre the largest gradient is 2 r long, at the surface."""
    model = classifier_of(nn.Sequential(Cone(), nn.Identity()), size=3, classes=2)
    model.register_parameter("anchor", nn.Parameter(torch.zeros(1)))
    images = torch.full((1, 1, 3, 3), 0.5)
    zero, one = torch.tensor([0]), torch.tensor([[1]])
    sampling = Sampling(blocks=200, block_size=64, radius=0.4)
    scores = clever_scores(collect_maxima(model, images, zero, one, sampling)).set_index("norm")
    row = scores.loc["l2"]
    assert row["method"] == "fit"
    assert row["p_value"] > 0.01
    assert row["lipschitz"] == pytest.approx(0.8, rel=0.01)
    assert row["score"] == pytest.approx(1 / 0.8, rel=0.01)
    # The estimate is a lower bound: the nearest adversarial is at distance 1.
    uniform = dataclasses.replace(sampling, radial="uniform")
    again = clever_scores(collect_maxima(model, images, zero, one, uniform)).set_index("norm").loc["l2"]
    assert again["lipschitz"] == pytest.approx(0.8, rel=0.03)
    capped = clever_scores(collect_maxima(model, images, zero, one, sampling), cap=True).set_index("norm")
    assert capped.loc["l2", "score"] == 0.4


@pytest.mark.parametrize("ball", NORMS)
@pytest.mark.parametrize("radial", ["ball", "uniform"])
def test_points_are_drawn_from_the_ball(ball, radial):
    sampling = Sampling(ball=ball, radius=2.0, radial=radial)
    shape = torch.Size((1, 2, 3))
    draws = torch.cat([clever_sampling._draw(shape, torch.device("cpu"), sampling, (1, 0, g)) for g in range(250)])
    order = {"l1": 1.0, "l2": 2.0, "linf": float("inf")}[ball]
    distance = torch.linalg.vector_norm(draws.flatten(1), ord=order, dim=1).numpy() / 2.0
    assert distance.max() <= 1 + 1e-6
    power = 1 if radial == "uniform" else 6
    assert kstest(distance, lambda r: r**power).pvalue > 1e-3
    assert abs(draws.mean()) < 0.05


def test_the_result_does_not_depend_on_batches_neighbours_or_order():
    model = classifier_of(small_network())
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = model(images).argmax(1)
    targets = other_classes(labels, 10)[:, :3]
    sampling = Sampling(blocks=3, block_size=37, radius=1.0)
    whole = collect_maxima(model, images, labels, targets, sampling)
    for size in (16, 48, 1000):
        part = collect_maxima(model, images, labels, targets, sampling, batch_size=size)
        assert all(torch.allclose(part.values[n], whole.values[n], rtol=1e-5) for n in NORMS)
    order = torch.tensor([2, 0, 3, 1])
    moved = collect_maxima(model, images[order], labels[order], targets[order], sampling)
    assert all(torch.allclose(moved.values[n], whole.values[n][order], rtol=1e-5) for n in NORMS)
    alone = collect_maxima(model, images[1:2], labels[1:2], targets[1:2, :1], sampling)
    assert torch.allclose(alone.values["l2"][0, 0], whole.values["l2"][1, 0], rtol=1e-5)
    same = collect_maxima(model, images, labels, targets, sampling)
    assert all(torch.equal(same.values[n], whole.values[n]) for n in NORMS)
    other = collect_maxima(model, images, labels, targets, dataclasses.replace(sampling, seed=1))
    assert not torch.allclose(other.values["l2"], whole.values["l2"])


def test_the_sizes_of_the_three_norms_are_in_order():
    model = classifier_of(small_network())
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = model(images).argmax(1)
    found = collect_maxima(model, images, labels, (labels.unsqueeze(1) + 1) % 10, SMALL)
    assert (found.values["l1"] <= found.values["l2"] + 1e-6).all()
    assert (found.values["l2"] <= found.values["linf"] + 1e-6).all()


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch):
    model = linear()
    images = some_images()
    labels = model(images).argmax(1)
    targets = (labels.unsqueeze(1) + 1) % 4
    path = tmp_path / "maxima.safetensors"
    curved = classifier_of(nn.Sequential(nn.Flatten(), nn.Linear(25, 6), nn.Tanh(), nn.Linear(6, 4)), size=5, classes=4)
    whole = collect_maxima(curved, images, labels, targets, SMALL)

    class Stop(Exception):
        pass

    calls = []
    inner = clever_sampling._block

    def stopping(*arguments):
        calls.append(1)
        if len(calls) == 26:
            raise Stop
        return inner(*arguments)

    monkeypatch.setattr(clever_sampling, "_block", stopping)
    with pytest.raises(Stop):
        collect_maxima(curved, images, labels, targets, SMALL, checkpoint=path)
    resumed = collect_maxima(curved, images, labels, targets, SMALL, checkpoint=path)
    assert len(calls) == 26 + 10  # blocks 0 to 19 were kept
    assert all(torch.equal(resumed.values[n], whole.values[n]) for n in NORMS)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(AdvatlasError, match="belongs to other images"):
        collect_maxima(curved, images, labels, targets, dataclasses.replace(SMALL, seed=5), checkpoint=path)
    path.write_bytes(b"nothing")
    with pytest.raises(AdvatlasError, match="damaged"):
        collect_maxima(curved, images, labels, targets, SMALL, checkpoint=path)


def test_a_misclassified_image_scores_zero():
    model = linear()
    images = some_images()
    wrong = model(images).argmin(1)
    scores = clever_scores(collect_maxima(model, images, wrong, (model(images).argmax(1)).unsqueeze(1), SMALL))
    assert (scores.score == 0).all()


@pytest.mark.parametrize(("shape", "location", "scale"), [(3, 2.0, 0.5), (1.5, 10.0, 1.0), (7, 1.0, 0.3)])
def test_the_fit_finds_the_distribution_it_was_drawn_from(shape, location, scale):
    samples = weibull_max.rvs(shape, loc=location, scale=scale, size=(40, 500), random_state=0)
    fit = fit_reverse_weibull(samples)
    assert (fit.method == "fit").all()
    assert (fit.location >= samples.max(1)).all()
    assert fit.location.mean() == pytest.approx(location, abs=3 * scale * 0.08)
    assert np.median(fit.shape) == pytest.approx(shape, rel=0.2)
    assert (fit.p_value > 0.05).mean() > 0.9
    # As likely as what scipy's optimiser finds, but for the penalty on the shape.
    for i in range(3):
        theirs = weibull_max.fit(samples[i], shape, loc=location, scale=scale)
        ours = (fit.shape[i], fit.location[i], fit.scale[i])
        assert weibull_max.logpdf(samples[i], *ours).sum() >= weibull_max.logpdf(samples[i], *theirs).sum() - 0.6
        assert kstest(samples[i], weibull_max(*ours).cdf).statistic == pytest.approx(fit.ks[i], abs=1e-9)
        assert kstest(samples[i], weibull_max(*ours).cdf).pvalue == pytest.approx(fit.p_value[i], abs=1e-6)


def test_a_fit_that_does_not_fit_is_said_so():
    rng = np.random.default_rng(0)
    two_heaps = np.concatenate([rng.normal(0, 0.01, (1, 250)), rng.normal(9, 0.01, (1, 250))], 1)
    few = rng.normal(0, 1, (1, 5))
    constant = np.full((1, 500), 3.0)
    for samples, method in ((two_heaps, "maximum"), (few, "maximum"), (constant, "constant")):
        fit = fit_reverse_weibull(samples)
        assert fit.method.tolist() == [method]
        assert fit.location == samples.max()
        assert np.isnan(fit.shape).all()


def test_the_papers_settings():
    assert (PAPER.blocks, PAPER.block_size, PAPER.radius, PAPER.ball, PAPER.radial) == (500, 1024, 5.0, "l2", "ball")
    assert (CODE.radius, CODE.radial) == (3.0, "uniform")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.rand(2, 1, 5, 5).double()}, "images must be float32"),
        ({"images": torch.rand(2, 1, 5, 5) * 3}, r"images must lie in \[0, 1\]"),
        ({"labels": torch.tensor([0])}, "labels must be int64"),
        ({"targets": torch.tensor([1, 1])}, "targets must be int64"),
        ({"targets": torch.tensor([[0], [1]])}, "targets hold the label"),
        ({"targets": torch.zeros(2, 0, dtype=torch.int64)}, "targets must be int64"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {
        "images": torch.rand(2, 1, 5, 5),
        "labels": torch.zeros(2, dtype=torch.int64),
        "targets": torch.ones(2, 1, dtype=torch.int64),
        **change,
    }
    with pytest.raises(AdvatlasError, match=message):
        collect_maxima(linear(), **arguments)
    with pytest.raises(AdvatlasError, match="radius"):
        Sampling(radius=0)


def test_it_is_what_art_estimates(lenet, correct_digits):
    """ART resamples a pool and fits from one start; both scatter, so the comparison is of means over images."""
    art = pytest.importorskip("art.metrics")
    from art.estimators.classification import PyTorchClassifier

    images, labels = (part[:4] for part in correct_digits)
    targets = (labels + 1) % 10
    wrapped = PyTorchClassifier(
        lenet, nn.CrossEntropyLoss(), (1, 28, 28), 10, clip_values=(0.0, 1.0), device_type="cpu"
    )
    np.random.seed(0)
    theirs = np.mean(
        [
            art.clever_t(wrapped, image.numpy(), int(target), 40, 100, 0.3, norm=2, pool_factor=40)
            for image, target in zip(images, targets, strict=True)
        ]
    )
    sampling = Sampling(blocks=40, block_size=100, radius=0.3)
    scores = clever_scores(collect_maxima(lenet, images, labels, targets.unsqueeze(1), sampling), cap=True)
    ours = scores[scores.norm == "l2"].score.mean()
    assert ours == pytest.approx(theirs, rel=0.1)
