"""Tensors of one shape as a Parquet column (Arrow's canonical fixed-shape tensor type)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def tensor_column(values: np.ndarray) -> pa.ExtensionArray:
    """Return an Arrow array with one tensor a row for an array N x ... (N may be 0)."""
    values = np.ascontiguousarray(values)
    shape = values.shape[1:]
    tensor_type = pa.fixed_shape_tensor(pa.from_numpy_dtype(values.dtype), shape)
    flat = pa.array(values.reshape(-1))
    storage = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(shape)))
    return pa.ExtensionArray.from_storage(tensor_type, storage)


def column_tensor(column: pa.ChunkedArray) -> np.ndarray:
    """Return the rows of a fixed-shape tensor column as one writable array N x ...."""
    shape = tuple(column.type.shape)
    parts = [
        chunk.storage.flatten().to_numpy(zero_copy_only=False).reshape(-1, *shape)
        for chunk in column.chunks
        if len(chunk)
    ]
    dtype = column.type.value_type.to_pandas_dtype()
    return np.concatenate(parts) if parts else np.empty((0, *shape), dtype=dtype)


def toward_zero_float16(values: np.ndarray) -> np.ndarray:
    """Round float32 to float16 towards zero, so that a perturbation never leaves its budget by being stored."""
    rounded = values.astype(np.float16)
    outside = np.abs(rounded.astype(np.float32)) > np.abs(values)
    rounded[outside] = np.nextafter(rounded[outside], np.float16(0))
    return rounded
