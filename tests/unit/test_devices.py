"""One job, one GPU: by lock, with pretended devices."""

from __future__ import annotations

import subprocess
import sys

import pytest

from advatlas import devices
from advatlas.errors import AdvatlasError
from advatlas.locks import clear_stale_locks


@pytest.fixture
def three_gpus(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)


def test_jobs_hold_different_devices(three_gpus):
    with devices.device_slot("auto") as a, devices.device_slot("cuda") as b, devices.device_slot("auto") as c:
        assert {a, b, c} == {"cuda:0", "cuda:1", "cuda:2"}
    with devices.device_slot("cuda") as again:
        assert again == "cuda:0"


def test_an_evaluator_goes_back_to_its_own_device(three_gpus):
    with devices.device_slot("cuda", prefer=2) as own, devices.device_slot("cuda", prefer=2) as next_best:
        assert (own, next_best) == ("cuda:2", "cuda:0")


def test_a_slot_is_free_when_its_job_is_killed(three_gpus, tmp_path):
    script = (
        "import torch, time; torch.cuda.is_available = lambda: True\n"
        "from advatlas.devices import device_slot\n"
        "with device_slot('cuda') as name: print(name, flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline().strip() == "cuda:0"
    with devices.device_slot("cuda") as name:
        assert name == "cuda:1"
    holder.kill()
    holder.wait()
    with devices.device_slot("cuda") as name:
        assert name == "cuda:0"


def test_cpu_takes_no_lock(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with devices.device_slot("auto") as one, devices.device_slot("cpu") as two:
        assert one == two == "cpu"
    with pytest.raises(AdvatlasError, match="finds no GPU"), devices.device_slot("cuda"):
        pass


def test_a_stale_lock_is_taken_away_unless_a_run_is_alive(tmp_path, monkeypatch):
    monkeypatch.setattr("advatlas.locks._held", None)
    stale = tmp_path / "locks" / "0.output.lock"
    stale.parent.mkdir()
    stale.write_text("x")
    script = (
        "import sys, time; from pathlib import Path; from advatlas.locks import clear_stale_locks\n"
        f"print(clear_stale_locks(Path({str(tmp_path)!r})), flush=True); time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline().strip() == "True"
    assert not stale.exists()
    stale.write_text("the living run's")
    assert clear_stale_locks(tmp_path) is False
    assert stale.exists()
    other.kill()
    other.wait()
    assert clear_stale_locks(tmp_path) is True
    assert not stale.exists()
