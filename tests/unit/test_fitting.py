"""Images brought to another model's size."""

from __future__ import annotations

import pytest
import torch

from advatlas.data.fitting import FITS, belongs, fit_images, ways

IMAGES = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("how", "value"), [("white", 1.0), ("grey", 0.5)])
def test_a_border_has_its_colour_and_leaves_the_core(how, value):
    fitted = fit_images(IMAGES, 14, how)
    assert fitted.shape == (2, 3, 14, 14)
    assert torch.equal(fitted[..., 2:11, 2:11], IMAGES)
    outside = torch.ones(14, 14, dtype=torch.bool)
    outside[2:11, 2:11] = False
    assert (fitted[..., outside] == value).all()
    assert torch.equal(fit_images(fitted, 9, how), IMAGES)


def test_an_edge_repeats_the_outermost_pixels():
    fitted = fit_images(IMAGES, 13, "edge")
    assert torch.equal(fitted[..., 2:11, 2:11], IMAGES)
    assert torch.equal(fitted[..., 0, 2:11], IMAGES[..., 0, :])
    assert torch.equal(fitted[..., 12, 12], IMAGES[..., 8, 8])


def test_larger_images_are_cut_to_their_centre_but_for_resize():
    for how in ("white", "grey", "edge", "crop"):
        assert torch.equal(fit_images(IMAGES, 5, how), IMAGES[..., 2:7, 2:7])
    resized = fit_images(torch.full((1, 3, 9, 9), 0.25), 5, "resize")
    assert resized == pytest.approx(torch.full((1, 3, 5, 5), 0.25))
    assert fit_images(IMAGES, 9, "resize") is IMAGES


def test_every_fit_has_one_way_between_any_two_sizes():
    for sizes in ((5, 5), (5, 9), (9, 5)):
        for fits in (FITS, FITS[:1], FITS[3:]):
            done = ways(*sizes, fits)
            assert len(done) == len(set(done))
            for fit in fits:
                assert sum(belongs(way, fit) for way in done) == 1
    assert ways(9, 5, FITS) == ["crop", "resize"]
