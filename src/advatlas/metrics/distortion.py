"""How far an adversarial image is from its original."""

from __future__ import annotations

import numpy as np


def norms(perturbations: np.ndarray) -> dict[str, np.ndarray]:
    """Return the L-infinity, L2, L1 and L0 norms of perturbations N x C x H x W, float64 N each.

    All are in units of the pixel range [0, 1]. ``l0`` counts pixels (positions), not values: a colour pixel changed in
    three channels counts once.
    """
    delta = np.abs(perturbations.astype(np.float64))
    flat = delta.reshape(len(delta), -1)
    return {
        "linf": flat.max(1, initial=0.0),
        "l2": np.sqrt((flat**2).sum(1)),
        "l1": flat.sum(1),
        "l0": (delta > 0).any(1).reshape(len(delta), -1).sum(1).astype(np.int64),
    }


def ssim(originals: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the structural similarity of each pair of images N x C x H x W in [0, 1], scikit-image's definition.

    juraev2023's noise rate is 1 - SSIM.
    """
    # Only here: it takes as long to import as pandas, and the evaluator of pairs has no use for it.
    from skimage.metrics import structural_similarity

    return np.array(
        [structural_similarity(a, b, data_range=1.0, channel_axis=0) for a, b in zip(originals, images, strict=True)],
        dtype=np.float64,
    )
