"""Faults in small runs: after each, one more run must give the tables of an undisturbed one.

Run as ``python -m tests.faults.soak --rounds 50``; each round plants at least one fault, seeded by its number, in a study
that is partly to be made again, and prints what it did. The count of faults stands at the end. CI runs a few rounds
(``test_faults.py``); run more before a release.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

from tests.workflow.running import Run

STUDY = {
    "description": "small, to be disturbed",
    "seed": 1,
    "dataset": {"name": "mnist_sample", "train": 400, "validation": 100, "test": 200},
    "training": {"epochs": 2, "batch_size": 16, "min_accuracy": 0.0},
    "models": [{"architecture": "lenet", "initialisation": ["msra", "xavier"], "width": 0.5}],
    "selection": {"images": "per_source", "n": 40},
    "attacks": [{"attack": "fgsm", "epsilon": [0.1, 0.2]}],
    "figures": [],
}
# Seconds within which faults are planted; a round's run takes about twice this on two cores.
WINDOW = 8.0


class Disturbed(Run):
    """A finished study, and ways to disturb its being made again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.expected: dict[str, pa.Table] = {}

    def finish(self) -> None:
        """Make the study undisturbed and remember its tables."""
        self.write(STUDY)
        self.snakemake()
        self.expected = self.tables()

    def tables(self) -> dict[str, pa.Table]:
        """Return what equal runs make equal of the tables: all but measured times."""
        found = sorted((self.results / "tables").glob("*.parquet"))
        read = {path.stem: pq.read_table(path) for path in found if path.stem not in ("timing", "cost")}
        return {name: t.drop_columns("seconds") if "seconds" in t.column_names else t for name, t in read.items()}

    def artifacts(self) -> list[Path]:
        """Return the files that jobs read, in a fixed order."""
        folders = [self.results, self.folder / "results" / "models", self.folder / "results" / "data"]
        kinds = {".parquet", ".safetensors", ".json"}
        files = {path for folder in folders for path in folder.rglob("*") if path.suffix in kinds}
        return sorted(path for path in files if ".shards" not in str(path))

    def forget(self, chance: random.Random) -> None:
        """Remove some results, so that there is something to make."""
        for setting in (self.results / "adversarials").iterdir():
            if chance.random() < 0.6:
                (setting / f"lenet_{chance.choice(['msra', 'xavier'])}.parquet").unlink(missing_ok=True)
        for pair in sorted((self.results / "transfer").rglob("*.parquet")):
            if chance.random() < 0.5:
                pair.unlink()
        if chance.random() < 0.2:
            shutil.rmtree(self.folder / "results" / "models")
        (self.results / "tables" / "transfer.parquet").unlink(missing_ok=True)

    def processes(self, word: str) -> list[psutil.Process]:
        """Return this run's processes whose command line has a word in it."""
        found = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            line = " ".join(process.info["cmdline"] or [])
            if word in line and process.info["cwd"] == str(self.folder):
                found.append(process)
        return found


def kill(run: Disturbed, process: subprocess.Popen[str], word: str, chance: random.Random) -> bool:
    """Kill one of the run's processes of a kind, waiting for one for a while; return whether there was one."""
    deadline = time.monotonic() + WINDOW
    while time.monotonic() < deadline and process.poll() is None:
        processes = run.processes(word)
        if processes:
            with suppress(psutil.NoSuchProcess):
                chance.choice(processes).kill()
                return True
        time.sleep(0.02)
    return False


# Faults of files, planted before the run.


def truncated(run: Disturbed, chance: random.Random) -> None:
    path = chance.choice(run.artifacts())
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(1, len(content))])


def emptied(run: Disturbed, chance: random.Random) -> None:
    chance.choice(run.artifacts()).write_bytes(b"")


def flipped(run: Disturbed, chance: random.Random) -> None:
    path = chance.choice(run.artifacts())
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def not_a_number(run: Disturbed, chance: random.Random) -> None:
    """A network whose weights are NaN."""
    weights = sorted((run.folder / "results" / "models").rglob("*.safetensors"))
    if weights:
        path = chance.choice(weights)
        save_file({name: np.full_like(value, np.nan) for name, value in load_file(path).items()}, path)
        (run.results / "tables" / "models.parquet").unlink(missing_ok=True)
        (run.results / "predictions" / f"{path.parent.name.rpartition('-')[0]}.parquet").unlink(missing_ok=True)


def clock_set_back(run: Disturbed, chance: random.Random) -> None:
    """Files that were made before the clock was set back by an hour."""
    later = time.time() + 3600
    for path in run.artifacts():
        if chance.random() < 0.5:
            os.utime(path, (later, later))


# Faults of processes, planted while it runs; they return whether they came in time.


def job_killed(run: Disturbed, process: subprocess.Popen[str], chance: random.Random) -> bool:
    return kill(run, process, ".snakemake/scripts", chance)


def client_killed(run: Disturbed, process: subprocess.Popen[str], chance: random.Random) -> bool:
    return kill(run, process, "evaluator/client.py", chance)


def evaluator_killed(run: Disturbed, process: subprocess.Popen[str], chance: random.Random) -> bool:
    return kill(run, process, "advatlas.evaluator.server", chance)


def snakemake_killed(run: Disturbed, process: subprocess.Popen[str], chance: random.Random) -> bool:
    """With its jobs, as when a machine is switched off: jobs that went on alone would write what nobody waits for."""
    time.sleep(chance.uniform(1, WINDOW / 2))
    if process.poll() is not None:
        return False
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    return True


def interrupted(run: Disturbed, process: subprocess.Popen[str], chance: random.Random) -> bool:
    """Ctrl-C."""
    time.sleep(chance.uniform(1, WINDOW / 2))
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGINT)
    return True


