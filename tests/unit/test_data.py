"""Datasets, their sources and their splits."""

from __future__ import annotations

import gzip
import io
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from advatlas.data import DATASETS, Source
from advatlas.data.sources import check_available, locate, read_shards
from advatlas.data.splits import SplitSizes, load_split, prepare, save_splits, split_indices
from advatlas.errors import AdvatlasError


def test_embedded_digits_are_mnist():
    pool = DATASETS["mnist_sample"].pools(Source(Path("unused"), download=False))["train"]
    assert pool.images.shape == (5000, 1, 28, 28)
    assert np.bincount(pool.labels).tolist() == [500] * 10
    assert pool.images.max() == 255
    assert pool.images.mean() / 255 == pytest.approx(DATASETS["mnist"].mean[0], abs=0.01)


def test_splits_are_disjoint_seeded_and_complete():
    sizes = {"train": 1000, "test": 100}
    wanted = SplitSizes(None, 200, None)
    first = split_indices(sizes, wanted, seed=4)
    assert {k: (p, len(i)) for k, (p, i) in first.items()} == {
        "train": ("train", 800),
        "validation": ("train", 200),
        "test": ("test", 100),
    }
    assert not set(first["train"][1]) & set(first["validation"][1])
    again = split_indices(sizes, wanted, seed=4)
    other = split_indices(sizes, wanted, seed=5)
    assert all(np.array_equal(first[k][1], again[k][1]) for k in first)
    assert not np.array_equal(first["validation"][1], other["validation"][1])


def test_a_smaller_training_split_leaves_the_others_alone():
    sizes = {"train": 1000}
    full = split_indices(sizes, SplitSizes(None, 100, 100), 0)
    small = split_indices(sizes, SplitSizes(50, 100, 100), 0)
    assert np.array_equal(full["test"][1], small["test"][1])
    assert np.array_equal(full["validation"][1], small["validation"][1])
    assert set(small["train"][1]) < set(full["train"][1])


def test_asking_for_too_many_is_an_error():
    with pytest.raises(AdvatlasError, match="validation split asks for 950 images, but 900"):
        split_indices({"train": 1000}, SplitSizes(None, 950, 100), 0)


def test_splits_round_trip(tmp_path, digits):
    save_splits(tmp_path / "images.parquet", digits, {"dataset": {"name": "mnist_sample"}})
    for split, images in digits.items():
        read = load_split(tmp_path / "images.parquet", split)
        assert read.ids.tolist() == images.ids.tolist()
        assert (read.images == images.images).all()
        assert (read.labels == images.labels).all()


def _shards(folder, images, labels, column="img"):
    folder.mkdir(parents=True)
    half = len(images) // 2
    for split, chosen in (("train", slice(0, half)), ("test", slice(half, None))):
        encoded = []
        for image in images[chosen]:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            encoded.append({"bytes": buffer.getvalue(), "path": None})
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = pa.table({column: pa.array(encoded, kind), "label": labels[chosen]})
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")


def test_parquet_shards_of_the_hub(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 32, 32, 3), np.uint8), np.arange(40) % 10
    _shards(tmp_path / "cifar10", images, labels)
    assert locate(tmp_path, "cifar10", "cifar-10-batches-py").shards
    pools = DATASETS["cifar10"].pools(Source(tmp_path, download=False))
    assert (pools["train"].images == images[:20].transpose(0, 3, 1, 2)).all()
    assert pools["test"].labels.tolist() == labels[20:].tolist()


def test_parquet_shards_of_grey_images(tmp_path):
    images, labels = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8), np.arange(20) % 10
    _shards(tmp_path / "mnist", images, labels, column="image")
    pools = DATASETS["mnist"].pools(Source(tmp_path, download=False))
    assert (pools["train"].images[:, 0] == images[:10]).all()


def test_damaged_shards_are_named(tmp_path):
    (tmp_path / "train-0.parquet").write_text("no")
    with pytest.raises(AdvatlasError, match="cannot read the train shards"):
        read_shards(tmp_path, "train")


