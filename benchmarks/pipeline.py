"""What the pipeline costs on top of the work itself: cached pairs against a plain loop in one process.

Run as ``python -m benchmarks.pipeline [CASE ...]``; without cases all of them, in the order of :data:`CASES`. Studies of
small networks on the embedded digits are made in a temporary folder (or in ``--folder``, which is kept and gone on
from). Each case prints its measurements and puts them into ``benchmarks/results/pipeline.json``.

The rival is the loop a researcher writes: all models and all adversarials in memory, one ``model(images).argmax(1)`` a pair
and precision, nothing stored. It runs in this process, with torch's default of threads.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import torch
import yaml

from advatlas.data.dataset import Source
from advatlas.data.splits import load_split
from advatlas.models.small import ARCHITECTURES
from advatlas.models.zoo import load_card, load_classifier
from advatlas.progress import silent
from advatlas.reading.study import open_study
from advatlas.stages.generate import generate_adversarials, load_adversarials
from advatlas.stages.predict import predict
from advatlas.stages.prepare import prepare_data
from advatlas.stages.select import cut_images, select_images
from advatlas.stages.train import train
from advatlas.storage.artifacts import read_artifact, write_artifact
from advatlas.storage.tensors import tensor_column

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "pipeline.json"
PICTURE = ROOT / "docs" / "gallery" / "pipeline_linear.png"
CORES = os.cpu_count() or 1
EPSILONS = [round(0.02 * step, 2) for step in range(1, 11)]


@dataclass(frozen=True)
class Workload:
    """A study of ``models`` small networks, ``images`` digits and ``settings`` attack settings, in a folder."""

    folder: Path
    models: int = 18
    images: int = 64
    settings: int = 1
    width: float = 0.5
    architectures: tuple[str, ...] = ("lenet",)

    @property
    def name(self) -> str:
        kind = f"w{self.width:g}" if len(self.architectures) == 1 else f"mixed_w{self.width:g}"
        return f"{kind}_m{self.models}_i{self.images}_s{self.settings}"

    @property
    def names(self) -> list[str]:
        """The names of the models."""
        return [f"network{index:03d}" for index in range(self.models)]

    @property
    def results(self) -> Path:
        return self.folder / "results" / self.name

    @property
    def pairs(self) -> int:
        return self.models**2 * self.settings

    def write(self) -> None:
        """Write the study and the configuration."""
        study = {
            "description": "a benchmark",
            "seed": 1,
            "dataset": {"name": "mnist_sample", "train": 400, "validation": 100, "test": 2000},
            "training": {"epochs": 1, "batch_size": 16, "min_accuracy": 0.0},
            "models": [
                {"architecture": architecture, "initialisation": "xavier", "name": name, "width": self.width}
                for name, architecture in zip(self.names, itertools.cycle(self.architectures), strict=False)
            ],
            "selection": {"images": "per_source", "n": self.images},
            "attacks": [{"attack": "fgsm", "epsilon": EPSILONS[: self.settings]}],
            "figures": [],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{self.name}.yaml").write_text(yaml.safe_dump(study))
        (self.folder / "config.yaml").write_text(yaml.safe_dump({"study": f"{self.name}.yaml", "device": "cpu"}))

    def snakemake(self, target: str, *arguments: str, evaluator: str = "warm") -> tuple[float, str]:
        """Run Snakemake to its end; return its seconds and what it printed.

        Raises:
            RuntimeError: it failed.
        """
        started = time.perf_counter()
        done = subprocess.run(
            self.command(target, *arguments, evaluator=evaluator),
            cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])
        return time.perf_counter() - started, done.stdout + done.stderr

    def command(self, target: str, *arguments: str, evaluator: str = "warm") -> list[str]:
        """Return a command line of Snakemake, having written the study."""
        self.write()
        snakemake = [sys.executable, "-m", "snakemake", target, "--snakefile", str(ROOT / "Snakefile")]
        config = ["--config", f"study={self.name}.yaml", f"evaluator={evaluator}"]
        return [*snakemake, "--cores", str(CORES), *arguments, *config]

    def pair_files(self) -> list[Path]:
        """Return the files of the pairs that are there."""
        return list((self.results / "transfer").rglob("*.parquet"))

    def prepare(self) -> None:
        """Make all that pairs are made of by the library's functions, in this process: it is not what is measured."""
        self.write()
        config = {"study": str(self.folder / f"{self.name}.yaml"), "device": "cpu"}
        _, study = open_study(config, ROOT)
        root = self.folder / "results"
        candidates = root / "data" / study.dataset.identifier / "native.parquet"
        if not candidates.exists():
            prepare_data(study.dataset.options(), Source(Path("data"), False), candidates)
        files = {}
        for recipe in study.models:
            folder = root / "models" / study.model_folder(recipe.name)
            weights, card = folder / "weights.safetensors", folder / "card.json"
            predictions = self.results / "predictions" / f"{recipe.name}.parquet"
            files[recipe.name] = (predictions, weights, card)
            if not card.exists():
                history = folder / "training.parquet"
                train(dataclasses.asdict(recipe), candidates, weights, card, history, "cpu", silent(), None)
            if not predictions.exists():
                predict(candidates, weights, card, predictions, "cpu", 128)
        selection, images = self.results / "selection.parquet", self.results / "images" / "native.parquet"
        if not images.exists():
            select_images([f[0] for f in files.values()], study.selection_options(), 10, selection)
            cut_images(candidates, selection, images)
        for setting in study.settings:
            for name, (predictions, weights, card) in files.items():
                output = self.results / "adversarials" / setting.name / f"{name}.parquet"
                if not output.exists():
                    generate_adversarials(
                        setting.describe(), images, selection, predictions, weights, card, output, "cpu", 128, silent()
                    )

    def stage(self, evaluator: str = "warm") -> float:
        """Return the seconds of the whole evaluate stage: all pairs, none of which was there before."""
        self.prepare()
        for pair in self.pair_files():
            pair.unlink()
        seconds, _ = self.snakemake("pairs", evaluator=evaluator)
        assert len(self.pair_files()) == self.pairs
        return seconds

    def loop(self) -> float:
        """Return the seconds of the plain loop over the same pairs, what it reads included."""
        started = time.perf_counter()
        selected = load_split(self.results / "images" / "native.parquet", "test")
        cards = {load_card(path)["name"]: path for path in (self.folder / "results" / "models").rglob("card.json")}
        names = self.names
        models = {
            n: load_classifier(cards[n].parent / "weights.safetensors", load_card(cards[n]), "cpu") for n in names
        }
        fooled = []
        for setting in sorted((self.results / "adversarials").iterdir()):
            for source in names:
                stored = load_adversarials(setting / f"{source}.parquet", selected)
                _, images = stored.part(slice(None))
                labels = torch.as_tensor(stored.artifact.column("label"))
                for target in names:
                    with torch.inference_mode():
                        for shown in (images, (images * 255).round() / 255):
                            fooled.append(float((models[target](shown).argmax(1) != labels).float().mean()))
        assert len(fooled) == 2 * self.pairs
        return time.perf_counter() - started


