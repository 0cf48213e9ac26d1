"""Artifacts: Parquet files of a known kind, with metadata, checked when they are read.

The columns of every kind stand in :data:`KINDS`: what a stage writes and the next one reads. pandas opens them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from advatlas.errors import AdvatlasError, DamagedFileError
from advatlas.storage.atomic import atomic_path
from advatlas.storage.seal import SEAL, check_seal, seal
from advatlas.storage.tensors import column_tensor, tensor_column

if TYPE_CHECKING:
    import pandas as pd

_METADATA_KEY = b"advatlas"
# Each page has a checksum, and the footer one of its own (storage/seal.py).
_FORMAT: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}

_INT, _FLOAT, _FLAG, _TEXT = pa.int64(), pa.float64(), pa.bool_(), pa.string()
# A tensor column's type holds its shape, which differs from file to file.
_TENSOR = None

KINDS: dict[str, dict[str, pa.DataType | None]] = {
    "images": {"image_id": _TEXT, "split": _TEXT, "label": _INT, "image": _TENSOR},
    "pictures": {"image_id": _TEXT, "label": _INT, "file": _TEXT, "place": _TEXT},
    "training": {
        "epoch": _INT,
        "train_loss": _FLOAT,
        "validation_loss": _FLOAT,
        "validation_accuracy": _FLOAT,
        "learning_rate": _FLOAT,
        "best": _FLAG,
        "seconds": _FLOAT,
    },
    "predictions": {
        "image_id": _TEXT,
        "label": _INT,
        "prediction": _INT,
        "confidence": _FLOAT,
        "top_classes": pa.list_(pa.int32()),
        "top_confidences": pa.list_(pa.float32()),
        "least_likely": _INT,
        "label_rank": _INT,
        "correct": _FLAG,
    },
    "selection": {
        "image_id": _TEXT,
        "label": _INT,
        "random_target": _INT,
        "order": _INT,
        "models_correct": _INT,
        "common_correct": _FLAG,
    },
    "adversarials": {
        "image_id": _TEXT,
        "label": _INT,
        "target": _INT,
        "success": _FLAG,
        "success_uint8": _FLAG,
        "prediction": _INT,
        "confidence": _FLOAT,
        "top_classes": pa.list_(pa.int32()),
        "top_confidences": pa.list_(pa.float32()),
        "linf": _FLOAT,
        "l2": _FLOAT,
        "l1": _FLOAT,
        "l0": _INT,
        "ssim": _FLOAT,
        "iterations": _INT,
        "forward_queries": _INT,
        "backward_queries": _INT,
        "seconds": _FLOAT,
        "perturbation": _TENSOR,
    },
    "transfer": {
        "image_id": _TEXT,
        "label": _INT,
        "target": _INT,
        "fit": _TEXT,
        "clean_correct": _FLAG,
        "shown_correct": _FLAG,
        "source_success": _FLAG,
        "prediction": _INT,
        "confidence": pa.float32(),
        "top_k": pa.list_(pa.int32()),
        "fooled": _FLAG,
        "matched_top1": _FLAG,
        "source_success_uint8": _FLAG,
        "prediction_uint8": _INT,
        "confidence_uint8": pa.float32(),
        "top_k_uint8": pa.list_(pa.int32()),
        "fooled_uint8": _FLAG,
        "matched_top1_uint8": _FLAG,
    },
    "prediction_times": {"batch_size": _INT, "repeat": _INT, "seconds": _FLOAT},
    "maxima": {
        "image_id": _TEXT,
        "label": _INT,
        "goal": _TEXT,
        "target": _INT,
        "norm": _TEXT,
        "margin": _FLOAT,
        "maxima": pa.list_(pa.float32()),
    },
}


def no_rows(kind: str, **tensor_shapes: tuple[int, ...]) -> dict[str, Any]:
    """Return the columns of an artifact without rows: what an excluded model leaves in place of results."""
    return {
        name: tensor_column(np.empty((0, *tensor_shapes[name]), np.float16)) if column is None else []
        for name, column in KINDS[kind].items()
    }


@dataclass(frozen=True)
class Artifact:
    """A table read from disk and the metadata it was written with."""

    path: Path
    table: pa.Table
    metadata: dict[str, Any]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> np.ndarray:
        """Return a plain column as an array (strings as objects, missing numbers as NaN)."""
        values: np.ndarray = self.table[name].to_numpy()
        return values.copy() if not values.flags.writeable else values

    def tensor(self, name: str) -> np.ndarray:
        """Return a tensor column as an array N x ...."""
        return column_tensor(self.table[name])

    def frame(self) -> pd.DataFrame:
        """Return the plain columns as a DataFrame."""
        plain = [f.name for f in self.table.schema if not isinstance(f.type, pa.FixedShapeTensorType)]
        frame: pd.DataFrame = self.table.select(plain).to_pandas()
        return frame


class ArtifactWriter:
    """Writes an artifact part by part, so that no more than a part is in memory; used by :func:`artifact_writer`.

    Attributes:
        metadata: may be added to until the file is closed.
    """

    def __init__(self, path: Path, kind: str, metadata: Mapping[str, Any]) -> None:
        self.kind, self.metadata, self.rows = kind, dict(metadata), 0
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, columns: Mapping[str, Any]) -> None:
        """Append rows; ``None`` in a column is a missing value.

        Raises:
            ValueError: a column is missing or not part of the kind.
        """
        expected = KINDS[self.kind]
        if set(columns) != set(expected):
            raise ValueError(f"{self.kind}: columns differ from the schema: {sorted(set(columns) ^ set(expected))}")
        table = pa.table(
            {
                name: columns[name] if column is None else pa.array(columns[name], column)
                for name, column in expected.items()
            }
        )
        self.write_table(table)

    def write_table(self, table: pa.Table) -> None:
        """Append rows of another artifact of this kind."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, **_FORMAT)
        self._writer.write_table(table.combine_chunks())
        self.rows += table.num_rows

    def close(self) -> None:
        """Write the metadata and end the file."""
        if self._writer is None:
            raise ValueError(f"{self.kind}: nothing was written, not even columns without rows")
        described = {"kind": self.kind, "rows": self.rows, **self.metadata}
        self._writer.add_key_value_metadata({_METADATA_KEY: json.dumps(described, sort_keys=True).encode(), **SEAL})
        self._writer.close()
        seal(self._path)

    def abandon(self) -> None:
        """Close the file without making it whole."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def artifact_writer(path: Path | str, kind: str, metadata: Mapping[str, Any]) -> Iterator[ArtifactWriter]:
    """Write an artifact of a kind listed in :data:`KINDS` in parts; the file appears whole when the block ends.

    Equal parts give equal bytes.

    Raises:
        AdvatlasError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        writer = ArtifactWriter(temporary, kind, metadata)
        try:
            yield writer
        except BaseException:
            writer.abandon()
            raise
        writer.close()


