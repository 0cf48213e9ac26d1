"""The findings of juraev2023: what a variation of a model does to its robustness."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from advatlas.claims.claim import Claim, Effect, Missing
from advatlas.claims.evidence import Matrices
from advatlas.metrics.outcomes import image_weights, known_mean

EVIDENCE = Matrices
ATTACKS = ("fgsm", "pgd", "carlini_wagner")
PLAIN = ("vgg11", "vgg13", "vgg16", "vgg19")
NORMED = tuple(f"{name}_bn" for name in PLAIN)
V3, V4, RESNET = "inception_v3_torchvision", "inception_v4", "inception_resnet_v2"
# Differences of noise (1 - SSIM) below this count as none.
SILENT = 0.001


def _there(e: Matrices, *models: str) -> None:
    if absent := [name for name in models if name not in e.names]:
        raise Missing(f"{', '.join(absent)} not in the study")


def _difference(
    e: Matrices, of: tuple[str, ...], against: tuple[str, ...], measure: str, attacks: tuple[str, ...] = ATTACKS
) -> Effect:
    """Return the mean difference between models, pair by pair, on the images both were attacked on.

    ``success`` is a share of images, ``noise`` 1 - SSIM where both attacks succeeded. Mean over settings.
    """
    _there(e, *of, *against)
    made = e.tables["adversarials"]
    made = made[made["attack"].astype(str).isin(attacks) & (made["goal"].astype(str) == "untargeted")]
    if not len(made):
        raise Missing(f"{', '.join(attacks)} not run")
    made = made.astype({"setting": str, "source": str}).assign(noise=lambda frame: 1 - frame["ssim"])
    images = {name: place for place, name in enumerate(sorted(set(made["image_id"])))}
    gaps = []
    for _, rows in made.groupby("setting", sort=False):
        values, won = (
            rows.pivot(index="image_id", columns="source", values=name).astype(np.float64).reindex(list(images))
            for name in (measure, "success")
        )
        if not {*of, *against} <= set(values.columns):
            continue
        gap = values[list(of)].to_numpy() - values[list(against)].to_numpy()
        if measure == "noise":
            both = (won[list(of)].to_numpy() == 1) & (won[list(against)].to_numpy() == 1)
            gap = np.where(both, gap, np.nan)
        gaps.append(gap)
    if not gaps or np.isnan(gaps).all():
        raise Missing("no image was attacked on both")
    stacked = np.stack(gaps)  # settings x images x pairs
    flat = known_mean(
        np.moveaxis(stacked, 1, -1).reshape(-1, len(images)), 0
    )  # an image's mean over settings and pairs
    known = ~np.isnan(flat)
    weights = image_weights(int(known.sum()), e.seed, "claims")
    draws = (weights @ flat[known]) / known.sum()
    return Effect(
        float(flat[known].mean()), draws, int(known.sum()), f"{len(gaps)} settings, {len(of)} pairs of models"
    )


def _slower(e: Matrices, of: tuple[str, ...], against: tuple[str, ...]) -> Effect:
    """Return log2 of the ratio of the attacks' seconds an image, over settings and pairs of models."""
    _there(e, *of, *against)
    made = e.tables["adversarials"]
    made = made[made["attack"].astype(str).isin(ATTACKS) & (made["goal"].astype(str) == "untargeted")]
    mean: pd.Series = made.astype({"setting": str, "source": str}).groupby(["setting", "source"])["seconds"].mean()
    ratios = [
        np.log2(by[a] / by[b])
        for _, by in mean.groupby(level="setting")
        for by in [by.droplevel("setting")]
        for a, b in zip(of, against, strict=True)
        if a in by and b in by
    ]
    found = e.over_models(np.array(ratios, dtype=np.float64), f"{len(ratios)} settings and pairs of models")
    return Effect(found.value, found.draws, found.n, found.detail, "settings and models")


def _top5(e: Matrices) -> Effect:
    """Return the gain in top-5 accuracy on the candidate images, paired."""
    _there(e, *NORMED, *PLAIN)
    said = e.tables["predictions"].assign(hit=lambda frame: (frame["label_rank"] < 5).astype(np.float64))
    wide = said.pivot(index="image_id", columns="model", values="hit")
    gain = (wide[list(NORMED)].to_numpy() - wide[list(PLAIN)].to_numpy()).mean(1)
    weights = image_weights(len(gain), e.seed, "claims", "predictions")
    return Effect(float(gain.mean()), weights @ gain / len(gain), len(gain))


