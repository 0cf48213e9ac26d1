"""Where the time of a pair goes, and what adversarials take on disk.

Run as ``python -m benchmarks.pair``: FGSM and C&W examples of EfficientNet-Lite0 on the pictures that foolbox ships are
stored as the pipeline stores them, read back, and shown to MobileNet V2 (random weights); the table says which share of a
pair's evaluation is spent inside that model, and how many bytes a value of a perturbation takes, compressed or not.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from advatlas.data import DATASETS
from advatlas.data.imageset import ImageSet
from advatlas.data.pictures import PictureDataset, decode
from advatlas.data.splits import image_columns
from advatlas.models.pretrained import fetch, pretrained
from advatlas.models.zoo import save_model
from advatlas.progress import silent
from advatlas.stages.evaluate import PairRequest, Warehouse, evaluate_transfer
from advatlas.stages.generate import generate_adversarials
from advatlas.stages.predict import predict
from advatlas.stages.select import select_images
from advatlas.storage.artifacts import write_artifact

SETTINGS: dict[str, dict[str, Any]] = {
    "fgsm": {"attack": "fgsm", "parameters": {"epsilon": 0.1, "loss": "cross_entropy"}},
    "carlini_wagner": {"attack": "carlini_wagner", "parameters": {"steps": 10, "search_steps": 1}},
}
RESULTS = Path(__file__).parent / "results" / "pair.json"


def main() -> None:
    """Measure, print and keep."""
    torch.set_num_threads(1)
    dataset = DATASETS["imagenet_sample"]
    assert isinstance(dataset, PictureDataset)
    pictures = dataset.find(Path())
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in ("efficientnet_lite0", "mobilenet_v2"):
            recipe = dataclasses.replace(pretrained(model), name=model)
            recipe = recipe if model.startswith("eff") else dataclasses.replace(recipe, weights="random")
            network, card = fetch(recipe)
            save_model(network, card, folder / f"{model}.safetensors", folder / f"{model}.json")
        images = torch.from_numpy(decode(pictures, recipe.view))
        labels = torch.tensor([picture.label for picture in pictures])
        ids = np.array([picture.id for picture in pictures])
        write_artifact(folder / "224.parquet", "images", image_columns(ImageSet(ids, images, labels)), {})
        for model in ("efficientnet_lite0", "mobilenet_v2"):
            files = folder / f"{model}.safetensors", folder / f"{model}.json", folder / f"{model}.parquet"
            predict(folder / "224.parquet", *files, "cpu", 16)
        options = {"images": "per_source", "n": len(pictures), "seed": 0}
        select_images([folder / "efficientnet_lite0.parquet"], options, 1000, folder / "selection.parquet")
        for setting, described in SETTINGS.items():
            rows.append(measure(folder, setting, described))
    for row in rows:
        print(
            f"{row['setting']:15s} {row['images']} images: {100 * row['share']:.1f}% of a pair's {row['seconds']:.2f} s "
            f"in the model; {row['bytes_per_value']:.2f} bytes a value, {row['compressed']:.2f} compressed"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


def measure(folder: Path, name: str, described: dict[str, Any]) -> dict[str, Any]:
    """Craft one set of adversarials on the first network and evaluate it on the second, which is loaded already."""
    setting = {"name": name, "goal": "untargeted", "target_class": None, "images": None, "fits": None, **described}
    source = folder / "efficientnet_lite0"
    stored = folder / f"{name}.adversarials"
    generate_adversarials(
        setting, folder / "224.parquet", folder / "selection.parquet", source.with_suffix(".parquet"),
        source.with_suffix(".safetensors"), source.with_suffix(".json"), stored, "cpu", 16, silent(),
    )  # fmt: skip
    warehouse = Warehouse()
    target = folder / "mobilenet_v2"
    files = {suffix: str(target.with_suffix(f".{suffix}")) for suffix in ("safetensors", "json", "parquet")}
    classifier = warehouse.classifier(files["safetensors"], files["json"], "cpu")
    spent = 0.0

    def before(*_: Any) -> None:
        nonlocal spent
        spent -= time.process_time()

    def after(*_: Any) -> None:
        nonlocal spent
        spent += time.process_time()

    classifier.register_forward_pre_hook(before)
    classifier.register_forward_hook(after)
    request = PairRequest(
        str(stored), str(folder / "224.parquet"), files["safetensors"], files["json"], files["parquet"],
        str(folder / "pair"), 10, ("white",), True, 16, "cpu",
    )  # fmt: skip
    started = time.process_time()
    evaluate_transfer(request, warehouse)
    seconds = time.process_time() - started
    adversarials = warehouse.adversarials(str(stored), str(folder / "224.parquet"))
    values = adversarials.perturbation.size
    return {
        "setting": name,
        "images": len(adversarials.artifact),
        "seconds": seconds,
        "share": spent / seconds,
        "bytes_per_value": adversarials.perturbation.nbytes / values,
        "compressed": stored.stat().st_size / values,
    }


if __name__ == "__main__":
    main()
