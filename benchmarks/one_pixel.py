"""One-pixel attack: ours against torchattacks' OnePixel, on the same model, images, population and generations.

Both run in this process with the same number of threads. Besides seconds and success the table says how much of each
side's time the network's own forward passes took: no implementation of the same search can be faster than those.

    python benchmarks/one_pixel.py            # prints the table, keeps it in benchmarks/results/one_pixel.json
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advatlas import torchvision_compat  # noqa: F401 (torchattacks imports torchvision)
from advatlas.attacks import Untargeted, one_pixel
from advatlas.data import DATASETS, Source
from advatlas.data.splits import SplitSizes, prepare
from advatlas.models.classifier import Classifier
from advatlas.models.training import TrainingOptions
from advatlas.models.zoo import ModelRecipe, train_model
from advatlas.progress import Progress

RESULTS = Path(__file__).parent / "results" / "one_pixel.json"


class Timed(nn.Module):
    """A classifier that adds up the time of its forward passes and the images in them."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.seconds, self.images = inner, 0.0, 0

    def forward(self, x: Tensor) -> Tensor:
        synchronise()
        started = time.perf_counter()
        out: Tensor = self.inner(x)
        synchronise()
        self.seconds += time.perf_counter() - started
        self.images += len(x)
        return out


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def victim(architecture: str, device: str) -> tuple[Classifier, Tensor, Tensor]:
    """Train a network for a moment and return it with test digits it gets right."""
    dataset = DATASETS["mnist_sample"]
    splits = prepare(dataset, Source(Path("unused")), SplitSizes(2000, 200, 500), seed=1)
    options = TrainingOptions(epochs=3, batch_size=32, clip_norm=1.0, warmup_epochs=0.5)
    recipe = ModelRecipe(architecture, architecture, "msra", training=options)
    network, _, _ = train_model(recipe, dataset, splits, device, Progress(f"train {architecture}", options.epochs))
    model = Classifier(
        network,
        name=architecture,
        family=network.family,
        num_classes=10,
        input_size=dataset.input_size,
        mean=dataset.mean,
        std=dataset.std,
    ).to(device)
    images, labels = splits["test"].pixels().to(device), splits["test"].labels.to(device)
    right = model(images).argmax(1) == labels
    order = torch.randperm(int(right.sum()), generator=torch.Generator().manual_seed(0)).to(device)
    return model, images[right][order], labels[right][order]


def measure(name: str, run: Any, model: Timed, images: Tensor, labels: Tensor) -> dict[str, Any]:
    model.seconds, model.images = 0.0, 0
    synchronise()
    started = time.perf_counter()
    adversarial = run()
    synchronise()
    seconds = time.perf_counter() - started
    forward_seconds, queries = model.seconds, model.images
    with torch.no_grad():
        success = int((model.inner(adversarial).argmax(1) != labels).sum())
    changed = int((adversarial != images).any(1).flatten(1).sum(1).max())
    return {
        "who": name,
        "images": len(images),
        "ms_per_image": 1e3 * seconds / len(images),
        "forward_ms_per_image": 1e3 * forward_seconds / len(images),
        "queries_per_image": queries / len(images),
        "success": success,
        "most_pixels_changed": changed,
    }


def _ours(model: nn.Module, x: Tensor, y: Tensor, population: int, generations: int, strategy: Any) -> Tensor:
    return one_pixel(model, x, Untargeted(y), population=population, generations=generations, strategy=strategy).images


COLUMNS = (
    "network",
    "budget",
    "who",
    "images",
    "ms_per_image",
    "forward_ms_per_image",
    "queries_per_image",
    "success",
    "times_faster",
)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["lenet", "squeezenet"])
    parser.add_argument("--budgets", nargs="+", default=["10x10", "100x20"], help="population x generations")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    try:
        import torchattacks
    except ImportError:
        raise SystemExit("torchattacks is not installed: make test installs it (requirements-rivals.txt)") from None

    rows = []
    for network in arguments.networks:
        inner, images, labels = victim(network, arguments.device)
        model = Timed(inner)
        model.eval()
        for budget in arguments.budgets:
            population, generations = (int(n) for n in budget.split("x"))
            count = arguments.images if population * generations <= 500 else max(8, arguments.images // 4)
            x, y = images[:count], labels[:count]
            rival = torchattacks.OnePixel(model, pixels=1, steps=generations, popsize=population, inf_batch=128)
            torch.manual_seed(0)
            theirs = measure("torchattacks", partial(rival, x, y), model, x, y)
            for strategy in ("rand1", "best1"):
                ours = measure(
                    f"advatlas {strategy}",
                    partial(_ours, model, x, y, population, generations, strategy),
                    model,
                    x,
                    y,
                )
                ours["times_faster"] = theirs["ms_per_image"] / ours["ms_per_image"]
                rows.append({"network": network, "budget": budget, **ours})
            rows.append({"network": network, "budget": budget, **theirs, "times_faster": 1.0})
            for row in rows[-3:]:
                print(json.dumps(row), flush=True)
    machine = {
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else platform.processor() or "CPU",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "torchattacks": torchattacks.__version__,
    }
    print("\n" + "  ".join(f"{name:>20}" for name in COLUMNS))
    for row in rows:
        print("  ".join(f"{row[n]:>20.2f}" if isinstance(row[n], float) else f"{row[n]!s:>20}" for n in COLUMNS))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")
    print(f"\nkept in {RESULTS}")


if __name__ == "__main__":
    main()
