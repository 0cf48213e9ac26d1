"""What tests of the workflow share: a small study, and a folder in which real Snakemake runs it."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import yaml

from tests.conftest import ROOT

STUDY = {
    "description": "two LeNets, and one that cannot train",
    "paper": "bendaya2020",
    "seed": 1,
    "dataset": {"name": "mnist_sample", "train": 800, "validation": 100, "test": 200},
    "training": {"epochs": 6, "batch_size": 16, "min_accuracy": 0.5},
    "models": [
        {"architecture": "lenet", "initialisation": ["msra", "xavier"], "width": 0.5},
        {
            "architecture": "lenet",
            "initialisation": "gaussian",
            "name": "lenet_never",
            "width": 0.5,
            "gaussian_std": 1e-6,
            "training": {"epochs": 1},
        },
    ],
    "selection": {"images": "common", "n": 40},
    "attacks": [
        {"attack": "fgsm", "epsilon": [0.1, 0.2]},
        {"attack": "i_fgsm", "epsilon": 0.2, "goal": ["untargeted", "random"], "steps": 5},
        {"attack": "one_pixel", "population": 8, "generations": 2},
    ],
}
SETTINGS = ["fgsm-epsilon0.1", "fgsm-epsilon0.2", "i_fgsm", "i_fgsm-random", "one_pixel"]
MODELS = ["lenet_msra", "lenet_xavier", "lenet_never"]
REPRODUCED = [
    "models", "predictions", "training", "success", "transfer", "outcomes", "examples",
    "robustness", "frontier", "families", "asymmetry", "ranking", "sweeps",
]  # fmt: skip


class Run:
    """A folder in which a study is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results" / "mine"

    def write(self, study: dict, **config: object) -> None:
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(study))
        (self.folder / "config.yaml").write_text(yaml.safe_dump({"study": "mine.yaml", "device": "cpu", **config}))

    def command(self, *arguments: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            str(ROOT / "Snakefile"),
            "--cores",
            "2",
            *arguments,
        ]

    def start(self, *arguments: str, limits: tuple[int, tuple[int, int]] | None = None) -> subprocess.Popen[str]:
        """Start a run and return at once; ``limits`` are a resource and its limits."""

        def prepare() -> None:
            # Whoever runs the tests in the background may have had them ignore Ctrl-C.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if limits:
                resource.setrlimit(*limits)

        return subprocess.Popen(
            self.command(*arguments), cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=prepare,
        )  # fmt: skip

    def snakemake(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            text=True,
            capture_output=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return the jobs a run would do, by rule."""
        output = self.snakemake("-n", *arguments)
        jobs = dict(re.findall(r"^\s*([a-z_ ]+?)\s{2,}(\d+)\s*$", output, re.MULTILINE))
        return {rule.replace(" ", "_"): int(count) for rule, count in jobs.items() if rule not in ("total", "all")}

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.results / "tables" / f"{name}.parquet")

    def bytes_of_tables(self) -> dict[str, bytes]:
        return {name: (self.results / "tables" / f"{name}.parquet").read_bytes() for name in REPRODUCED}

    def strays(self) -> list[str]:
        """Return unfinished files and evaluators that outlived their run."""
        files = [str(p) for p in self.folder.rglob("*") if p.suffix == ".part" or ".tmp" in p.suffixes]
        servers = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            line = " ".join(process.info["cmdline"] or [])
            if "advatlas.evaluator.server" in line and process.info["cwd"] == str(self.folder):
                servers.append(line)
        return files + servers

    def no_strays(self) -> bool:
        deadline = time.monotonic() + 15
        while self.strays() and time.monotonic() < deadline:
            time.sleep(0.2)
        return not self.strays()
