"""What a pass through an ImageNet network costs on a CPU, and what makes it cheaper.

Run as ``python -m benchmarks.networks``. Each variant is a process of its own, as the memory settings are the C library's:
``plain`` is the network as its library builds it; ``folded`` has its batch norm folded into the convolutions; ``huge pages``
adds the allocator's settings the pipeline gives its jobs. Times are of the processor, so that other jobs disturb little.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from advatlas.devices import ALLOCATOR

MODELS = ("efficientnet_lite0", "efficientnet_lite2", "mobilenet_v2", "resnet_v2_50")
VARIANTS = {"plain": (False, ""), "folded": (True, ""), "huge pages": (True, ALLOCATOR)}
RESULTS = Path(__file__).parent / "results" / "networks.json"


def measure(model: str, folded: bool) -> dict[str, float]:
    """Return the processor's milliseconds an image of a pass forward, and of one forward and back."""
    import torch

    from advatlas.models.building import build_library_network
    from advatlas.models.classifier import Classifier, fitting_batch
    from advatlas.models.folding import fold_batch_norm
    from advatlas.models.pretrained import pretrained

    torch.set_num_threads(1)
    recipe = pretrained(model)
    network = build_library_network(recipe.build)
    network = fold_batch_norm(network, recipe.input_size) if folded else network
    classifier = Classifier(
        network, name=model, family="", num_classes=1000, input_size=recipe.input_size, mean=recipe.mean, std=recipe.std
    )
    images = torch.rand(1, *recipe.input_size)
    images = images.expand(fitting_batch(128, images, "cpu"), -1, -1, -1).contiguous()

    def forward() -> None:
        with torch.no_grad():
            classifier(images)

    def both() -> None:
        inputs = images.clone().requires_grad_(True)
        torch.autograd.grad(classifier(inputs).logsumexp(1).sum(), inputs)

    found = {}
    for name, function in (("forward", forward), ("both", both)):
        function()
        times = []
        for _ in range(5):
            started = time.process_time()
            function()
            times.append(time.process_time() - started)
        found[name] = 1000 * min(times) / len(images)
    return {**found, "macs": float(recipe.macs or 0)}


def main() -> None:
    """Measure every model and variant, print the table and keep it."""
    rows = []
    for model in MODELS:
        first = None
        for variant, (folded, tunables) in VARIANTS.items():
            environment = {**os.environ, **({"GLIBC_TUNABLES": tunables} if tunables else {})}
            command = [sys.executable, "-m", "benchmarks.networks", model, str(int(folded))]
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            first = first or found
            ratio, rate = first["both"] / found["both"], 2 * found["macs"] / found["both"] / 1e6
            rows.append({"model": model, "variant": variant, **found, "ratio": ratio, "gmacs_per_second": rate})
            print(
                f"{model:20s} {variant:10s} forward {found['forward']:6.1f} ms, with gradient {found['both']:6.1f} ms, "
                f"{ratio:.2f} times plain, {rate:.1f} x 10^9 MACs/s",
                flush=True,
            )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], bool(int(sys.argv[2])))))
    else:
        main()
