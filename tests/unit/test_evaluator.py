"""The warm evaluator: answers, survives bad requests, is restarted when it dies, and leaves with its run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from advatlas.locks import lock_folder
from tests.conftest import ROOT

CLIENT = ROOT / "src" / "advatlas" / "evaluator" / "client.py"
ARGUMENTS = ["adversarials", "images", "weights", "card", "predictions"]


@pytest.fixture
def owner():
    """A process that stands for the run; the evaluators leave with it."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def client(tmp_path: Path, owner, **environment: str) -> subprocess.CompletedProcess[str]:
    files = [f"{name}={tmp_path / f'no-{name}'}" for name in ARGUMENTS]
    command = [sys.executable, "-S", "-E", str(CLIENT), *files, f"output={tmp_path / 'out' / 'x.parquet'}"]
    command += ["device=cpu", "top_k=5", "fits=white", "eight_bit=yes", "batch_size=8", "threads=1"]
    env = {
        **os.environ,
        "ADVATLAS_RUN_PID": str(owner.pid),
        "ADVATLAS_SLOTS": "1",
        "ADVATLAS_SOCKETS": str(tmp_path / "test"),
        "ADVATLAS_LOGS": str(tmp_path / "logs"),
        **environment,
    }
    return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)


def servers(tmp_path: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if "advatlas.evaluator.server" in " ".join(process.info["cmdline"] or []) and process.info["cwd"] == str(
            tmp_path
        ):
            found.append(process)
    return found


def gone(tmp_path: Path, seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while servers(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not servers(tmp_path)


def test_an_error_comes_back_to_the_job_and_the_evaluator_goes_on(tmp_path, owner):
    first = client(tmp_path, owner)
    assert first.returncode == 1
    assert "advatlas: " in first.stderr
    assert "no-images: no such file" in first.stderr or "no-adversarials: no such file" in first.stderr
    assert "Traceback" not in first.stderr
    (server,) = servers(tmp_path)
    started = time.monotonic()
    assert client(tmp_path, owner).returncode == 1
    assert time.monotonic() - started < 5
    assert [s.pid for s in servers(tmp_path)] == [server.pid]
    assert not list((tmp_path / "out").iterdir())


def test_it_leaves_with_its_run(tmp_path, owner):
    client(tmp_path, owner)
    assert servers(tmp_path)
    owner.kill()
    owner.wait()
    assert gone(tmp_path)


def test_a_dead_one_is_replaced(tmp_path, owner):
    client(tmp_path, owner)
    (server,) = servers(tmp_path)
    server.send_signal(signal.SIGKILL)
    server.wait(10)
    again = client(tmp_path, owner)
    assert "no such file" in again.stderr
    assert len(servers(tmp_path)) == 1


def test_other_code_has_an_evaluator_of_its_own(tmp_path, owner):
    client(tmp_path, owner)
    client(tmp_path, owner, ADVATLAS_SOCKETS=str(tmp_path / "other"))
    assert len(servers(tmp_path)) == 2


def test_nonsense_on_the_socket_does_not_end_it(tmp_path, owner):
    client(tmp_path, owner)
    (server,) = servers(tmp_path)
    line = server.cmdline()
    path = line[line.index("--socket") + 1]
    for message in (b"", b"\n", b"no fields\n", b"part=x\n", b"\xff\n"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(message)
    assert "no such file" in client(tmp_path, owner).stderr
    assert server.is_running()


def test_cold_says_the_same(tmp_path, owner):
    cold = client(tmp_path, owner, ADVATLAS_EVALUATOR="cold")
    assert cold.returncode == 1
    assert "no such file" in cold.stderr
    assert not servers(tmp_path)


def test_the_lock_folder_is_private():
    assert lock_folder().stat().st_mode & 0o077 == 0
