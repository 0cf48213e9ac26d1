"""The pipeline as a user runs it: real Snakemake, a small study, one folder a test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.running import MODELS, SETTINGS, STUDY, Run

pytestmark = pytest.mark.workflow


@pytest.fixture
def copy(finished: Run, tmp_path: Path) -> Run:
    """The finished run, in a folder of the test's own."""
    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder, symlinks=True)
    return Run(folder)


def test_everything_is_there(finished):
    for setting in SETTINGS:
        for source in MODELS:
            assert (finished.results / "adversarials" / setting / f"{source}.parquet").is_file()
            for target in MODELS:
                assert (finished.results / "transfer" / setting / source / f"{target}.parquet").is_file()
    for figure in [
        "transfer-fgsm",
        "transfer-i_fgsm",
        "transfer-one_pixel",
        "examples-fgsm",
        "complexity",
        "training",
    ]:
        for extension in ("png", "svg"):
            assert (finished.results / "figures" / f"{figure}.{extension}").stat().st_size > 2000
    assert "excluded: lenet_never" in finished.output
    assert "figures: results/mine/figures/" in finished.output
    assert "Traceback" not in finished.output
    assert finished.no_strays(), finished.strays()


def test_tables_have_no_holes(finished):
    models = finished.table("models")
    assert models["model"].tolist() == MODELS
    assert models["excluded"].tolist() == [False, False, True]
    assert models["status"].tolist() == ["trained", "trained", "below_min_accuracy"]
    success = finished.table("success")
    assert len(success) == len(SETTINGS) * len(MODELS)
    assert (success.loc[success["source"] == "lenet_never", "n"] == 0).all()
    transfer = finished.table("transfer")
    cells = transfer[["setting", "source", "target"]].astype(str).drop_duplicates()
    assert len(cells) == len(SETTINGS) * len(MODELS) ** 2
    there = transfer[~transfer["excluded"]]
    everything = there[there["denominator"] == "all"]
    assert everything["n"].min() > 30
    assert ((there["low"] <= there["rate"]) & (there["rate"] <= there["high"])).all() or there["n"].eq(0).any()
    assert transfer.loc[transfer["excluded"], "rate"].isna().all()


def test_the_diagonal_is_the_white_box_success(finished):
    transfer, success = finished.table("transfer"), finished.table("success").set_index(["setting", "source"])
    own = transfer[
        (transfer["source"].astype(str) == transfer["target"].astype(str))
        & (transfer["denominator"] == "all")
        & ~transfer["excluded"]
    ]
    for _, row in own.iterrows():
        wanted = "fooled" if row["goal"] == "untargeted" else "matched_top1"
        if row["measure"] == wanted:
            white = success.loc[(row["setting"], row["source"])]
            assert row["count"] == white["count" if row["precision"] == "float" else "count_uint8"]
            assert row["n"] == white["n"]


def test_common_selection_is_right_on_every_model(finished):
    transfer = finished.table("transfer")
    sizes = transfer[~transfer["excluded"]].pivot_table(
        index=["setting", "source", "target"], columns="denominator", values="n", observed=True
    )
    assert (sizes["all"] == sizes["clean_correct"]).all()


def test_nothing_to_do(copy):
    assert "Nothing to be done" in copy.snakemake()


def test_a_deleted_pair_is_one_job_and_what_hangs_on_it(copy):
    (copy.results / "transfer" / "fgsm-epsilon0.1" / "lenet_msra" / "lenet_xavier.parquet").unlink()
    before = copy.bytes_of_tables()
    planned = copy.planned()
    assert planned == {
        "evaluate_transfer": 1,
        "aggregate_transfer": 1,
        "aggregate_cost": 1,
        "analyse": 6,
        "plot": 5,
        "write_report": 1,
        "export_tables": 1,
    }
    copy.snakemake()
    assert copy.bytes_of_tables() == before


def test_a_changed_setting_reruns_its_own_jobs(copy):
    study = yaml.safe_load(yaml.safe_dump(STUDY))
    study["attacks"][1]["steps"] = 6
    copy.write(study)
    planned = copy.planned()
    assert planned["generate_adversarials"] == 6  # untargeted and random
    assert planned["evaluate_transfer"] == 18
    assert set(planned) == {
        "generate_adversarials",
        "evaluate_transfer",
        "aggregate_attacks",
        "aggregate_transfer",
        "aggregate_cost",
        "analyse",
        "plot",
        "write_report",
        "export_tables",
    }
    done = copy.snakemake()
    assert "fgsm-epsilon0.1" not in re.sub(r"(?s)mine: .*", "", done)