def kinds(folder: Path, images: int) -> dict[str, Workload]:
    """Return the same number of pairs of narrow LeNets, which take 2 ms for 64 images, and of the library's small networks,
    two or three of each architecture at full width."""
    fitting = tuple(name for name, network in ARCHITECTURES.items() if network.min_size <= 28)
    return {
        "narrow LeNets": Workload(folder, images=images),
        "small networks": Workload(folder, images=images, width=1.0, architectures=fitting),
    }


def against_the_loop(folder: Path, images: int) -> dict[str, Any]:
    """Measure loop and pipeline for both kinds of networks."""
    measured = {}
    for name, work in kinds(folder, images).items():
        work.prepare()
        loop, warm = work.loop(), work.stage()
        measured[name] = {"pairs": work.pairs, "images": images, "loop": loop, "warm": warm, "ratio": warm / loop}
    return measured


def pairs_306(folder: Path) -> dict[str, Any]:
    """306 pairs and the diagonal, 64 images each, warm and the loop."""
    return against_the_loop(folder, 64)


def pairs_306_cold(folder: Path) -> dict[str, Any]:
    """The same with a process for each pair."""
    work = Workload(folder)
    work.prepare()
    loop, cold = work.loop(), work.stage("cold")
    return {"pairs": work.pairs, "images": 64, "loop": loop, "cold": cold, "ratio": cold / loop}


def pairs_1000_images(folder: Path) -> dict[str, Any]:
    """The same with 1,000 images a pair."""
    return against_the_loop(folder, 1000)


