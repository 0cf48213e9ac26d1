"""A study of defenses as a user runs it: models made from models, and attackers who know of it or do not."""

from __future__ import annotations

import copy

import pytest
import yaml

from tests.workflow.running import Run

pytestmark = pytest.mark.workflow

STUDY = {
    "description": "a network and what may be made of it",
    "paper": "campbell2024",
    "seed": 1,
    "dataset": {"name": "mnist_sample", "train": 800, "validation": 100, "test": 200},
    "training": {"epochs": 6, "batch_size": 16, "min_accuracy": 0.5},
    "models": [{"architecture": "lenet", "initialisation": "xavier", "name": "cnn", "width": 0.5}],
    "defenses": [
        {"defense": "adversarial_training", "of": "cnn", "suffix": "trained", "training": {"epochs": 1},
         "attacks": [{"attack": "fgsm", "epsilon": 0.1}]},
        {"defense": "bit_depth", "of": "cnn", "suffix": "rounded", "bits": 2},
        {"defense": "prediction_averaging", "of": "cnn_trained", "name": "stack", "epsilon": 0.1, "samples": 3},
    ],
    "selection": {"images": "per_source", "n": 40},
    "attacks": [
        {"attack": "fgsm", "epsilon": [0.1, 0.2]},
        {"attack": "dgsm", "epsilon": 0.2, "steps": 5, "goal": {"class": 1}},
        {"attack": "pgd", "epsilon": 0.2, "steps": 5, "adaptive": True, "eot_samples": 2},
        {"attack": "square", "epsilon": 0.2, "queries": 20, "images": 20, "sources": ["cnn", "cnn_rounded"]},
    ],
    "figures": ["defenses", "verdicts", "confidences", "epsilons", "transfer"],
}  # fmt: skip
MODELS = ["cnn", "cnn_trained", "cnn_rounded", "stack"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("defenses"))
    run.write(STUDY)
    run.output = run.snakemake()
    return run


def test_every_model_is_source_and_target(finished):
    models = finished.table("models").set_index("model")
    assert list(models.index) == MODELS
    assert not models["excluded"].any()
    assert models.loc["stack", "defense"] == "adversarial_training + prediction_averaging"
    assert models["attacked_as"].to_dict() == {
        "cnn": "cnn", "cnn_trained": "cnn_trained", "cnn_rounded": "cnn", "stack": "cnn_trained",
    }  # fmt: skip
    transfer = finished.table("transfer")
    pairs = transfer[transfer["setting"] == "fgsm-epsilon0.1"][["source", "target"]].drop_duplicates()
    assert len(pairs) == len(MODELS) ** 2
    square = transfer[transfer["setting"] == "square"]
    assert set(square["source"]) == {"cnn", "cnn_rounded"}


def test_accuracy_under_attack_is_over_all_selected_images(finished):
    said = finished.table("classification")
    clean = said[said["setting"] == ""].set_index("target")
    predictions = finished.table("predictions")
    selection = {image for row in said["image"] for image in row}
    assert selection == set(range(40))
    assert (said.loc[said["setting"] != "square", "n"] == 40).all()
    assert (said.loc[said["setting"] == "square", "n"] == 20).all()
    for model in MODELS:
        assert clean.loc[model, "rate"] == pytest.approx(clean.loc[model, "right"].mean())
        assert model in set(predictions["model"])
    itself = said[(said["source"] == said["target"].astype(str)) & (said["setting"] == "fgsm-epsilon0.2")]
    success = finished.table("success").set_index(["setting", "source"])
    for row in itself[itself["target"] != "stack"].to_dict("records"):
        attack = success.loc[("fgsm-epsilon0.2", row["source"])]
        assert row["count"] == attack["n"] - attack["count"], "what is right and attacked without success stays right"
    # Rounding hides the gradient: FGSM on the rounded network itself does nothing.
    rounded = itself.set_index("source").loc["cnn_rounded"]
    assert rounded["count"] == clean.loc["cnn_rounded", "count"]


def test_verdicts_claims_and_times(finished):
    verdicts = finished.table("verdicts").set_index(["model", "budget"])
    rounded = verdicts.loc[("cnn_rounded", "ε = 0.2")]
    assert rounded["adaptive"] < rounded["clean"]
    assert rounded["gradient_hidden"]
    assert rounded["verdict"] != "holds"
    claims = finished.table("claims").set_index("claim")
    assert claims.loc["masking_does_little", "verdict"] == "not run"
    assert claims.loc["ifgsm_cheaper_than_deepfool", "verdict"] == "not run"
    assert claims.loc["adversarial_training_knowing", "n"] > 0
    times = finished.table("prediction_times")
    assert set(times["model"]) == set(MODELS)
    assert (times["p10"] <= times["median"]).all()
    assert (times["median"] <= times["p90"]).all()
    history = finished.table("training").groupby("model")["epoch"].max()
    assert history.to_dict() == {"cnn": 6, "cnn_trained": 1}


def test_the_figures_are_there(finished):
    drawn = {path.stem for path in (finished.results / "figures").glob("*.png")}
    assert {"defenses", "verdicts", "confidences", "epsilons-fgsm", "transfer-fgsm"} <= drawn
    assert "epsilons-dgsm" not in drawn


def test_adaptive_attacks_are_counted_in_passes_of_the_model(finished):
    made = finished.table("adversarials")
    adaptive = made[made["setting"] == "pgd-adaptive"].groupby("source", observed=True)["backward_queries"].mean()
    assert adaptive["cnn"] == 5
    assert adaptive["stack"] == 10


def test_a_changed_defense_reruns_what_hangs_on_it_alone(finished):
    study = copy.deepcopy(STUDY)
    study["defenses"][2]["samples"] = 4
    finished.write(study)
    try:
        planned = finished.planned()
        assert planned["wrap_model"] == 1
        assert "train_model" not in planned
        assert "defend_model" not in planned
        assert planned["predict"] == 1
    finally:
        finished.write(STUDY)
    assert finished.planned() == {}


def test_mistakes_end_with_one_line(tmp_path):
    study = copy.deepcopy(STUDY)
    study["defenses"][2]["of"] = "stack"
    run = Run(tmp_path)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(study))
    run.write(study)
    output = run.snakemake("-n", code=1)
    assert "the stack of 'stack' contains itself" in output
    assert "Traceback" not in output
