"""What a set of adversarials takes on disk in several codings, which of them are exact, and how fast they are read.

Run as ``python -m benchmarks.storage``: FGSM, I-FGSM and C&W examples of EfficientNet-Lite0 on the pictures that foolbox
ships. A coding is exact where it gives back the very images the attack made (for ``uint8``: those rounded to 8 bits).
Results are printed and kept in ``benchmarks/results/storage.json``.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from advatlas.attacks import ATTACKS, Untargeted
from advatlas.attacks.attack import run_attack
from advatlas.data import DATASETS
from advatlas.data.pictures import PictureDataset, decode
from advatlas.models.pretrained import fetch, pretrained
from advatlas.models.zoo import load_classifier, save_model
from advatlas.storage.tensors import column_tensor, tensor_column, toward_zero_float16

EPSILON = 0.03
SETTINGS: dict[str, dict[str, Any]] = {
    "fgsm": {"epsilon": EPSILON},
    "i_fgsm": {"epsilon": EPSILON, "steps": 10},
    "carlini_wagner": {"steps": 20, "search_steps": 1},
}
RESULTS = Path(__file__).parent / "results" / "storage.json"


def codings(
    originals: np.ndarray, images: np.ndarray
) -> dict[str, tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]]:
    """Return for each coding what is stored, and how images follow from it."""
    perturbation = images - originals
    signs = np.sign(perturbation).astype(np.int8)
    eight = np.round(images * 255).astype(np.uint8)

    def added(stored: np.ndarray) -> np.ndarray:
        return np.clip(originals + stored.astype(np.float32), 0, 1)

    return {
        "float32": (perturbation, added),
        "float16": (toward_zero_float16(perturbation), added),
        "uint8": (eight, lambda stored: stored.astype(np.float32) / 255),
        "sign": (signs, lambda stored: added(stored * np.float32(EPSILON))),
    }


def main() -> None:
    """Measure, print and keep."""
    torch.set_num_threads(1)
    dataset = DATASETS["imagenet_sample"]
    assert isinstance(dataset, PictureDataset)
    pictures = dataset.find(Path())
    recipe = pretrained("efficientnet_lite0")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network, card = fetch(recipe)
        save_model(network, card, folder / "weights", folder / "card")
        classifier = load_classifier(folder / "weights", json.loads((folder / "card").read_text()))
        pixels = torch.from_numpy(decode(pictures, recipe.view)).float() / 255
        labels = torch.tensor([picture.label for picture in pictures])
        for attack, parameters in SETTINGS.items():
            result = run_attack(ATTACKS[attack], classifier, pixels, Untargeted(labels), parameters, 16)
            for coding, (stored, back) in codings(pixels.numpy(), result.images.numpy()).items():
                rows.append({"attack": attack, "coding": coding, **measure(folder / "x.parquet", stored)})
                wanted = result.images.numpy() if coding != "uint8" else np.round(result.images.numpy() * 255) / 255
                off = np.abs(back(stored) - wanted.astype(np.float32)).reshape(len(stored), -1).max(1)
                rows[-1] |= {
                    "exact_images": int((off < 1e-7).sum()),
                    "images": len(stored),
                    "largest_error": float(off.max()),
                }
    for row in rows:
        print(
            f"{row['attack']:15s} {row['coding']:8s} {row['bytes_per_value']:.2f} bytes a value, read at "
            f"{row['values_per_second'] / 1e6:,.0f} million values a second; exact: {row['exact_images']} of "
            f"{row['images']} (largest error {row['largest_error']:.1g})"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


def measure(path: Path, stored: np.ndarray) -> dict[str, float]:
    """Write an array as the pipeline writes perturbations; return its size and the best speed of five reads."""
    pq.write_table(
        pa.table({"perturbation": tensor_column(stored)}), path, compression="zstd", write_page_checksum=True
    )
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        column_tensor(pq.read_table(path, page_checksum_verification=True)["perturbation"])
        seconds.append(time.perf_counter() - started)
    return {"bytes_per_value": path.stat().st_size / stored.size, "values_per_second": stored.size / min(seconds)}


if __name__ == "__main__":
    main()