def test_torchvision_layout_of_cifar10(tmp_path, monkeypatch):
    from torchvision import datasets

    from advatlas import torchvision_compat  # noqa: F401

    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *a, **k: True)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        data = rng.integers(0, 256, (4, 3072), np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": [0, 1, 2, 3]}))
    names = {"label_names": list(DATASETS["cifar10"].class_names)}
    (folder / "batches.meta").write_bytes(pickle.dumps(names))
    pools = DATASETS["cifar10"].pools(Source(tmp_path, download=False))
    assert pools["train"].images.shape == (20, 3, 32, 32)
    assert (pools["test"].images[0].ravel() == data[0]).all()


def test_torchvision_layout_of_mnist(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, n in (("train", 6), ("t10k", 3)):
        images = rng.integers(0, 256, (n, 28, 28), np.uint8)
        header = np.array([0x803, n, 28, 28], ">i4").tobytes()
        (raw / f"{split}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = np.arange(n, dtype=np.uint8)
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(np.array([0x801, n], ">i4").tobytes() + labels.tobytes())
        with gzip.open(raw / f"{split}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(b"")
    pools = DATASETS["mnist"].pools(Source(tmp_path, download=False))
    assert pools["train"].images.shape == (6, 1, 28, 28)
    assert (pools["test"].images[:, 0] == images).all()


def test_missing_data_say_what_to_do(tmp_path):
    with pytest.raises(AdvatlasError, match=r"ADVATLAS_DATA.*mnist_quick"):
        DATASETS["mnist"].pools(Source(tmp_path, download=False))
    with pytest.raises(AdvatlasError, match="download: false"):
        check_available(DATASETS["cifar10"], tmp_path, download=False)
    check_available(DATASETS["cifar10"], tmp_path, download=True)
    check_available(DATASETS["mnist_sample"], tmp_path, download=False)


def test_a_failed_download_says_what_to_do(tmp_path, monkeypatch):
    from torchvision import datasets

    from advatlas import torchvision_compat  # noqa: F401

    def fail(self):
        raise RuntimeError("Error downloading\ntrain-images")

    monkeypatch.setattr(datasets.MNIST, "download", fail)
    with pytest.raises(AdvatlasError, match="Put it there.*download failed: Error downloading train-images") as caught:
        DATASETS["mnist"].pools(Source(tmp_path, download=True))
    assert "\n" not in str(caught.value)


def test_images_of_the_wrong_size_are_refused(tmp_path):
    _shards(tmp_path / "cifar10", np.zeros((20, 16, 16, 3), np.uint8), np.arange(20) % 10)
    with pytest.raises(AdvatlasError, match="expected uint8 of"):
        prepare(DATASETS["cifar10"], Source(tmp_path), SplitSizes(None, 2, None), 0)


def test_real_cifar10_shards(shared):
    splits = prepare(DATASETS["cifar10"], Source(shared, download=False), SplitSizes(2000, 500, 1000), 0)
    assert splits["train"].images.shape == (2000, 3, 32, 32)
    pixels = splits["train"].pixels()
    assert pixels.mean((0, 2, 3)).tolist() == pytest.approx(DATASETS["cifar10"].mean, abs=0.02)
    assert pixels.std((0, 2, 3)).tolist() == pytest.approx(DATASETS["cifar10"].std, abs=0.02)


def test_images_are_resized_and_given_three_channels(tmp_path):
    plain = DATASETS["mnist_sample"].pools(Source(tmp_path))["train"].images[:5]
    wide = DATASETS["mnist_sample"].at(32, rgb=True)
    assert (wide.input_size, wide.mean) == ((3, 32, 32), DATASETS["mnist_sample"].mean * 3)
    images = wide.pools(Source(tmp_path))["train"].images[:5]
    assert images.shape == (5, 3, 32, 32)
    assert images.dtype == np.uint8
    assert (images[:, 0] == images[:, 2]).all()
    assert images.mean() == pytest.approx(plain.mean(), rel=0.02)


def test_shares_and_merged_pools(shared):
    source = Source(shared, download=False)
    dataset = DATASETS["cifar10"]
    splits = prepare(dataset, source, SplitSizes(None, 0.2, 0.2, "merged"), seed=3)
    everything = 12_000
    assert len(splits["test"]) == everything * 0.2
    assert len(splits["validation"]) == everything * 0.8 * 0.2
    assert len(splits["train"]) == everything * 0.8 * 0.8
    ids = np.concatenate([s.ids for s in splits.values()])
    assert len(set(ids)) == everything


@pytest.mark.parametrize(("name", "classes", "test"), [("gtsrb", 43, 344), ("imagenette", 10, 350)])
def test_pictures_of_any_size_in_torchvisions_layout(shared, name, classes, test):
    dataset = DATASETS[name].at(64)
    pools = dataset.pools(Source(shared, download=False))
    assert pools["test"].images.shape == (test, 3, 64, 64)
    assert set(pools["train"].labels) == set(range(classes)) == set(pools["test"].labels)
    assert len(dataset.class_names) == classes
    assert dataset.present(shared)


def test_gtsrb_has_torchvisions_labels(shared):
    from torchvision.datasets import GTSRB

    theirs = GTSRB(str(shared), split="test")
    ours = DATASETS["gtsrb"].pools(Source(shared, download=False))["test"]
    assert [label for _, label in theirs._samples] == ours.labels.tolist()
    # The same picture: torchvision's own resize of the square centre.
    from torchvision.transforms.functional import center_crop, resize

    picture = theirs[5][0]
    assert np.array_equal(np.asarray(center_crop(resize(picture, [32]), [32, 32])).transpose(2, 0, 1), ours.images[5])


def test_absent_pictures_are_named(tmp_path):
    for name in ("gtsrb", "imagenette"):
        assert not DATASETS[name].present(tmp_path)
        with pytest.raises(AdvatlasError, match=f"dataset '{name}': not found.*ADVATLAS_DATA"):
            DATASETS[name].pools(Source(tmp_path, download=False))


def test_a_missing_class_folder_is_refused(tmp_path, shared):
    import shutil

    shutil.copytree(shared / "imagenette" / "imagenette2-160", tmp_path / "imagenette2-160")
    shutil.rmtree(tmp_path / "imagenette2-160" / "train" / "n02102040")
    with pytest.raises(AdvatlasError, match="9 class folders, expected 10"):
        DATASETS["imagenette"].pools(Source(tmp_path, download=False))
