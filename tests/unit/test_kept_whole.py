"""Damage is seen and set aside, memory that is short halves the batch, and stopped work goes on."""

from __future__ import annotations

import logging
import random
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from advatlas.attacks import ATTACKS, Untargeted
from advatlas.attacks.attack import run_attack
from advatlas.errors import DamagedFileError
from advatlas.failures import Failures
from advatlas.metrics.clever_sampling import Sampling, collect_maxima
from advatlas.models.classifier import predict_logits
from advatlas.models.zoo import save_model
from advatlas.progress import silent
from advatlas.stages import generate
from advatlas.stages.generate import generate_adversarials
from advatlas.storage.artifacts import read_artifact, read_frame, write_artifact, write_frame
from advatlas.storage.tensors import tensor_column


def changed(content: bytes, bit: int) -> bytes:
    """Return a content with one bit flipped."""
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def test_no_flipped_bit_is_read_as_something_else(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (12, 1, 6, 6)).astype(np.uint8)
    ids = [f"image{index}" for index in range(12)]
    path = tmp_path / "images.parquet"
    columns = {"image_id": ids, "split": ["test"] * 12, "label": range(12), "image": tensor_column(images)}
    write_artifact(path, "images", columns, {"name": "x"})
    content, whole = path.read_bytes(), read_artifact(path, "images")
    seen = 0
    for bit in random.Random(1).sample(range(8 * len(content)), 1000):
        path.write_bytes(changed(content, bit))
        try:
            read = read_artifact(path, "images")
            assert read.table.equals(whole.table)
            assert read.metadata == whole.metadata
        except DamagedFileError:
            seen += 1
    assert seen > 900


def test_no_flipped_bit_of_a_table_is_read_as_something_else(tmp_path):
    frame = pd.DataFrame({"model": ["a", "b"] * 20, "rate": np.linspace(0, 1, 40)})
    path = tmp_path / "table.parquet"
    write_frame(path, frame)
    pd.testing.assert_frame_equal(pd.read_parquet(path), frame)
    content = path.read_bytes()
    seen = 0
    for bit in random.Random(1).sample(range(8 * len(content)), 500):
        path.write_bytes(changed(content, bit))
        try:
            pd.testing.assert_frame_equal(read_frame(path), frame)
        except DamagedFileError:
            seen += 1
    assert seen > 400


class Hungry(torch.nn.Module):
    """A network for which memory suffices up to ``limit`` images at once."""

    def __init__(self, network: torch.nn.Module, limit: int, error: Exception) -> None:
        super().__init__()
        self.network, self.limit, self.error = network, limit, error
        self.sizes: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(images))
        if len(images) > self.limit:
            raise self.error
        return self.network(images)


SHORT = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried ..."),
    MemoryError(),
]


@pytest.mark.parametrize("error", SHORT)
def test_short_memory_halves_the_batch_of_a_prediction(lenet, correct_digits, caplog, error):
    images, _ = correct_digits
    hungry = Hungry(lenet, 20, error)
    with caplog.at_level(logging.WARNING, "advatlas"):
        logits = predict_logits(hungry, images[:70], 64)
    assert torch.allclose(logits, predict_logits(lenet, images[:70], 64), atol=1e-5)
    assert hungry.sizes == [64, 32, 16, 16, 16, 16, 6]
    assert "out of memory with 64 images at once; going on with 32" in caplog.text


def test_short_memory_halves_the_batch_of_an_attack(lenet, correct_digits):
    images, labels = (part[:50] for part in correct_digits)
    hungry = Hungry(lenet, 20, SHORT[0])
    parameters = {"epsilon": torch.linspace(0.05, 0.2, 50)}
    whole = run_attack(ATTACKS["fgsm"], lenet, images, Untargeted(labels), parameters)
    parts = run_attack(ATTACKS["fgsm"], hungry, images, Untargeted(labels), parameters)
    assert torch.equal(whole.success, parts.success)
    assert (whole.images - parts.images).abs().max() < 1e-6


def test_short_memory_halves_the_batch_of_clever(lenet, correct_digits):
    images, labels = (part[:3] for part in correct_digits)
    targets = ((labels + 1) % 10).unsqueeze(1)
    sampling = Sampling(blocks=2, block_size=32)
    whole = collect_maxima(lenet, images, labels, targets, sampling, batch_size=64)
    hungry = Hungry(lenet, 20, SHORT[0])
    parts = collect_maxima(hungry, images, labels, targets, sampling, batch_size=64)
    assert max(hungry.sizes) == 64
    for norm, values in whole.values.items():
        assert torch.allclose(values, parts.values[norm], rtol=1e-4)


def test_other_errors_and_single_images_are_not_tried_again(lenet, correct_digits):
    images, _ = correct_digits
    with pytest.raises(RuntimeError, match="illegal"):
        predict_logits(Hungry(lenet, 20, RuntimeError("CUDA error: an illegal memory access")), images, 64)
    with pytest.raises(torch.OutOfMemoryError):
        predict_logits(Hungry(lenet, 0, SHORT[0]), images, 64)


