"""A study of pretrained networks as a user runs it: what comes with the installation, at small sizes."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from tests.workflow.running import Run

pytestmark = pytest.mark.workflow

STUDY = {
    "description": "EfficientNet-Lite0 at two sizes on the embedded pictures",
    "seed": 1,
    "dataset": {"name": "imagenet", "otherwise": "imagenet_sample", "not_rgb": "convert"},
    "models": [
        {"model": "efficientnet_lite0", "input_size": 128, "name": "lite_128"},
        {"model": "efficientnet_lite0", "input_size": 160, "name": "lite_160"},
        {"weights_dir": "all"},
    ],
    "selection": {"images": "common"},
    "attacks": [
        {"attack": "fgsm", "epsilon": [0.03, 0.1], "fit": ["white", "resize"]},
        {"attack": "minimal_i_fgsm", "attempts": 3, "steps": 3, "goal": "random", "images": 3},
    ],
    "top_k": [1, 5],
    "clever": {"images": 2, "blocks": 3, "block_size": 4, "parts": 2},
    "contrasts": [{"name": "larger", "of": ["lite_160"], "against": ["lite_128"]}],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("pictures"))
    run.write(STUDY, data_dir="nothing")
    run.output = run.snakemake()
    return run


def test_every_table_and_figure_is_there(finished):
    assert "2 models, 2 ordered pairs in each of 3 settings; at most:" in finished.output
    models = finished.table("models").set_index("model")
    assert models["input_size"].to_dict() == {"lite_128": 128, "lite_160": 160}
    assert (models["test_images"] == 20).all()
    assert models["test_accuracy"].between(0.3, 1).all()
    for name in (
        "robustness",
        "frontier",
        "families",
        "asymmetry",
        "ranking",
        "sweeps",
        "fits",
        "contrasts",
        "wordnet",
        "clever",
    ):
        table = finished.table(name)
        assert len(table) or name == "families", name  # one family has nothing to be held against
    for figure in (
        "transfer-fgsm",
        "matching-minimal_i_fgsm",
        "sweeps",
        "frontier",
        "variants",
        "strips-fgsm",
        "fits",
        "wordnet",
    ):
        assert (finished.results / "figures" / f"{figure}.png").stat().st_size > 2000
    assert finished.no_strays(), finished.strays()


def test_a_larger_model_sees_a_border_and_a_smaller_one_the_centre(finished):
    pair = finished.results / "transfer" / "fgsm-epsilon0.1"
    assert set(pd.read_parquet(pair / "lite_128" / "lite_160.parquet")["fit"]) == {"white", "resize"}
    assert set(pd.read_parquet(pair / "lite_160" / "lite_128.parquet")["fit"]) == {"crop", "resize"}
    assert set(pd.read_parquet(pair / "lite_160" / "lite_160.parquet")["fit"]) == {"same"}
    transfer = finished.table("transfer")
    cells = transfer[(transfer["setting"] == "fgsm-epsilon0.1") & (transfer["measure"] == "fooled")]
    assert (
        cells.groupby("fit", observed=True)[["source", "target"]].apply(lambda f: len(f.drop_duplicates())).eq(4).all()
    )


def test_some_images_are_the_same_for_every_source(finished):
    made = [
        finished.results / "adversarials" / "minimal_i_fgsm-random" / f"{m}.parquet" for m in ("lite_128", "lite_160")
    ]
    first, second = (pd.read_parquet(path, columns=["image_id", "target"]) for path in made)
    assert len(first) == 3
    assert first.equals(second)


def test_clever_in_parts_covers_each_image_once(finished):
    clever = finished.table("clever")
    assert clever.groupby(["model", "goal", "norm"])["image_id"].nunique().eq(2).all()
    assert len(clever) == 2 * 2 * 2 * 3
    assert not list(finished.results.rglob("*.checkpoint"))


def test_a_dry_run_needs_neither_images_nor_weights(tmp_path):
    run = Run(tmp_path)
    run.write(STUDY)
    output = run.snakemake("-n", "--config", "study=juraev2023")
    assert "dataset 'imagenet' is not in data/" in output
    assert "14 models, 182 ordered pairs in each of 5 settings" in output
    assert "Traceback" not in output
    text = " ".join(run.snakemake("--config", "study=juraev2023", code=1).split())
    assert "dataset 'imagenet' is not in data/ and cannot be downloaded" in text
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": [{"model": "vgg61"}]}, "models[0]: unknown model 'vgg61'"),
        ({"models": [{"group": "su2019"}]}, "models[0].group: unknown group of models 'su2019'"),
        ({"models": [{"weights_dir": "all"}]}, "models: no model is left"),
        (
            {"models": [{"architecture": "lenet", "initialisation": "xavier"}]},
            "models[0].architecture: nothing is trained on",
        ),
        ({"fit": "pink"}, "fit: 'pink' is not one of"),
        ({"contrasts": [{"name": "x", "of": ["a"], "against": ["b", "c"]}]}, "contrasts[0]: 1 models stand against 2"),
        ({"clever": {"images": 2, "radius": -1}}, "clever.radius: -1 must be more than 0"),
        (
            {"dataset": {"name": "imagenet_sample", "validation": 3}},
            "dataset.validation: has no meaning for imagenet_sample",
        ),
    ],
)
def test_a_mistake_ends_with_one_line(tmp_path, change, message):
    from advatlas.errors import AdvatlasError
    from advatlas.reading.study import load_study
    from tests.conftest import ROOT

    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**STUDY, **change}))
    with pytest.raises(AdvatlasError) as caught:
        load_study(tmp_path / "mine.yaml", ROOT / "workflow" / "schemas" / "study.schema.yaml")
    assert message in str(caught.value)
