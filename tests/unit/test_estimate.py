"""What a study will cost, and the small commands around a run."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from advatlas import cli
from advatlas.clock import date_now
from advatlas.estimate import JOB_SECONDS, MACS_PER_SECOND, Costs, describe, estimate, minutes, passes_of
from advatlas.models.complexity import count_macs
from advatlas.models.small import ARCHITECTURES
from advatlas.reading.study import open_study
from advatlas.reasons import short
from tests.conftest import ROOT


def study_of(name: str):
    return open_study({"study": name}, ROOT, dry_run=True)[1]


def test_work_is_counted_in_passes():
    study = study_of("mnist_quick")
    costs = Costs(study)
    lenet = count_macs(ARCHITECTURES["lenet"](1, 28, 10, 1.0), (1, 28, 28))
    assert costs.models["lenet_xavier"].macs == lenet
    assert (costs.candidates, costs.selected) == (1000, 200)
    assert costs.prediction("lenet_xavier") == 1000 * lenet
    assert costs.training("lenet_xavier") == 3 * 6 * 3500 * lenet
    fgsm, i_fgsm = study.setting("fgsm-epsilon0.1"), study.setting("i_fgsm-epsilon0.1")
    assert costs.attack(fgsm, "lenet_xavier") == 200 * 2 * lenet
    assert costs.attack(i_fgsm, "lenet_xavier") == 200 * 2 * 10 * lenet
    assert costs.pair(fgsm, "lenet_xavier") == 200 * 2 * lenet  # as they are, and rounded
    table = estimate(study).set_index("stage")
    assert table.loc["transfer", "jobs"] == 12 * 12 * 7
    assert table.loc["attack", "jobs"] == 12 * 7
    assert table.loc["total", "macs"] == table["macs"].drop("total").sum()
    assert table.loc["predict", "cpu_hours"] == pytest.approx(
        (table.loc["predict", "macs"] / MACS_PER_SECOND["cpu"] + 12 * JOB_SECONDS) / 3600
    )


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "studies").glob("*.yaml")])
def test_every_study_is_estimated(name):
    study = study_of(name)
    table = estimate(study).set_index("stage")
    assert (table.loc[["predict", "attack", "transfer", "total"], "macs"] > 0).all()
    said = describe(study, estimate(study), free=1e15)
    assert said.startswith(f"{study.name}: {len(study.models)} models")
    assert "GB are free" not in said
    assert "0.0 GB are free where results go" in describe(study, estimate(study), free=1)


def test_passes():
    assert passes_of("fgsm", {"epsilon": 0.1}) == 1
    assert passes_of("carlini_wagner", {"steps": 100, "search_steps": 9}) == 900
    assert passes_of("ead", {"steps": 100, "search_steps": 9}) == 1800
    assert passes_of("square", {"queries": 300}) == 150
    assert passes_of("one_pixel", {"population": 20, "generations": 10}) == 100


def test_averaging_costs_its_copies():
    costs = Costs(study_of("donoghue2020_small")).models
    assert costs["lite0_averaged"].macs == 4 * costs["lite0"].macs
    assert costs["lite0_averaged"].training == 0
    assert costs["lite0_trained"].training > costs["lite0"].training


def test_a_cluster_is_asked_for_thrice_the_time():
    assert minutes(0, "cpu", 10) == 10
    assert minutes(60 * MACS_PER_SECOND["cpu"], "cpu", 10) == 13


def test_reasons_are_short():
    before = "Params have changed since last execution: before: '0123456789abcdef' now: 'fedcba9876543210'"
    assert short(before) == "the library code behind it has changed"
    assert short("Missing output files: a; Input files updated by another job: b") == (
        "missing output files: a; input files updated by another job: b"
    )
    assert short("Params have changed since last execution: 1 -> 2") == "its settings have changed: 1 -> 2"
    assert len(short("x" * 1000)) == 300


def test_files_from_the_future_are_dated_now(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    early, late = tmp_path / "early", tmp_path / "a" / "late"
    for file in (early, late):
        file.touch()
    os.utime(early, (1e9, 1e9))
    assert date_now(tmp_path, tmp_path / "absent") == 0
    os.utime(late, (time.time() + 3600,) * 2)
    assert date_now(tmp_path) == 1
    assert late.stat().st_mtime <= time.time()
    assert early.stat().st_mtime == 1e9
    assert "was the clock set back" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["studies"], "mnist_quick\n    The default study"),
        (["estimate", "su2018"], "su2018: 18 models, 306 ordered pairs"),
    ],
)
def test_commands(monkeypatch, capsys, arguments, said):
    monkeypatch.setattr(sys, "argv", ["advatlas", *arguments])
    assert cli.main() == 0
    assert said in capsys.readouterr().out


def test_a_folder_without_the_project_is_a_clear_error(monkeypatch, capsys, tmp_path: Path):
    monkeypatch.setattr(sys, "argv", ["advatlas", "why", "--project", str(tmp_path)])
    with pytest.raises(SystemExit):
        cli.main()
    assert "no Snakefile there" in capsys.readouterr().err
