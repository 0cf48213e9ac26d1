"""Pictures of one model's size shown to a model of another size (su2018 section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

# How a picture that is too small is brought to size. Too large ones are cut to their centre, but with "resize".
FITS = ("white", "grey", "edge", "resize")
# What a border comes to where images are too large, and of pairs of one size, where nothing has to be done.
CROP, SAME = "crop", "same"


def fit_images(images: Tensor, size: int, how: str) -> Tensor:
    """Return images brought to ``size`` x ``size``; those of that size are returned as they are.

    Args:
        images: float32, N x C x H x W in [0, 1], square.
        how: ``white``, ``grey`` or ``edge`` (the outermost pixels repeated) put a border around smaller images and cut
            larger ones to their centre: su2018's text says white, its code pads with grey. ``resize`` resamples
            (bilinear, antialiased), which su2018 found to destroy much of a perturbation.
    """
    height, width = images.shape[-2:]
    if (height, width) == (size, size):
        return images
    if how == "resize":
        resized = F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)
        return resized.clamp(0, 1)
    top, left = abs(height - size) // 2, abs(width - size) // 2
    if height > size:
        return images[..., top : top + size, left : left + size]
    border = (left, size - width - left, top, size - height - top)
    if how == "edge":
        return F.pad(images, border, mode="replicate")
    return F.pad(images, border, value={"white": 1.0, "grey": 0.5}[how])


def ways(source_size: int, target_size: int, fits: Sequence[str]) -> list[str]:
    """Return what the fits of a study come to between two sizes, each once."""
    if source_size == target_size:
        return [SAME]
    if source_size < target_size:
        return list(fits)
    return list(dict.fromkeys("resize" if fit == "resize" else CROP for fit in fits))


def belongs(way: str, fit: str) -> bool:
    """Say whether what was done between two sizes is what a fit comes to there."""
    return way in (fit, SAME) or (way == CROP and fit != "resize")