def run_twice(run: Disturbed, process: subprocess.Popen[str], chance: random.Random) -> bool:
    """A second Snakemake in the same folder."""
    together = process.poll() is None
    run.start().communicate(timeout=300)
    return together


FILE_FAULTS: dict[str, Callable[[Disturbed, random.Random], None]] = {
    f.__name__: f for f in (truncated, emptied, flipped, not_a_number, clock_set_back)
}
ProcessFault = Callable[[Disturbed, "subprocess.Popen[str]", random.Random], bool]
JOB_FAULTS: dict[str, ProcessFault] = {f.__name__: f for f in (job_killed, client_killed, evaluator_killed)}
RUN_FAULTS: dict[str, ProcessFault] = {f.__name__: f for f in (snakemake_killed, interrupted, run_twice)}
# Faults of the place where results go. "full": files cannot grow beyond some kilobytes; "small": a file system of one
# megabyte; "read_only": nothing can be written there. The last two need the right to mount.
PLACE_FAULTS = ("full", "small", "read_only")


def mounted(run: Disturbed, kind: str) -> bool:
    """Put results on a file system of their own that is full or cannot be written; return whether that is allowed."""
    results = run.folder / "results"
    aside = run.folder / "results.aside"
    if kind == "read_only":
        made = subprocess.run(["mount", "--bind", results, results], capture_output=True, check=False).returncode == 0
        return made and subprocess.run(["mount", "-o", "remount,ro,bind", results], check=False).returncode == 0
    size = sum(4 * (path.stat().st_size // 4096 + 2) for path in results.rglob("*")) + 500
    results.rename(aside)
    results.mkdir()
    options = ["-o", f"size={size}k", "tmpfs"]
    made = subprocess.run(["mount", "-t", "tmpfs", *options, results], capture_output=True, check=False).returncode == 0
    if made:
        shutil.copytree(aside, results, dirs_exist_ok=True)
        (results / "ballast").write_bytes(bytes(max(0, shutil.disk_usage(results).free - 40_000)))
        return True
    results.rmdir()
    aside.rename(results)
    return False


def unmounted(run: Disturbed, kind: str) -> None:
    """Take the file system away; what was written to a small one is what remains."""
    results, aside = run.folder / "results", run.folder / "results.aside"
    if kind == "small":
        shutil.rmtree(aside)
        shutil.copytree(results, aside)
        (aside / "ballast").unlink(missing_ok=True)
    subprocess.run(["umount", "-l", results], check=True)
    if kind == "small":
        results.rmdir()
        aside.rename(results)


def planted(run: Disturbed, seed: int) -> list[str]:
    """Disturb one run with the faults of a seed; return their names."""
    chance = random.Random(seed)
    run.forget(chance)
    names = chance.sample(sorted(FILE_FAULTS), chance.randint(1, 3))
    for name in names:
        FILE_FAULTS[name](run, chance)
    place = chance.choice(PLACE_FAULTS) if chance.random() < 0.25 else None
    on = place in ("small", "read_only") and mounted(run, place)
    limits = (resource.RLIMIT_FSIZE, (20_000, 20_000)) if place == "full" else None
    process = run.start(limits=limits)
    # What it prints is read all the time: a full pipe would stop it.
    said = Output(process)
    try:
        if place is None:
            faults = {name: JOB_FAULTS[name] for name in chance.sample(sorted(JOB_FAULTS), chance.randint(1, 3))}
            if chance.random() < 0.6:
                name = chance.choice(sorted(RUN_FAULTS))
                faults[name] = RUN_FAULTS[name]
            names += [name for name, fault in faults.items() if fault(run, process, chance)]
        elif on or place == "full":
            names.append(place)
        process.wait(timeout=600)
    finally:
        if on:
            unmounted(run, place)
    text = said.text()
    assert "Traceback" not in text or "snakemake" in text.split("Traceback")[1][:400], text
    return names


class Output(threading.Thread):
    """Reads what a process prints, beside everything else."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        assert process.stdout is not None
        self.stream, self.read = process.stdout, ""
        self.start()

    def run(self) -> None:
        self.read = self.stream.read()

    def text(self) -> str:
        """Return all of it, once the process has ended."""
        self.join(timeout=30)
        return self.read


def check(run: Disturbed, seed: int) -> None:
    """One more run must give the tables of the undisturbed one, and leave nothing."""
    said = run.snakemake()
    tables = run.tables()
    assert tables.keys() == run.expected.keys(), f"seed {seed}: {tables.keys() ^ run.expected.keys()}\n{said}"
    different = [name for name, table in run.expected.items() if not tables[name].equals(table)]
    assert not different, f"seed {seed}: tables differ: {different}\n{said}"
    assert run.no_strays(), f"seed {seed}: {run.strays()}"
    for left in run.folder.rglob("*.damaged"):
        left.unlink()


def soak(folder: Path, seeds: range) -> Counter[str]:
    """Disturb a study once for each seed; return the faults planted.

    Raises:
        AssertionError: a run did not come back to the tables of the undisturbed one.
    """
    run = Disturbed(folder)
    run.finish()
    faults: Counter[str] = Counter()
    for seed in seeds:
        started = time.monotonic()
        names = planted(run, seed)
        check(run, seed)
        faults.update(names)
        print(f"seed {seed}: {', '.join(names) or 'none'} ({time.monotonic() - started:.0f} s)", flush=True)
    return faults


def main() -> None:
    """Run as many rounds as asked and print the count of faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        faults = soak(Path(folder), range(arguments.first, arguments.first + arguments.rounds))
    print(f"{sum(faults.values())} faults in {arguments.rounds} runs, each followed by equal tables: {dict(faults)}")


if __name__ == "__main__":
    sys.exit(main())
