"""Advatlas: an atlas of adversarial robustness and transferability.

The library in a notebook::

    import advatlas

    study = advatlas.open_study("results/mnist_quick")  # tables as DataFrames, adversarials as tensors, figures by one call
    classifier = study.classifier("lenet_xavier")
    shown = study.adversarials("fgsm-epsilon0.1", "lenet_xavier")
    goal = advatlas.attacks.Untargeted(shown.labels)
    result = advatlas.attacks.pgd(classifier, shown.originals, goal, epsilon=0.1)

What is asked for is imported when it is asked for, so that ``import advatlas`` takes no time.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["attacks", "data", "defenses", "metrics", "models"],
    submod_attrs={"comparison": ["compare"], "results": ["StudyResults", "open_study"]},
)
