"""Artifacts: whole or not at all, checked when read, equal content gives equal bytes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from advatlas.errors import AdvatlasError
from advatlas.storage.artifacts import (
    no_rows,
    read_artifact,
    read_frame,
    read_metadata,
    write_artifact,
    write_frame,
)
from advatlas.storage.atomic import atomic_path, write_text
from advatlas.storage.tensors import tensor_column, toward_zero_float16


def columns(n=5):
    return {
        "image_id": np.array([f"test/{i}" for i in range(n)]),
        "split": np.repeat("test", n),
        "label": np.arange(n),
        "image": tensor_column(np.arange(n * 12, dtype=np.uint8).reshape(n, 3, 2, 2)),
    }


def test_round_trip_and_pandas_reads_it(tmp_path):
    path = tmp_path / "a" / "images.parquet"
    write_artifact(path, "images", columns(), {"note": 1})
    artifact = read_artifact(path, "images")
    assert artifact.metadata == {"kind": "images", "rows": 5, "note": 1}
    assert read_metadata(path) == artifact.metadata
    assert artifact.tensor("image").shape == (5, 3, 2, 2)
    assert artifact.tensor("image").ravel().tolist() == list(range(60))
    frame = pd.read_parquet(path)
    assert frame["label"].tolist() == [0, 1, 2, 3, 4]
    assert frame["image"][1].tolist() == list(range(12, 24))


def test_equal_content_equal_bytes(tmp_path):
    for name in "ab":
        write_artifact(tmp_path / name, "images", columns(), {"x": 1, "y": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_filters_choose_rows(tmp_path):
    path = tmp_path / "images.parquet"
    write_artifact(path, "images", columns(), {})
    chosen = read_artifact(path, "images", filters=[("label", ">", 2)])
    assert len(chosen) == 2
    assert chosen.tensor("image").shape == (2, 3, 2, 2)


def test_no_rows_can_be_written_and_read(tmp_path):
    write_artifact(tmp_path / "t", "transfer", no_rows("transfer"), {"excluded": True})
    write_artifact(tmp_path / "a", "adversarials", no_rows("adversarials", perturbation=(1, 2, 2)), {})
    assert len(read_artifact(tmp_path / "t", "transfer")) == 0
    assert read_artifact(tmp_path / "a", "adversarials").tensor("perturbation").shape == (0, 1, 2, 2)


def test_columns_must_be_those_of_the_kind(tmp_path):
    with pytest.raises(ValueError, match="label"):
        write_artifact(tmp_path / "x", "images", {k: v for k, v in columns().items() if k != "label"}, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["truncate", "empty", "flip", "text", "plain"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, damage):
    path = tmp_path / "images.parquet"
    write_artifact(path, "images", columns(200), {})
    content = path.read_bytes()
    if damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "flip":
        path.write_bytes(content[:-20] + bytes([content[-20] ^ 255]) + content[-19:])
    elif damage == "text":
        path.write_text("hello")
    else:
        pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    with pytest.raises(AdvatlasError, match=r"images\.parquet: .*delete it") as caught:
        read_artifact(path, "images")
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path):
    write_artifact(tmp_path / "x", "images", columns(), {})
    with pytest.raises(AdvatlasError, match="expected 5 of kind 'transfer'"):
        read_artifact(tmp_path / "x", "transfer")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(AdvatlasError, match="no such file"):
        read_artifact(tmp_path / "x", "images")
    with pytest.raises(AdvatlasError, match="snakemake tables"):
        read_frame(tmp_path / "x")


def test_frames(tmp_path):
    frame = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", "y"]})
    write_frame(tmp_path / "f.parquet", frame)
    pd.testing.assert_frame_equal(read_frame(tmp_path / "f.parquet"), frame)


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "x.json"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AdvatlasError, match="cannot write .*file/x"):
        write_text(tmp_path / "file" / "x", "")


def test_float16_never_leaves_the_budget():
    values = np.float32([0.1, -0.1, 0.3, 8 / 255, 0.0, 1.0, 1e-9]) * np.float32(1)
    stored = toward_zero_float16(values).astype(np.float32)
    assert (np.abs(stored) <= np.abs(values)).all()
    assert np.allclose(stored, values, rtol=2**-10, atol=1e-7)
