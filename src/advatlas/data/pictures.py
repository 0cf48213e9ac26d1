"""Labelled pictures of any size: where they lie, which are taken, and how each view of them is decoded.

A folder of pictures is first listed, then some of it is chosen and every chosen file is decoded once, so
that a damaged one is known before any network runs; later each view is decoded once for all models that share it.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from advatlas.data.views import View
from advatlas.errors import AdvatlasError
from advatlas.seeds import derive_seed

EXTENSIONS = (".jpeg", ".jpg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class Picture:
    """A labelled picture and where its bytes are.

    Attributes:
        id: by which every later artifact refers to it, e.g. ``ILSVRC2012_val_00000293``.
        label: its class.
        file: the file, or the shard it is in.
        place: its row in a Parquet shard, or its name in a tar shard; None for a file of its own.
    """

    id: str
    label: int
    file: str
    place: int | str | None = None

    def __str__(self) -> str:
        return self.file if self.place is None else f"{self.file} [{self.place}]"


@dataclass(frozen=True)
class PictureDataset:
    """A data set of pictures.

    Attributes:
        class_names: by class.
        find: returns all pictures below a data folder; raises :class:`AdvatlasError` where they are not as they must be.
        present: says whether there is anything to find.
        where: what to put where, for messages.
    """

    name: str
    class_names: tuple[str, ...]
    find: Callable[[Path], list[Picture]]
    present: Callable[[Path], bool]
    where: str

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


def from_csv(table: Path, num_classes: int) -> list[Picture]:
    """Read ``file,label`` (and any more columns) beside the pictures; files are relative to the table's folder.

    Raises:
        AdvatlasError: a column, a file or a label is wrong; the message gives the line.
    """
    pictures = []
    try:
        with open(table, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if not {"file", "label"} <= set(reader.fieldnames or ()):
                raise AdvatlasError(f"{table}: expected the columns file and label, found {reader.fieldnames}")
            for number, row in enumerate(reader, start=2):
                label = _label(row["label"], num_classes, f"{table}: line {number}")
                path = table.parent / row["file"]
                if not path.is_file():
                    raise AdvatlasError(f"{table}: line {number}: {path}: no such file")
                pictures.append(Picture(Path(row["file"]).stem, label, str(path)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AdvatlasError(f"{table}: cannot be read: {error}") from None
    return pictures


def from_class_folders(folder: Path, classes: Sequence[str]) -> list[Picture]:
    """Read one folder of pictures for each class.

    Raises:
        AdvatlasError: a folder is missing or is none of the classes: a reader that numbers folders as it finds them would
            give wrong labels.
    """
    found = sorted(path.name for path in folder.iterdir() if path.is_dir())
    unknown = sorted(set(found) - set(classes))
    if unknown:
        raise AdvatlasError(f"{folder}: {len(unknown)} folders are none of the {len(classes)} classes: {unknown[:5]}")
    missing = sorted(set(classes) - set(found))
    if missing:
        raise AdvatlasError(
            f"{folder}: {len(missing)} of the {len(classes)} class folders are missing: {missing[:5]}; if that is meant, "
            "list the pictures in a labels.csv (file,label) beside it"
        )
    number = {name: label for label, name in enumerate(classes)}
    return [
        Picture(path.stem, number[name], str(path))
        for name in found
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in EXTENSIONS
    ]


def from_flat_folder(folder: Path, labels: dict[str, int]) -> list[Picture]:
    """Read pictures of one folder whose classes stand elsewhere, by file stem.

    Raises:
        AdvatlasError: a picture has no class, or a class no picture.
    """
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in EXTENSIONS}
    for here, there, what in ((files, labels, "have no class in the ground truth"), (labels, files, "are missing")):
        absent = sorted(set(here) - set(there))
        if absent:
            raise AdvatlasError(f"{folder}: {len(absent)} of {len(here)} pictures {what}: {absent[:3]}")
    return [Picture(stem, labels[stem], str(path)) for stem, path in files.items()]


def from_parquet(shards: Sequence[Path], num_classes: int) -> list[Picture]:
    """Read the Hub's Parquet shards: a column ``image`` or ``img`` of {bytes, path}, and ``label``."""
    pictures = []
    for shard in shards:
        try:
            labels = pq.read_table(shard, columns=["label"])["label"].to_pylist()
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise AdvatlasError(f"{shard}: cannot be read as a Parquet shard with a column label: {error}") from None
        pictures += [
            Picture(f"{shard.stem}/{row:05d}", _label(label, num_classes, f"{shard}: row {row}"), str(shard), row)
            for row, label in enumerate(labels)
        ]
    return pictures


def from_webdataset(shards: Sequence[Path], num_classes: int) -> list[Picture]:
    """Read WebDataset shards: tar files with ``{key}.jpg`` and ``{key}.cls``."""
    pictures = []
    for shard in shards:
        images, labels = {}, {}
        try:
            with tarfile.open(shard) as archive:
                for member in archive:
                    key, _, extension = member.name.partition(".")
                    if extension == "cls":
                        content = archive.extractfile(member)
                        labels[key] = _label(content.read().decode() if content else "", num_classes, f"{shard}: {key}")
                    elif f".{extension.lower()}" in EXTENSIONS:
                        images[key] = member.name
        except (OSError, tarfile.TarError, UnicodeDecodeError) as error:
            raise AdvatlasError(f"{shard}: cannot be read as a tar shard: {error}") from None
        unpaired = sorted(set(images) ^ set(labels))
        if unpaired:
            raise AdvatlasError(f"{shard}: {len(unpaired)} keys lack the picture or the class: {unpaired[:3]}")
        pictures += [Picture(f"{shard.stem}/{key}", labels[key], str(shard), name) for key, name in images.items()]
    return pictures