def write_artifact(path: Path | str, kind: str, columns: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """Write an artifact in one part; see :func:`artifact_writer`."""
    with artifact_writer(path, kind, metadata) as writer:
        writer.write(columns)


def read_artifact(
    path: Path | str, kind: str, filters: list[Any] | None = None, columns: list[str] | None = None
) -> Artifact:
    """Read an artifact, or some of its columns, and check that it is whole and of the expected kind.

    Raises:
        AdvatlasError: the file is absent.
        DamagedFileError: it is truncated, changed, or of another kind.
    """
    path = Path(path)
    with _readable(path), _opened(path) as file:
        metadata = _checked(file, kind)
        checked = {"page_checksum_verification": True}
        table = pq.read_table(path, filters=filters, **checked) if filters else file.read(columns)
    return Artifact(path, table, metadata)


def read_parts(path: Path | str, kind: str, rows: int) -> Iterator[Artifact]:
    """Read an artifact part by part, at most ``rows`` rows at once; checks as :func:`read_artifact` does."""
    path = Path(path)
    with _readable(path), _opened(path) as file:
        metadata = _checked(file, kind)
        for batch in file.iter_batches(rows):
            yield Artifact(path, pa.Table.from_batches([batch]), metadata)


def _checked(file: pq.ParquetFile, kind: str) -> dict[str, Any]:
    metadata = _metadata_of(file)
    rows = file.metadata.num_rows
    if metadata["kind"] != kind or metadata["rows"] != rows:
        raise ValueError(f"{rows} rows of kind '{metadata['kind']}', expected {metadata['rows']} of kind '{kind}'")
    return metadata


def read_metadata(path: Path | str) -> dict[str, Any]:
    """Read only the metadata of an artifact.

    Raises:
        AdvatlasError: the file is absent or unreadable.
    """
    path = Path(path)
    with _readable(path), _opened(path) as file:
        return _metadata_of(file)


def _opened(path: Path) -> pq.ParquetFile:
    check_seal(path)
    return pq.ParquetFile(path, page_checksum_verification=True)


def _metadata_of(file: pq.ParquetFile) -> dict[str, Any]:
    found = (file.metadata.metadata or {}).get(_METADATA_KEY)
    if found is None:
        raise ValueError("no Advatlas metadata in it")
    metadata: dict[str, Any] = json.loads(found)
    return metadata


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise AdvatlasError(f"{path}: no such file; let the pipeline make it") from error
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise DamagedFileError(path, error) from error


def write_frame(path: Path | str, frame: pd.DataFrame) -> None:
    """Write a result table (``tables/*.parquet``) atomically; equal content gives equal bytes."""
    with atomic_path(path) as temporary:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **SEAL})
        pq.write_table(table, temporary, **_FORMAT)
        seal(temporary)


def read_frame(path: Path | str) -> pd.DataFrame:
    """Read a result table.

    Raises:
        AdvatlasError: the file is absent or damaged.
    """
    path = Path(path)
    if not path.exists():
        raise AdvatlasError(f"{path}: no such table; run snakemake tables")
    with _readable(path), _opened(path) as file:
        frame: pd.DataFrame = file.read().to_pandas()
    return frame


def read_published(path: Path | str) -> pd.DataFrame:
    """Read a paper's published numbers (``resources/published/*.csv``), all as text.

    Raises:
        AdvatlasError: the file is absent or no such table.
    """
    import pandas as pd

    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise AdvatlasError(f"{path}: {error}") from error
