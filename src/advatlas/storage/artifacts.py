"""Artifacts: Parquet files of a known kind, with metadata, checked when they are read.

The columns of every kind stand in :data:`KINDS`: what a stage writes and the next one reads. pandas opens them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from advatlas.errors import AdvatlasError
from advatlas.storage.atomic import atomic_path
from advatlas.storage.tensors import column_tensor, tensor_column

_METADATA_KEY = b"advatlas"

_INT, _FLOAT, _FLAG, _TEXT = pa.int64(), pa.float64(), pa.bool_(), pa.string()
# A tensor column's type holds its shape, which differs from file to file.
_TENSOR = None

KINDS: dict[str, dict[str, pa.DataType | None]] = {
    "images": {"image_id": _TEXT, "split": _TEXT, "label": _INT, "image": _TENSOR},
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
        "least_likely": _INT,
        "correct": _FLAG,
    },
    "selection": {
        "image_id": _TEXT,
        "label": _INT,
        "random_target": _INT,
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
        "source_success": _FLAG,
        "clean_correct": _FLAG,
        "prediction": _INT,
        "top_k": pa.list_(pa.int32()),
        "fooled": _FLAG,
        "matched_top1": _FLAG,
        "matched_topk": _FLAG,
        "source_success_uint8": _FLAG,
        "prediction_uint8": _INT,
        "top_k_uint8": pa.list_(pa.int32()),
        "fooled_uint8": _FLAG,
        "matched_top1_uint8": _FLAG,
        "matched_topk_uint8": _FLAG,
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


def write_artifact(path: Path | str, kind: str, columns: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """Write the columns of an artifact of a kind listed in :data:`KINDS`, atomically.

    ``None`` in a column is a missing value. Equal content gives equal bytes.

    Raises:
        ValueError: a column is missing or not part of the kind.
        AdvatlasError: the file cannot be written.
    """
    expected = KINDS[kind]
    if set(columns) != set(expected):
        raise ValueError(f"{kind}: columns differ from the schema: {sorted(set(columns) ^ set(expected))}")
    table = pa.table(
        {
            name: columns[name] if column is None else pa.array(columns[name], column)
            for name, column in expected.items()
        }
    )
    described = {"kind": kind, "rows": table.num_rows, **metadata}
    table = table.replace_schema_metadata({_METADATA_KEY: json.dumps(described, sort_keys=True).encode()})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_artifact(path: Path | str, kind: str, filters: list[Any] | None = None) -> Artifact:
    """Read an artifact and check that it is whole and of the expected kind.

    Raises:
        AdvatlasError: the file is absent, unreadable, truncated, or of another kind.
    """
    path = Path(path)
    with _readable(path), pq.ParquetFile(path) as file:
        metadata = _metadata_of(file)
        rows = file.metadata.num_rows
        if metadata["kind"] != kind or metadata["rows"] != rows:
            raise ValueError(f"{rows} rows of kind '{metadata['kind']}', expected {metadata['rows']} of kind '{kind}'")
        table = pq.read_table(path, filters=filters) if filters else file.read()
    return Artifact(path, table, metadata)


def read_metadata(path: Path | str) -> dict[str, Any]:
    """Read only the metadata of an artifact.

    Raises:
        AdvatlasError: the file is absent or unreadable.
    """
    path = Path(path)
    with _readable(path), pq.ParquetFile(path) as file:
        return _metadata_of(file)


def _metadata_of(file: pq.ParquetFile) -> dict[str, Any]:
    found = (file.schema_arrow.metadata or {}).get(_METADATA_KEY)
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
        reason = " ".join(str(error).split())[:200]
        raise AdvatlasError(
            f"{path}: damaged, or not an Advatlas file ({reason}); delete it and run again, and it will be made anew"
        ) from error


def write_frame(path: Path | str, frame: pd.DataFrame) -> None:
    """Write a result table (``tables/*.parquet``) atomically; equal content gives equal bytes."""
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), temporary, compression="zstd")


def read_frame(path: Path | str) -> pd.DataFrame:
    """Read a result table.

    Raises:
        AdvatlasError: the file is absent or unreadable.
    """
    try:
        return pd.read_parquet(path)
    except FileNotFoundError as error:
        raise AdvatlasError(f"{path}: no such table; run snakemake tables") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise AdvatlasError(f"{path}: not a readable table ({error}); delete it and run again") from error
