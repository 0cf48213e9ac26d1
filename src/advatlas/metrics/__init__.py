"""Measures: distortion, structural similarity, CLEVER, rates with their intervals."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "classification": ["macro_f1"],
        "clever": ["clever_scores"],
        "clever_sampling": ["Sampling", "collect_maxima"],
        "distortion": ["norms", "ssim"],
        "intervals": ["bootstrap_mean", "wilson", "with_interval"],
        "wordnet": ["wordnet_distances"],
    },
)