def test_an_added_setting_reruns_no_other(copy):
    study = yaml.safe_load(yaml.safe_dump(STUDY))
    study["attacks"][0]["epsilon"].append(0.3)
    copy.write(study)
    planned = copy.planned()
    assert planned["generate_adversarials"] == 3
    assert planned["evaluate_transfer"] == 9
    assert "train_model" not in planned


def test_a_changed_description_reruns_the_page_alone(copy):
    copy.write({**STUDY, "description": "other words"}, batch_size=64)
    assert copy.planned() == {"write_report": 1}


def test_cold_and_warm_evaluation_give_the_same_bytes(copy):
    pair = copy.results / "transfer" / "i_fgsm-random" / "lenet_msra" / "lenet_xavier.parquet"
    warm = pair.read_bytes()
    pair.unlink()
    copy.snakemake(str(pair.relative_to(copy.folder)), "--config", "evaluator=cold")
    assert pair.read_bytes() == warm


def test_targets_by_name(copy):
    assert "Nothing to be done" in copy.snakemake("lenet_xavier")
    for target in ("tables", "figures", "models"):
        assert "Nothing to be done" in copy.snakemake(target)
    shutil.rmtree(copy.results)
    assert copy.planned("models") == {}
    assert copy.planned("figures")["plot"] == 11


def test_a_damaged_artifact_is_named_and_made_anew(copy):
    before = copy.bytes_of_tables()
    damaged = copy.results / "adversarials" / "one_pixel" / "lenet_msra.parquet"
    damaged.write_bytes(damaged.read_bytes()[:500])
    output = " ".join(copy.snakemake().split())
    assert re.search(
        r"lenet_msra\.parquet: damaged, or not an .*; set aside as lenet_msra\.parquet\.damaged", output
    ), output
    assert "failed; all that does not hang on it was done" in output
    assert "running again" in output
    assert "Traceback" not in output
    assert copy.bytes_of_tables() == before


def test_too_few_common_images_is_a_clear_error(copy):
    copy.write({**STUDY, "selection": {"images": "common", "n": 200}})
    output = " ".join(copy.snakemake(code=1).split())
    assert "200 images are asked for, but only" in output
    table = output[output.index("1 failed; all that does not hang on it was done") :]
    assert re.search(r"select_images: results/mine/selection\.parquet advatlas: .*200 images are asked for", table)
    assert "log: results/mine/logs/select_images.log" in table
    assert re.search(r"right per model: lenet_\w+ \d+, lenet_\w+ \d+", output)
    assert "Traceback" not in output


def test_per_source_selection_attacks_what_each_source_gets_right(copy):
    attacks = [{"attack": "i_fgsm", "epsilon": 0.2, "steps": 3, "goal": "least_likely"}]
    copy.write({**STUDY, "selection": {"images": "per_source", "n": 150}, "attacks": attacks})
    copy.snakemake()
    for source in MODELS[:2]:
        predictions = pd.read_parquet(copy.results / "predictions" / f"{source}.parquet").set_index("image_id")
        selection = pd.read_parquet(copy.results / "selection.parquet")
        made = pd.read_parquet(copy.results / "adversarials" / "i_fgsm-least_likely" / f"{source}.parquet")
        right = predictions.loc[selection["image_id"], "correct"]
        assert made["image_id"].tolist() == right[right].index.tolist()
        assert made["target"].tolist() == predictions.loc[made["image_id"], "least_likely"].tolist()
    transfer = copy.table("transfer")
    across = transfer[(transfer["source"] == "lenet_msra") & (transfer["target"] == "lenet_xavier")]
    sizes = across.drop_duplicates("denominator").set_index("denominator")["n"]
    assert sizes["clean_correct"] < sizes["all"] < 150


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "study=mnist_quik"], "did you mean 'mnist_quick'"),
        (["--config", "results_dir=mine.yaml"], "config.yaml: results_dir: nothing can be written in"),
        (["--config", "evaluator=hot"], "config.yaml: evaluator: 'hot' is not one of: warm, cold"),
        (["--config", "study=bad.yaml"], r"bad.yaml: attacks[0].epsilon: 3 is outside (0, 1]"),
    ],
)
def test_a_mistake_ends_with_one_line_before_anything_runs(tmp_path, arguments, message):
    run = Run(tmp_path)
    run.write(STUDY)
    bad = {**STUDY, "attacks": [{"attack": "fgsm", "epsilon": 3}]}
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(bad))
    output = run.snakemake(*arguments, code=1)
    lines = [line for line in output.splitlines() if "advatlas:" in line]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in output
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("kept", ["successful", "none"])
def test_adversarials_go_when_every_target_has_seen_them(copy, kept):
    before = copy.bytes_of_tables()
    success = copy.table("success").set_index(["setting", "source"])["count"]
    shutil.rmtree(copy.results / "transfer" / "fgsm-epsilon0.1")
    shutil.rmtree(copy.results / "adversarials")
    copy.snakemake("--config", f"keep_adversarials={kept}")
    assert copy.bytes_of_tables() == before
    assert not list((copy.results / "adversarials").rglob("*.parquet"))
    files = list((copy.results / "successful").rglob("*.parquet"))
    assert len(files) == (len(SETTINGS) * len(MODELS) if kept == "successful" else 0)
    for file in files:
        rows = pd.read_parquet(file)
        assert len(rows) == success[file.parent.name, file.stem]
        assert rows["success"].all()
    assert "Nothing to be done" in copy.snakemake("--config", f"keep_adversarials={kept}")