def _depth(e: Matrices, measure: str) -> Effect:
    deep, shallow = ("vgg19", "vgg19_bn"), ("vgg11", "vgg11_bn")
    return _slower(e, deep, shallow) if measure == "seconds" else _difference(e, deep, shallow, measure)


def _robuster(first: str, second: str) -> partial[Effect]:
    """Return how much less often the first is fooled than the second."""
    return partial(_difference, of=(second,), against=(first,), measure="success")


# Where each table and figure of the paper stands on the page (sections begin with #, else names of figures).
PLACES = {
    "Table I": ("the models", ("#models", "#paper")),
    "Fig. 1": ("top-5 accuracy", ("#models", "#paper")),
    "Figs. 2 to 5": ("success, time and noise of each model", ("variants", "#attacks")),
    "Fig. 6": ("example images: noise, confidence and time", ("strips",)),
}

CLAIMS = (
    Claim("bn_accuracy", "Batch norm makes VGG more accurate (top-5).", "section III-A, Fig. 1(a)", _top5),
    Claim(
        "bn_fgsm", "FGSM succeeds more often on VGG with batch norm.", "section III-A, Fig. 2",
        partial(_difference, of=NORMED, against=PLAIN, measure="success", attacks=("fgsm",)),
    ),
    Claim(
        "bn_pgd", "So does PGD.", "section III-A, Fig. 2",
        partial(_difference, of=NORMED, against=PLAIN, measure="success", attacks=("pgd",)),
    ),
    Claim(
        "bn_cw", "So does C&W.", "section III-A, Fig. 2",
        partial(_difference, of=NORMED, against=PLAIN, measure="success", attacks=("carlini_wagner",)),
    ),
    Claim(
        "bn_noise", "Batch norm makes no difference to the noise an attack needs.", "section III-A, Fig. 3",
        partial(_difference, of=NORMED, against=PLAIN, measure="noise"), above=-SILENT, below=SILENT, unit="1 - SSIM",
    ),
    Claim(
        "bn_time", "Batch norm makes little difference to the attack's time (less than half as much again).",
        "section III-A, Fig. 3", partial(_slower, of=NORMED, against=PLAIN), above=-0.585, below=0.585,
        unit="doublings of the time",
    ),
    Claim(
        "depth_success", "More layers make VGG more robust: attacks succeed less on 19 than on 11.", "section III-A, Fig. 3",
        partial(_difference, of=("vgg11", "vgg11_bn"), against=("vgg19", "vgg19_bn"), measure="success"),
    ),
    Claim(
        "depth_time", "And attacks take longer.", "section III-A, Fig. 3", partial(_depth, measure="seconds"),
        unit="doublings of the time",
    ),
    Claim(
        "depth_noise", "The noise is the same at every depth.", "section III-A, Fig. 3", partial(_depth, measure="noise"),
        above=-SILENT, below=SILENT, unit="1 - SSIM",
    ),
    Claim(
        "inception_v4_robuster", "Inception V4 is more robust than V3.", "section III-B, Fig. 4", _robuster(V4, V3),
    ),
    Claim(
        "inception_resnet_robuster", "Inception ResNet V2 is more robust than V4.", "section III-B, Fig. 4",
        _robuster(RESNET, V4),
    ),
    Claim(
        "inception_v4_slower", "Attacks on Inception V4 take longer than on V3.", "section III-B, Fig. 4",
        partial(_slower, of=(V4,), against=(V3,)), unit="doublings of the time",
    ),
    Claim(
        "inception_resnet_slower", "Attacks on Inception ResNet V2 take longer than on V4.", "section III-B, Fig. 4",
        partial(_slower, of=(RESNET,), against=(V4,)), unit="doublings of the time",
    ),
    Claim(
        "inception_noise", "Attacks on Inception V4 and ResNet V2 need more noise than on V3.", "section III-B, Fig. 4",
        partial(_difference, of=(V4, RESNET), against=(V3, V3), measure="noise"), unit="1 - SSIM",
    ),
    Claim(
        "mobilenet_v3_small_robuster", "MobileNet V3 (small) is more robust than V2.", "section III-C, Fig. 5",
        _robuster("mobilenet_v3_small", "mobilenet_v2"),
    ),
    Claim(
        "mobilenet_v3_large_robuster", "MobileNet V3 (large) is more robust than V2.", "section III-C, Fig. 5",
        _robuster("mobilenet_v3_large", "mobilenet_v2"),
    ),
)  # fmt: skip
