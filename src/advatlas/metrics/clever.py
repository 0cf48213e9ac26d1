"""CLEVER: an attack-free estimate of how far an image is from the nearest adversarial (Weng et al. 2018).

Sampling and fitting are two steps: :func:`advatlas.metrics.clever_sampling.collect_maxima` costs hours,
:func:`clever_scores` fits an extreme value distribution to its maxima in no time. su2018 section 3.3 follows Weng et al.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from advatlas.metrics.clever_sampling import NORMS, Maxima
from advatlas.metrics.weibull import fit_reverse_weibull


def clever_scores(maxima: Maxima, *, cap: bool = False) -> pd.DataFrame:
    """Estimate from block maxima a lower bound on each image's distance to each target.

    Args:
        maxima: of :func:`collect_maxima`.
        cap: let no score exceed the radius, beyond which nothing was sampled (ART does; the authors' code does not).

    Returns:
        One row for each image (its place), target and norm: ``score`` (0 where the image is not classified as its
        label), ``margin``, ``lipschitz`` (the constant the margin is divided by), ``shape``, ``scale`` and ``location`` of
        the reverse Weibull distribution, ``ks`` and ``p_value`` of the Kolmogorov-Smirnov test of its fit, and ``method``:
        ``fit``; ``constant`` where all maxima are equal (a linear function); or ``maximum`` where the fit was rejected
        (p < 0.001) or too few maxima are there, and the largest sample stands in.
    """
    count, wanted, blocks = maxima.values["l2"].shape
    frames = []
    for norm in NORMS:
        fit = fit_reverse_weibull(maxima.values[norm].reshape(-1, blocks).double().numpy())
        margin = maxima.margins.flatten().double().numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.where(margin > 0, margin / fit.location, 0.0)
        score = np.minimum(score, maxima.sampling.radius) if cap else score
        frames.append(
            pd.DataFrame(
                {
                    "image": np.repeat(np.arange(count), wanted),
                    "target": maxima.targets.flatten().numpy(),
                    "norm": norm,
                    "score": score,
                    "margin": margin,
                    "lipschitz": fit.location,
                    "shape": fit.shape,
                    "scale": fit.scale,
                    "ks": fit.ks,
                    "p_value": fit.p_value,
                    "method": fit.method,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def untargeted_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return for each image and norm the row of the least score over its targets.

    With all other classes as targets (:func:`other_classes`) that is the untargeted score; with some, an upper bound on
    it.
    """
    least = scores.groupby(["image", "norm"])["score"].idxmin()
    return scores.loc[least].reset_index(drop=True)
