"""One finished run of the small study for all files of tests, whichever worker of pytest-xdist comes first."""

from __future__ import annotations

import pytest
from filelock import FileLock

from tests.workflow.running import STUDY, Run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Run:
    """A finished run that nobody changes, with what it printed as ``output``."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    with FileLock(f"{folder}.lock"):
        run, said = Run(folder), folder / "output.txt"
        if not said.exists():
            folder.mkdir()
            run.write(STUDY)
            said.write_text(run.snakemake())
        run.output = said.read_text()
    return run