@pytest.fixture
def files(tmp_path, lenet, digits):
    """What a job of generate-adversarials reads: 60 images, three batches of 20."""
    test = digits["test"].subset(np.arange(60))
    write_artifact(
        tmp_path / "images",
        "images",
        {
            "image_id": test.ids,
            "split": ["test"] * 60,
            "label": test.labels,
            "image": tensor_column(test.images.numpy()),
        },
        {},
    )
    columns = {"random_target": [0] * 60, "order": range(60), "models_correct": [1] * 60, "common_correct": [True] * 60}
    write_artifact(tmp_path / "selection", "selection", {"image_id": test.ids, "label": test.labels, **columns}, {})
    said = {"prediction": test.labels, "confidence": [1.0] * 60, "least_likely": [0] * 60, "label_rank": [0] * 60}
    said |= {"top_classes": [[0]] * 60, "top_confidences": [[1.0]] * 60, "correct": [True] * 60}
    write_artifact(tmp_path / "predictions", "predictions", {"image_id": test.ids, "label": test.labels, **said}, {})
    save_model(lenet.network, lenet.card, tmp_path / "weights", tmp_path / "card")
    return tmp_path


def craft(files, output, **setting):
    setting = {
        "attack": "i_fgsm", "name": "x", "goal": "untargeted", "target_class": None, "images": None, "adaptive": None,
        "parameters": {"epsilon": 0.2, "steps": 3, **setting},
    }  # fmt: skip
    names = ("images", "selection", "predictions", "weights", "card")
    generate_adversarials(setting, *(files / n for n in names), output, "cpu", 20, silent(), "code")


def bare(path):
    """Return an artifact without the one measured column."""
    return read_artifact(path, "adversarials").table.drop_columns("seconds")


def test_a_stopped_attack_goes_on_where_it_was(files, monkeypatch):
    craft(files, files / "whole")
    attacked = []
    columns = generate._columns

    def stopped(classifier, clean, *rest, **options):
        attacked.append(clean.ids[0])
        if len(attacked) == 3:
            raise KeyboardInterrupt
        return columns(classifier, clean, *rest, **options)

    monkeypatch.setattr(generate, "_columns", stopped)
    with pytest.raises(KeyboardInterrupt):
        craft(files, files / "resumed")
    shards = files / "resumed.shards"
    assert len(list(shards.iterdir())) == 2
    assert not (files / "resumed").exists()
    shutil.copytree(shards, files / "other.shards")
    (files / "damaged.shards").mkdir()
    (files / "damaged.shards" / "00000.parquet").write_bytes(b"PAR1")

    craft(files, files / "resumed")
    assert len(attacked) == 4  # the last batch alone
    assert bare(files / "resumed").equals(bare(files / "whole"))
    assert (
        read_artifact(files / "resumed", "adversarials").metadata
        == read_artifact(files / "whole", "adversarials").metadata
    )
    assert not shards.exists()

    craft(files, files / "other", steps=4)
    assert len(attacked) == 7  # another setting: nothing of the shards is taken
    craft(files, files / "damaged")
    assert len(attacked) == 10
    assert bare(files / "damaged").equals(bare(files / "whole"))


def failed(failures, log, said):
    """Tell of a job that failed, with what stands in its log."""
    log.write_text(said)
    record = logging.LogRecord("snakemake.logging", logging.ERROR, "", 0, "", (), None)
    record.__dict__ |= {"rule_name": "predict", "output": [f"{log.stem}.parquet"], "log": [str(log)]}
    failures.emit(record)


def test_failures_say_why(tmp_path):
    failures = Failures()
    assert failures.table() == ""
    failed(failures, tmp_path / "a.log", "working\nadvatlas: the reason\n")
    failed(failures, tmp_path / "b.log", "")
    failed(failures, tmp_path / "a.log", "working\nadvatlas: the reason\n")
    assert "2 failed" in failures.table()
    assert "predict: a.parquet\n    advatlas: the reason\n    log: " in failures.table()
    assert "it was killed" in failures.table()


def test_damaged_files_are_set_aside_and_the_run_goes_again(tmp_path, monkeypatch, capsys):
    started = []
    monkeypatch.setattr("os.execv", lambda *arguments: started.append(arguments))
    monkeypatch.setenv("ADVATLAS_AGAIN", "0")
    failures = Failures()
    failed(failures, tmp_path / "a.log", "advatlas: no such thing\n")
    failures.end()
    assert not started
    path = tmp_path / "x.parquet"
    for _ in range(7):
        path.write_bytes(b"PAR1")
        with pytest.raises(DamagedFileError) as caught:
            read_artifact(path, "images")
        failed(failures, tmp_path / "b.log", f"advatlas: {caught.value}\n")
        failures.end()
        assert not path.exists()
        assert (tmp_path / "x.parquet.damaged").read_bytes() == b"PAR1"
    assert "x.parquet was damaged; set aside as x.parquet.damaged" in capsys.readouterr().err
    assert len(started) == 5