def nothing_to_do(folder: Path) -> dict[str, Any]:
    """A finished study asked for again: 306 pairs in one setting, and ten settings."""
    seconds = {}
    for settings in (1, 10):
        work = Workload(folder, settings=settings)
        work.prepare()
        work.snakemake("pairs")
        seconds[f"pairs_{work.pairs}"], said = work.snakemake("pairs")
        assert "Nothing to be done" in said
    return seconds


def one_source(folder: Path) -> dict[str, Any]:
    """One source of 18 gets other adversarials: which jobs run, and how long that takes beside the whole stage."""
    work = kinds(folder, 1000)["small networks"]
    full = work.stage()
    (changed,) = (work.results / "adversarials").rglob("network007.parquet")
    artifact = read_artifact(changed, "adversarials")
    columns = {name: artifact.table[name].to_pylist() for name in artifact.table.column_names}
    columns["perturbation"] = tensor_column(-artifact.tensor("perturbation"))
    write_artifact(changed, "adversarials", columns, artifact.metadata)
    before = {path: path.stat().st_mtime_ns for path in work.pair_files()}
    seconds, _ = work.snakemake("pairs")
    rerun = [path for path in work.pair_files() if path.stat().st_mtime_ns != before[path]]
    assert {path.parent.name for path in rerun} == {"network007"}
    empty, _ = work.snakemake("pairs")
    return {"jobs": len(rerun), "seconds": seconds, "nothing": empty, "full": full, "share": seconds / full,
            "share_of_the_jobs": (seconds - empty) / (full - empty)}  # fmt: skip


def pairs_3000(folder: Path) -> dict[str, Any]:
    """Ten settings: 3,240 ready pair jobs; what each costs beyond its work, which is the loop's share of the cores."""
    work = Workload(folder, settings=10)
    work.prepare()
    loop, warm = work.loop(), work.stage()
    return {"pairs": work.pairs, "loop": loop, "warm": warm, "overhead_ms": 1000 * (warm - loop / CORES) / work.pairs}


def pairs_9900(folder: Path, seconds: float = 120) -> dict[str, Any]:
    """100 models, 10,000 jobs: until the first pair is there, and the rate after that, over two minutes."""
    work = Workload(folder, models=100, images=16)
    work.prepare()
    for pair in work.pair_files():
        pair.unlink()
    started = time.perf_counter()
    process = subprocess.Popen(
        work.command("pairs"), cwd=work.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not work.pair_files() and process.poll() is None:
        time.sleep(0.1)
    first = time.perf_counter() - started
    time.sleep(seconds)
    done = len(work.pair_files())
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()
    return {"pairs": work.pairs, "first_pair": first, "after": seconds, "done": done, "ms_each": 1000 * seconds / done}


def linear(folder: Path) -> dict[str, Any]:
    """Seconds of the stage against models, images and settings, and a picture of it."""
    rows = []
    for axis, values in {
        "models": (6, 9, 12, 15, 18),
        "images": (64, 250, 500, 1000),
        "settings": (1, 3, 6, 10),
    }.items():
        for value in values:
            work = Workload(folder, **{axis: value})
            work.prepare()
            rows.append({"axis": axis, "value": value, "pairs": work.pairs, "seconds": work.stage()})
    draw(pd.DataFrame(rows))
    return {"rows": rows}


def draw(rows: pd.DataFrame) -> None:
    """Draw seconds against pairs and against images."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
    for axis, part in rows[rows["axis"] != "images"].groupby("axis"):
        axes[0].plot(part["pairs"], part["seconds"], "o-", label=f"more {axis}")
    part = rows[rows["axis"] == "images"]
    axes[1].plot(part["value"], part["seconds"], "o-", color="C2")
    axes[0].set(xlabel="pairs (64 images each)", ylabel="seconds of the stage", xlim=(0, None), ylim=(0, None))
    axes[1].set(xlabel=f"images a pair ({part['pairs'].iloc[0]} pairs)", xlim=(0, None))
    axes[0].legend()
    figure.savefig(PICTURE, dpi=120)


CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    function.__name__: function
    for function in (
        pairs_306,
        nothing_to_do,
        one_source,
        pairs_3000,
        pairs_1000_images,
        pairs_9900,
        linear,
        pairs_306_cold,
    )
}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--folder", type=Path, help="where the studies are made; kept (default: a temporary folder)")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.cases or CASES:
            measured = CASES[name](arguments.folder or Path(temporary))
            kept[name] = {**measured, "cores": CORES}
            print(f"{name}: {json.dumps(measured)}", flush=True)
            RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