def test_the_cost_stands_beside_the_estimate(finished):
    cost = finished.table("cost").set_index("stage")
    assert cost.loc["transfer", "jobs"] == cost.loc["transfer", "measured"] == len(SETTINGS) * len(MODELS) ** 2
    assert cost.loc["attack", "jobs"] == cost.loc["attack", "measured"] == len(SETTINGS) * len(MODELS)
    assert cost.loc["models", "measured"] == len(MODELS)
    assert (cost.loc[["models", "predict", "attack", "transfer"], "seconds"] > 0).all()
    assert (cost["estimated_seconds"] > 0).all()
    size = sum(path.stat().st_size for path in (finished.results / "adversarials").rglob("*.parquet"))
    assert cost.loc["attack", "gigabytes"] == pytest.approx(size / 1e9)
    assert "core hours" in finished.output


class Elsewhere(Run):
    """A finished run under a copy of the project, whose code can be edited."""

    def __init__(self, folder: Path, project: Path) -> None:
        super().__init__(folder)
        self.project = project

    def why(self) -> list[str]:
        """Return what ``advatlas why`` says, a line for each job."""
        done = subprocess.run(
            [sys.executable, "-m", "advatlas.cli", "why", "--project", str(self.project)],
            cwd=self.folder, text=True, capture_output=True, check=False,
            env={**os.environ, "PYTHONPATH": str(self.project / "src")},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return [line for line in done.stdout.splitlines() if not line.startswith("nothing would run")]

    def edited(self, module: str, text: str) -> list[str]:
        """Return why jobs would run with a text put at the end of a module."""
        path = self.project / "src" / "advatlas" / module
        before = path.read_text()
        path.write_text(before + text)
        try:
            return self.why()
        finally:
            path.write_text(before)


def test_an_edit_reruns_what_it_changes_and_nothing_else(copy, tmp_path):
    project = tmp_path / "project"
    for name in ("src", "workflow", "studies", "profiles", "resources"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", project)
    run = Elsewhere(copy.folder, project)
    # The papers' numbers and the page's template lie elsewhere now; nothing else hangs on where the project is.
    moved = run.why()
    assert {line.split(" ")[0] for line in moved} <= {"analyse", "write_report", "export_tables"}
    assert run.edited("attacks/one_pixel.py", "# a comment\n") == moved
    assert run.edited("attacks/__init__.py", "# a comment\n") == moved

    lines = run.edited("attacks/one_pixel.py", "CONSTANT = 1\n")
    crafted = [line for line in lines if line.startswith("generate_adversarials")]
    assert len(crafted) == len(MODELS)
    assert all("/one_pixel/" in line and "the library code behind it has changed" in line for line in crafted)
    shown = [line for line in lines if line.startswith("evaluate_transfer")]
    assert len(shown) == len(MODELS) ** 2
    assert all("/one_pixel/" in line for line in shown)
    assert not [line for line in lines if line.startswith(("train_model", "predict ", "select_images"))]

    lines = [
        line for line in run.edited("figures/complexity.py", "CONSTANT = 1\n") if not line.startswith("write_report")
    ]
    (drawn,) = set(lines) - set(moved)
    assert drawn.startswith("plot results/mine/figures/complexity.png: the library code")

    lines = run.edited("stages/evaluate.py", "CONSTANT = 1\n")
    assert not [line for line in lines if line.startswith("generate_adversarials")]
    assert len([line for line in lines if line.startswith("evaluate_transfer")]) == len(SETTINGS) * len(MODELS) ** 2

    copy.write({**STUDY, "selection": {"images": "common", "n": 39}})
    lines = run.why()
    assert lines[0].startswith("select_images results/mine/selection.parquet: its settings have changed")
    assert not [line for line in lines if line.startswith(("train_model", "predict "))]
