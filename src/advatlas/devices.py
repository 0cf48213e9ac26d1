"""Devices: one job, one GPU, by lock; and the number of CPU threads, on which floating-point bytes depend."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from advatlas.errors import AdvatlasError
from advatlas.locks import lock_folder

# Large networks on a CPU ask for and return hundreds of megabytes a pass: glibc keeping its memory, in huge pages, halves
# their time (benchmarks/networks.py). Read when a process starts, so it is set for jobs; other C libraries ignore it.
ALLOCATOR = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0"
    ":glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456"
)


def uses_gpu(device: str) -> bool:
    """Say whether jobs will take GPUs, without loading CUDA: ``cuda``, or ``auto`` where an NVIDIA GPU is present."""
    return device == "cuda" or (device == "auto" and Path("/proc/driver/nvidia/version").exists())


def visible_gpus() -> list[str]:
    """Return a name for each GPU this process may use, in torch's order: its entry in CUDA_VISIBLE_DEVICES, or index."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [entry.strip() for entry in listed.split(",") if entry.strip()]
    return [str(index) for index in range(torch.cuda.device_count())]


@contextmanager
def device_slot(device: str, poll: float = 0.2, prefer: int = 0) -> Iterator[str]:
    """Yield ``cpu``, or ``cuda:i`` of a GPU that no other Advatlas job of this user holds.

    The lock is the operating system's: it goes when the job ends, however it ends.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``, as in config.yaml.
        poll: seconds between two looks for a free one.
        prefer: which to look at first, counted round the devices there are.

    Raises:
        AdvatlasError: ``cuda`` is asked for and there is none.
    """
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        yield "cpu"
        return
    names = visible_gpus()
    if not torch.cuda.is_available() or not names:
        raise AdvatlasError(
            "config.yaml: device: cuda is asked for, but torch finds no GPU (see nvidia-smi and CUDA_VISIBLE_DEVICES); "
            "set device to auto or cpu"
        )
    locks = [FileLock(lock_folder() / f"gpu-{name.replace('/', '_')}.lock") for name in names]
    while True:
        for index in ((prefer + turn) % len(locks) for turn in range(len(locks))):
            lock = locks[index]
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield f"cuda:{index}"
            finally:
                lock.release()
            return
        time.sleep(poll)


def make_deterministic(cpu_threads: int) -> None:
    """Fix what results depend on besides their seeds: the number of CPU threads and the choice of GPU kernels."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(cpu_threads)
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Nothing here reads memory it has not written; filling it first costs a fifth of the time of large networks.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
