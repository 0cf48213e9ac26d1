"""The pipeline on a real SLURM of one node, which the test brings up and takes down."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.soak import STUDY, Disturbed

CLUSTER = Path(__file__).parent / "cluster.sh"
LACKING = [name for name in ("slurmctld", "slurmd", "munged") if shutil.which(name, path="/usr/sbin:/usr/bin") is None]

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(
        bool(LACKING), reason=f"SLURM is not installed (no {', '.join(LACKING)}): apt install slurm-wlm munge"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can bring up a SLURM cluster"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cluster")
    try:
        up = subprocess.run([CLUSTER, "up", folder], capture_output=True, text=True, timeout=120, check=False)
        if up.returncode:
            logs = "\n".join(log.read_text()[-1500:] for log in folder.glob("*.log"))
            pytest.fail(f"the cluster did not come up: {up.stdout}{up.stderr}\n{logs}")
        yield folder
    finally:
        subprocess.run([CLUSTER, "down", folder], check=False)


class OnCluster(Disturbed):
    """A run by the profile; its states are asked for more often than a real cluster would like."""

    def command(self, *arguments: str) -> list[str]:
        local = super().command()
        profile = ["--workflow-profile", str(ROOT / "profiles" / "slurm")]
        often = ["--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "3"]
        return [*local[: local.index("--cores")], *profile, *often, *arguments]


def test_tables_are_those_of_a_local_run(cluster, tmp_path):
    local, remote = Disturbed(tmp_path / "local"), OnCluster(tmp_path / "remote")
    for run in (local, remote):
        run.folder.mkdir()
        run.write(STUDY)
    local.snakemake()
    said = remote.snakemake()
    here, there = local.tables(), remote.tables()
    assert here.keys() == there.keys()
    assert [name for name in here if not here[name].equals(there[name])] == []
    submitted = re.findall(r"slurm_logs/(\w+?)_(\w+)", said)
    groups = [name for kind, name in submitted if kind == "group"]
    # 8 pairs of 2 targets, and all tables, in few submissions.
    assert len([name for name in groups if name.startswith("pairs")]) == 2
    assert len(submitted) <= 20
    assert remote.no_strays(), remote.strays()


def test_jobs_hold_different_gpus(cluster):
    """What profile and rules rely on: each job sees one GPU, and no two at once the same."""
    step = ["srun", "--gpus=1", "--cpus-per-task=1", "bash", "-c", "echo $CUDA_VISIBLE_DEVICES; sleep 5"]
    jobs = [subprocess.Popen(step, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(job.communicate(timeout=60)[0].strip() for job in jobs) == ["0", "1"]
