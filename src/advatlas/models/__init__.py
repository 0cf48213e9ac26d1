"""Classifiers: what all of them have in common, small networks, and pretrained ones from the libraries."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "classifier": ["Classifier", "predict_logits"],
        "ensemble": ["Ensemble"],
        "pretrained": ["groups", "load_checked", "pretrained", "zoo"],
        "small": ["ARCHITECTURES"],
        "zoo": ["load_card", "load_classifier"],
    },
)
