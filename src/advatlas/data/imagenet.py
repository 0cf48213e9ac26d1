"""ImageNet (ILSVRC-2012 validation; Russakovsky et al. 2015) in the shapes users have it, and small samples of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from advatlas.data.pictures import (
    Picture,
    PictureDataset,
    from_class_folders,
    from_csv,
    from_flat_folder,
    from_parquet,
    from_webdataset,
)
from advatlas.errors import AdvatlasError
from advatlas.resources.imagenet_classes import classes, wnids

GROUND_TRUTHS = (
    "LOC_val_solution.csv",
    "imagenet_2012_validation_synset_labels.txt",
    "ILSVRC2012_validation_ground_truth.txt",
    "val.txt",
)
PREFIX = "ILSVRC2012_val_"


def find(folder: Path) -> list[Picture]:
    """Return all pictures of the first layout found in ``folder``, ``folder/imagenet`` or ``folder/ILSVRC2012``.

    The layouts: a table ``labels.csv`` (file,label); ``val/`` with a folder for each wnid, or flat with one of
    :data:`GROUND_TRUTHS` beside or above it; ``validation-*.parquet`` or ``val-*.parquet``; ``*val*.tar`` (WebDataset).

    Raises:
        AdvatlasError: there is none of these, or what is there is not whole.
    """
    found = _layout(folder)
    if found is None:
        raise AdvatlasError(f"imagenet: no layout that is known below {folder}/; expected {WHERE}")
    root, kind = found
    if kind == "csv":
        return from_csv(root / "labels.csv", len(classes()))
    if kind == "parquet":
        return from_parquet(_shards(root, "parquet"), len(classes()))
    if kind == "tar":
        return from_webdataset(_shards(root, "tar"), len(classes()))
    if kind == "folders":
        return from_class_folders(root, wnids())
    return from_flat_folder(root, _ground_truth(root))


def _layout(folder: Path) -> tuple[Path, str] | None:
    for root in (folder, folder / "imagenet", folder / "ILSVRC2012"):
        if not root.is_dir():
            continue
        if (root / "labels.csv").is_file():
            return root, "csv"
        for pictures in (root / "val", root / "validation", root / "ILSVRC2012_img_val", root):
            if not pictures.is_dir():
                continue
            if any(path.is_dir() and path.name[:1] == "n" and path.name[1:].isdigit() for path in pictures.iterdir()):
                return pictures, "folders"
            if any(pictures.glob(f"{PREFIX}*")):
                return pictures, "flat"
        for place in (root, root / "data", root / "val", root / "validation"):
            for extension in ("parquet", "tar"):
                if _shards(place, extension):
                    return place, extension
    return None


def _shards(folder: Path, extension: str) -> list[Path]:
    return sorted(path for path in folder.glob(f"*.{extension}") if "val" in path.stem and "train" not in path.stem)


def _ground_truth(pictures: Path) -> dict[str, int]:
    """Return the class of each picture of a flat folder, by file stem."""
    for folder in (
        pictures,
        pictures.parent,
        pictures.parent / "data",
        pictures.parent / "ILSVRC2012_devkit_t12" / "data",
    ):
        for name in GROUND_TRUTHS:
            if (folder / name).is_file():
                return _read_ground_truth(folder / name)
    raise AdvatlasError(
        f"{pictures}: no ground truth beside it or above it; expected one of: {', '.join(GROUND_TRUTHS)}"
    )


def _read_ground_truth(path: Path) -> dict[str, int]:
    number = {wnid: label for label, wnid in enumerate(wnids())}
    lines = path.read_text(encoding="utf-8").split("\n")
    lines = [line.strip() for line in lines if line.strip()]
    try:
        if path.name == "LOC_val_solution.csv":  # Kaggle: ImageId,PredictionString ("wnid x y x y ...")
            return {line.split(",")[0]: number[line.split(",")[1].split()[0]] for line in lines[1:]}
        if path.name == "val.txt":  # Caffe: "file class"
            labels = {Path(line.split()[0]).stem: int(line.split()[1]) for line in lines}
        elif path.name == "ILSVRC2012_validation_ground_truth.txt":  # the development kit's own numbers
            order = _devkit_order(path.parent / "meta.mat")
            labels = {f"{PREFIX}{place:08d}": number[order[int(line)]] for place, line in enumerate(lines, start=1)}
        else:  # TensorFlow: a wnid a line
            labels = {f"{PREFIX}{place:08d}": number[line] for place, line in enumerate(lines, start=1)}
    except (KeyError, IndexError, ValueError) as error:
        raise AdvatlasError(f"{path}: not a ground truth of the 1,000 classes: {error!r}") from None
    bad = [stem for stem, label in labels.items() if not 0 <= label < len(number)]
    if bad:
        raise AdvatlasError(f"{path}: the label {labels[bad[0]]} of {bad[0]} is out of range: 0 to {len(number) - 1}")
    return labels


def _devkit_order(meta: Path) -> dict[int, str]:
    """Return the wnid of each of the development kit's class numbers, which count from 1 in an order of their own."""
    from scipy.io import loadmat

    try:
        synsets = loadmat(meta, squeeze_me=True)["synsets"]
    except (OSError, KeyError, ValueError) as error:
        raise AdvatlasError(
            f"{meta}: needed to read the development kit's ground truth, and cannot be read: {error}"
        ) from None
    return {int(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in synsets}


def find_sample(_folder: Path) -> list[Picture]:
    """Return the 20 labelled pictures that the package foolbox ships."""
    return [
        Picture(f"foolbox/{path.stem}", int(path.stem.split("_")[2]), str(path))
        for path in sorted(_sample_folder().glob("imagenet_*.jpg"))
    ]


def _sample_folder() -> Path:
    spec = importlib.util.find_spec("foolbox")
    if spec is None or not spec.submodule_search_locations:
        raise AdvatlasError(
            "imagenet_sample: the package foolbox, which ships the pictures, is not installed: pip install foolbox"
        )
    return Path(spec.submodule_search_locations[0]) / "data"


WHERE = (
    f"imagenet/labels.csv (file,label), or imagenet/val/ with a folder for each wnid, or flat with one of "
    f"{', '.join(GROUND_TRUTHS)} beside it, or the Hub's validation-*.parquet or *val*.tar"
)
_NAMES = tuple(name for _, name in classes())
IMAGENET = PictureDataset("imagenet", _NAMES, find, lambda folder: _layout(folder) is not None, WHERE)
IMAGENET_SAMPLE = PictureDataset(
    "imagenet_sample", _NAMES, find_sample, lambda _folder: importlib.util.find_spec("foolbox") is not None,
    "embedded (20 pictures of the PyPI package foolbox)",
)  # fmt: skip
