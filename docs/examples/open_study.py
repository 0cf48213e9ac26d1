"""A finished study from Python: python docs/examples/open_study.py results/mnist_quick"""

import sys

import advatlas

study = advatlas.open_study(sys.argv[1])
print(study)

# Tables are DataFrames; a rate never comes without its n and its interval.
success = study["success"]
print(success[["setting", "source", "n", "rate", "low", "high"]].head())

# Transfer matrices, with the figures' denominator or another.
setting = study.settings[0]
print(study.matrix(setting).round(2))
print(study.matrix(setting, denominator="source_success").round(2))

# Adversarials are tensors, models are classifiers of images in [0, 1].
source, target = study.models[:2]
shown = study.adversarials(setting, source)
classifier = study.classifier(target)
wrong = (classifier(shown.images).argmax(1) != shown.labels).float().mean()
print(f"{wrong:.0%} of {source}'s {len(shown)} examples fool {target}")

# The library's attacks and metrics on the same classifier.
few = shown.originals[:8]
result = advatlas.attacks.pgd(classifier, few, advatlas.attacks.Untargeted(shown.labels[:8]), epsilon=0.1, steps=10)
distances = advatlas.metrics.norms((result.images - few).numpy())
print(f"PGD: {int(result.success.sum())} of {len(few)}, mean L2 {distances['l2'].mean():.2f}")

# Figures by one call.
study.figure("transfer").savefig("transfer.png")
study.show_pair(setting, source, target).savefig("pair.png")
