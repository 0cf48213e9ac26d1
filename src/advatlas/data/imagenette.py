"""Imagenette: 13,394 ImageNet photographs of ten classes that are easy to tell apart (fast.ai 2020).

The paper donoghue2020 measured on training images; here the models are tried on the validation images. Its "English
terrier" is the class English springer.
"""

from __future__ import annotations

from pathlib import Path

from advatlas.data.dataset import Dataset, Pool, Source
from advatlas.data.sources import TorchvisionPictures

_SIZES = {"160px": "imagenette2-160", "320px": "imagenette2-320", "full": "imagenette2"}


def _copies(size: int) -> list[TorchvisionPictures]:
    """Return the copies that torchvision knows, those whose pictures are large enough first."""
    large = [name for name in _SIZES if name == "full" or int(name.removesuffix("px")) >= size]
    order = [*large, *(name for name in reversed(_SIZES) if name not in large)]
    return [
        TorchvisionPictures(
            "imagenette", "Imagenette", {"train": "train", "test": "val"}, 10, {"size": name}, marker=_SIZES[name]
        )
        for name in order
    ]


def load(source: Source, size: int) -> dict[str, Pool]:
    """Return the training and validation images, from the smallest copy at hand whose pictures are large enough."""
    copies = _copies(size)
    here = [copy for copy in copies if copy.present(source.folder)]
    return (here or copies)[0].load(source, size)


def present(folder: Path) -> bool:
    """Say whether any copy lies in the folder."""
    return any(copy.present(folder) for copy in _copies(0))


IMAGENETTE = Dataset(
    name="imagenette",
    channels=3,
    size=224,
    class_names=(
        "tench", "English springer", "cassette player", "chain saw", "church", "French horn", "garbage truck", "gas pump",
        "golf ball", "parachute",
    ),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    sizes={"train": 9_469, "test": 3_925},
    load=load,
    present=present,
    where="imagenette2/, imagenette2-320/ or imagenette2-160/ as torchvision keeps them, perhaps in imagenette/",
    any_size=True,
)  # fmt: skip