def _label(value: object, num_classes: int, where: str) -> int:
    try:
        label = int(str(value))
    except ValueError:
        raise AdvatlasError(f"{where}: the label '{value}' is not a whole number") from None
    if not 0 <= label < num_classes:
        raise AdvatlasError(f"{where}: the label {label} is out of range: 0 to {num_classes - 1}")
    return label


def bytes_of(pictures: Sequence[Picture]) -> Iterator[bytes]:
    """Yield the encoded pictures; each shard is opened once for neighbours in it."""
    open_file, content = "", {}
    for picture in pictures:
        if picture.place is None:
            yield Path(picture.file).read_bytes()
            continue
        if picture.file != open_file:
            open_file, content = (
                picture.file,
                _shard(picture.file, {p.place for p in pictures if p.file == picture.file}),
            )
        yield content[picture.place]


def _shard(file: str, places: set[int | str | None]) -> dict[int | str | None, bytes]:
    if file.endswith(".parquet"):
        names = pq.read_schema(file).names
        column = pq.read_table(file, columns=["img" if "img" in names else "image"]).column(0).combine_chunks()
        encoded = column.field("bytes")
        return {row: encoded[row].as_py() for row in places if isinstance(row, int)}
    with tarfile.open(file) as archive:
        return {name: archive.extractfile(str(name)).read() for name in places}  # type: ignore[union-attr]


def open_picture(encoded: bytes) -> Image.Image:
    """Decode a whole picture.

    Raises:
        OSError: it is truncated or no picture.
    """
    picture = Image.open(io.BytesIO(encoded))
    picture.load()
    return picture


def choose_pictures(
    pictures: Sequence[Picture],
    count: int | None,
    per_class: int | None,
    seed: int,
    *,
    unreadable: str = "error",
    not_rgb: str = "error",
) -> tuple[list[Picture], dict[str, int]]:
    """Draw pictures at random and decode each, so that a bad one is known before any work.

    Args:
        count: how many; None takes all.
        per_class: of each class at most this many.
        seed: the same seed draws the same pictures on every machine.
        unreadable: ``error``, or ``skip``: a damaged file is counted and another drawn in its place.
        not_rgb: of a grey, palette or CMYK picture: ``error``, ``skip`` (su2018's code), or ``convert`` to RGB.

    Returns:
        The chosen pictures in the order in which they were listed, and what was skipped or converted, counted.

    Raises:
        AdvatlasError: a picture is bad and may not be skipped, or fewer are there than asked for.
    """
    if len({picture.id for picture in pictures}) != len(pictures):
        twice = Counter(picture.id for picture in pictures).most_common(1)[0][0]
        raise AdvatlasError(f"two pictures are called '{twice}'; names must differ")
    order = np.random.default_rng(derive_seed(seed, "candidates")).permutation(len(pictures))
    taken: list[int] = []
    of_class: Counter[int] = Counter()
    counted: Counter[str] = Counter()
    waiting = order.tolist()
    while waiting and (count is None or len(taken) < count):
        batch, waiting = waiting[:256], waiting[256:]
        listed = sorted(batch)  # neighbours in a shard are read together
        states = dict(zip(listed, _states([pictures[i] for i in listed]), strict=True))
        for index in batch:
            picture, (state, detail) = pictures[index], states[index]
            if (count is not None and len(taken) >= count) or (per_class and of_class[picture.label] >= per_class):
                continue
            rule = {"good": "take", "not_rgb": not_rgb, "unreadable": unreadable}[state]
            if rule == "error":
                options = "skip or convert" if state == "not_rgb" else "skip"
                raise AdvatlasError(
                    f"{picture}: {detail}; set dataset.{state} in the study to {options} if that is meant"
                )
            if state != "good":
                counted[f"{state}: {rule}"] += 1
            if rule != "skip":
                taken.append(index)
                of_class[picture.label] += 1
    if count is not None and len(taken) < count:
        raise AdvatlasError(f"{count} pictures are asked for (dataset.candidates), but only {len(taken)} can be had")
    return [pictures[i] for i in sorted(taken)], dict(counted)


def _states(pictures: Sequence[Picture]) -> list[tuple[str, str]]:
    def state(encoded: bytes) -> tuple[str, str]:
        try:
            mode = open_picture(encoded).mode
        except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
            return "unreadable", f"cannot be decoded ({' '.join(str(error).split())})"
        return ("good", "") if mode == "RGB" else ("not_rgb", f"is not RGB but {mode}")

    with ThreadPoolExecutor() as workers:
        return list(workers.map(state, bytes_of(pictures)))


def decode(pictures: Sequence[Picture], view: View) -> np.ndarray:
    """Return a view of each picture: uint8, N x 3 x size x size; decoded in parallel.

    Raises:
        AdvatlasError: a file has changed since it was chosen and cannot be decoded now.
    """

    def seen(item: tuple[Picture, bytes]) -> np.ndarray:
        picture, encoded = item
        try:
            return np.asarray(view.of(open_picture(encoded).convert("RGB"))).transpose(2, 0, 1)
        except OSError as error:
            raise AdvatlasError(f"{picture}: cannot be decoded ({error})") from None

    images = np.empty((len(pictures), 3, view.size, view.size), np.uint8)
    with ThreadPoolExecutor() as workers:
        for place, image in enumerate(workers.map(seen, zip(pictures, bytes_of(pictures), strict=True))):
            images[place] = image
    return images
