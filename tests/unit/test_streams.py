"""Random streams belong to the image, not to its place in the batch."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from advatlas.attacks.streams import Streams


@pytest.fixture
def images():
    return torch.rand(64, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def test_draws_do_not_depend_on_the_batch(images):
    whole = Streams.of(images, 5).uniform(3, 4)
    reverse = Streams.of(images.flip(0), 5).uniform(3, 4).flip(0)
    alone = torch.cat([Streams.of(image[None], 5).uniform(3, 4) for image in images])
    assert torch.equal(whole, reverse)
    assert torch.equal(whole, alone)


def test_selecting_keeps_the_place(images):
    streams = Streams.of(images, 5)
    streams.uniform(7)
    some = streams.select(torch.tensor([3, 9]))
    assert torch.equal(some.uniform(2), streams.uniform(2)[[3, 9]])


def test_seed_and_content_matter(images):
    first, second = Streams.of(images, 1).uniform(8), Streams.of(images, 2).uniform(8)
    assert not torch.isclose(first, second).all(1).any()
    changed = images.clone()
    changed[0, 0, 0, 0] += 1e-6
    assert Streams.of(changed, 1).keys[0] != Streams.of(images, 1).keys[0]
    # The same pixels in another order are another image.
    assert Streams.of(images.flip(3), 1).keys[0] != Streams.of(images, 1).keys[0]


def test_uniform_is_uniform_and_successive_draws_are_unrelated(images):
    streams = Streams.of(images, 0)
    first, second = streams.uniform(1000), streams.uniform(1000)
    assert first.min() >= 0
    assert first.max() < 1
    assert stats.kstest(first.flatten().numpy(), "uniform").pvalue > 1e-3
    assert abs(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]) < 0.02
    # Different images are unrelated too.
    assert abs(torch.corrcoef(first[:2])[0, 1]) < 0.15


def test_normal_and_integers(images):
    streams = Streams.of(images, 0)
    assert stats.kstest(streams.normal(500).flatten().numpy(), "norm").pvalue > 1e-3
    integers = streams.integers(7, 1000)
    assert set(integers.unique().tolist()) == set(range(7))
    assert stats.chisquare(torch.bincount(integers.flatten()).numpy()).pvalue > 1e-3


def test_chapters_of_a_stream_do_not_overlap():
    images = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    streams = Streams.of(images, 7)
    chapters = [streams.at(k).uniform(50) for k in range(4)]
    for k, chapter in enumerate(chapters):
        assert torch.equal(chapter, Streams.of(images, 7).at(k).uniform(50))
        assert torch.equal(chapter[1:2], Streams.of(images[1:2], 7).at(k).uniform(50))
    values = torch.cat([streams.uniform(50), *chapters], 1)
    assert all(len(row.unique()) > 248 for row in values)
