"""Evaluation of a pair and the arithmetic of the transfer table, on files small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from advatlas.data import ImageSet
from advatlas.metrics.transfer import headline_rates
from advatlas.progress import silent
from advatlas.stages.aggregate import transfer_table
from advatlas.stages.evaluate import evaluate_pair
from advatlas.stages.generate import load_adversarials
from advatlas.storage.artifacts import read_frame, write_artifact
from advatlas.storage.tensors import tensor_column
from tests.conftest import classifier_of


class ByBrightness(nn.Module):
    """Says the class whose tenth of the range the mean brightness falls in, then its neighbours."""

    def forward(self, x):
        return -(((x.mean((1, 2, 3)) * 10 - 0.5).unsqueeze(1) - torch.arange(10)) ** 2)


@pytest.fixture
def pair(tmp_path):
    """Ten images of brightness k/10 + 0.05; the adversarial adds 0.1, but not to the first five."""
    levels = np.round((np.arange(10) / 10 + 0.05) * 255).astype(np.uint8)
    images = torch.from_numpy(np.broadcast_to(levels[:, None, None, None], (10, 1, 8, 8)).copy())
    clean = ImageSet(np.array([f"test/{i}" for i in range(10)]), images, torch.arange(10))
    moved = np.arange(10) >= 5
    perturbation = np.where(moved, 0.1, 0.0)[:, None, None, None] * np.ones((1, 1, 8, 8))
    n = np.zeros(10)

    def write(goal, target):
        columns = {
            "image_id": clean.ids,
            "label": np.arange(10),
            "target": target,
            "success": moved,
            "success_uint8": moved,
            "prediction": np.arange(10),
            **dict.fromkeys(("confidence", "linf", "l2", "l1", "ssim", "seconds"), n),
            "top_classes": [[0, 1, 2]] * 10,
            "top_confidences": [[0.5, 0.2, 0.1]] * 10,
            **dict.fromkeys(("l0", "iterations", "forward_queries", "backward_queries"), n.astype(int)),
            "perturbation": tensor_column(perturbation.astype(np.float16)),
        }
        setting = {"name": "s", "attack": "fgsm", "goal": goal, "target_class": None, "parameters": {"epsilon": 0.1}}
        path = tmp_path / f"{goal}.parquet"
        write_artifact(path, "adversarials", columns, {"setting": setting, "source": "a", "excluded": False})
        return path, load_adversarials(path, clean)

    return write


def columns_of(adversarials, clean_correct, top_k):
    """Evaluate a pair of one size on the one model there is."""
    shown = {"same": clean_correct}
    (columns,) = evaluate_pair(adversarials, anchored(), clean_correct, shown, top_k, batch_size=4)
    return columns


def table_of(folder, top_k, fits):
    """Aggregate the pair written in a folder, of the ten images in their order."""
    selection = {name: np.zeros(10, int) for name in ("label", "random_target", "models_correct")}
    selection |= {
        "image_id": [f"test/{i}" for i in range(10)],
        "order": np.arange(10),
        "common_correct": np.ones(10, bool),
    }
    write_artifact(folder / "selection.parquet", "selection", selection, {})
    outputs = folder / "t.parquet", folder / "outcomes.parquet", folder / "answers.parquet"
    names, pair = [f"class {k}" for k in range(1000)], [folder / "pair.parquet"]
    transfer_table(pair, top_k, fits, folder / "selection.parquet", names, *outputs, silent(), files=1)
    return read_frame(outputs[1])


def frame_of(*arguments):
    return pa.table(columns_of(*arguments)).to_pandas()


def test_untargeted_columns(pair):
    _, adversarials = pair("untargeted", [None] * 10)
    clean_correct = np.arange(10) != 7
    frame = frame_of(adversarials, clean_correct, 3)
    # 0.1 brighter is the next class; the last image cannot grow brighter than 1 and stays class 9.
    assert frame["prediction"].tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 9]
    assert frame["fooled"].tolist() == [False] * 5 + [True] * 4 + [False]
    assert frame["matched_top1"].isna().all()
    assert frame["fooled_uint8"].tolist() == frame["fooled"].tolist()
    assert [len(k) for k in frame["top_k"]] == [3] * 10


def anchored():
    model = classifier_of(ByBrightness(), size=8)
    model.register_parameter("anchor", nn.Parameter(torch.zeros(1)))
    return model


def test_targeted_columns(pair):
    _, adversarials = pair("random", np.roll(np.arange(10), -1))
    frame = frame_of(adversarials, np.ones(10, bool), 3)
    assert frame["matched_top1"].tolist() == [False] * 5 + [True] * 4 + [False]
    # Unmoved images have the next class among their three nearest; the last one's target is class 0.
    among = [t in k for t, k in zip(frame["target"], frame["top_k"], strict=True)]
    assert among == [True] * 9 + [False]
    wider = frame_of(adversarials, np.ones(10, bool), 10)
    assert all(t in k for t, k in zip(wider["target"], wider["top_k"], strict=True))
    assert [k[:3].tolist() for k in wider["top_k"]] == [k.tolist() for k in frame["top_k"]]


def test_denominators(pair, tmp_path):
    _, adversarials = pair("untargeted", [None] * 10)
    clean_correct = np.arange(10) != 7
    columns = columns_of(adversarials, clean_correct, 3)
    setting = adversarials.artifact.metadata["setting"]
    metadata = {"setting": setting, "source": "a", "target": "b", "excluded": False}
    write_artifact(tmp_path / "pair.parquet", "transfer", columns, metadata)
    outcomes = table_of(tmp_path, [3], ["white"])
    assert outcomes["image"].tolist()[0].tolist() == list(range(10))
    assert outcomes["reached"].tolist()[0].tolist() == [False] * 5 + [True] * 4 + [False]
    assert outcomes["clean_error"].tolist()[0].tolist() == [False] * 7 + [True] + [False] * 2
    table = read_frame(tmp_path / "t.parquet")
    errors = table[(table["measure"] == "clean_error") & (table["precision"] == "float")].set_index("denominator")
    assert errors["count"].to_dict()["all"] == 1
    assert errors["count"].to_dict()["shown_correct"] == 0
    table = table[(table["measure"] == "fooled") & (table["precision"] == "float")].set_index("denominator")
    assert table["n"].to_dict() == {
        "all": 10,
        "clean_correct": 9,
        "shown_correct": 9,
        "source_success": 5,
        "source_success_and_clean_correct": 4,
    }
    assert table["count"].to_dict() == {
        "all": 4,
        "clean_correct": 3,
        "shown_correct": 3,
        "source_success": 4,
        "source_success_and_clean_correct": 3,
    }
    assert table.loc["all", "rate"] == 0.4
    assert table.loc["all", "low"] == pytest.approx(0.1682, abs=1e-3)
    assert table.loc["all", "high"] == pytest.approx(0.6873, abs=1e-3)
    assert len(headline_rates(read_frame(tmp_path / "t.parquet"))) == 1


def test_targeted_rates_grow_with_k(pair, tmp_path):
    _, adversarials = pair("random", np.roll(np.arange(10), -1))
    setting = adversarials.artifact.metadata["setting"]
    metadata = {"setting": setting, "source": "a", "target": "b", "excluded": False}
    write_artifact(tmp_path / "pair.parquet", "transfer", columns_of(adversarials, np.ones(10, bool), 10), metadata)
    table_of(tmp_path, [3, 10], ["white", "resize"])
    table = read_frame(tmp_path / "t.parquet")
    table = table[(table["precision"] == "float") & (table["denominator"] == "all")].set_index(["fit", "measure"])
    # Nothing is done between equal sizes, so every fit has the same rates.
    for fit in ("white", "resize"):
        assert [table.loc[(fit, f"matched_top{k}"), "count"] for k in (1, 3, 10)] == [4, 9, 10]


def test_eight_bits_only_where_asked(pair):
    _, adversarials = pair("untargeted", [None] * 10)
    right = np.ones(10, bool)
    (columns,) = evaluate_pair(adversarials, anchored(), right, {"same": right}, 3, 4, eight_bit=False)
    assert columns["prediction_uint8"].null_count == 10
    assert columns["source_success_uint8"].null_count == 10
