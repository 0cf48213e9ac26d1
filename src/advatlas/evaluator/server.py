"""The evaluator: answers pair requests over a unix socket until it is idle or the run that started it is gone."""

from __future__ import annotations

import argparse
import os
import socket
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from advatlas.devices import device_slot, make_deterministic
from advatlas.errors import AdvatlasError
from advatlas.stages.evaluate import Warehouse, evaluate_transfer, pair_request

_DONE = "ok"


def serve(path: Path, owner: int, idle_seconds: float, device: str, slot: int = 0) -> None:
    """Answer one request after another.

    A request is a line, the fields of a ``PairRequest`` and ``part`` as ``name=value`` with zero bytes between them; the
    answer is a line, ``ok`` and the seconds it took, or what went wrong up to the end of the connection. The pair is
    written to ``part``; the client renames it, so that a client which was killed leaves no result behind its scheduler's
    back.

    Args:
        path: of the socket.
        owner: process number of the run; the evaluator leaves when that process is gone.
        slot: which of the run's evaluators this is; the device it takes if that is free, so that its models stay there.
    """
    try:
        owner_process = psutil.Process(owner)
    except psutil.NoSuchProcess:
        return
    warehouse = Warehouse()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        temporary = path.with_suffix(f".{os.getpid()}")
        listener.bind(str(temporary))
        listener.listen(8)
        listener.settimeout(1.0)
        os.replace(temporary, path)  # from here on clients can reach it
        identity = path.stat().st_ino
        try:
            last = time.monotonic()
            while time.monotonic() - last < idle_seconds and owner_process.is_running():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    _answer(connection, warehouse, device, slot)
                last = time.monotonic()
        finally:
            with suppress(OSError):
                if path.stat().st_ino == identity:
                    path.unlink()


def _answer(connection: socket.socket, warehouse: Warehouse, device: str, slot: int) -> None:
    connection.settimeout(10)
    part = None
    try:
        line = os.fsdecode(connection.makefile("rb").readline().removesuffix(b"\n"))
        if not line:
            return
        answer = _DONE
        started = time.perf_counter()
        try:
            fields = dict(field.split("=", 1) for field in line.split("\0"))
            part = Path(fields["part"])
            request = pair_request(fields)
            with device_slot(device, prefer=slot) as name:
                evaluate_transfer(replace(request, device=name), warehouse, output=part)
        except AdvatlasError as mistake:
            answer = f"advatlas: {mistake}"
        except Exception:  # whatever it is: the job that asked must hear of it, and the evaluator must go on
            answer = traceback.format_exc()
        seconds = f" {time.perf_counter() - started:.4f}" if answer == _DONE else ""
        connection.sendall(f"{answer}{seconds}\n".encode())
        if answer == _DONE and connection.recv(1) == b"k":
            part = None  # taken over by the client
    except OSError:
        pass  # the client is gone
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def main() -> None:
    """Run an evaluator; see :mod:`advatlas.evaluator.client`, which starts it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--owner", type=int, required=True)
    parser.add_argument("--slot", type=int, default=0)
    parser.add_argument("--idle", type=float, default=60.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    make_deterministic(arguments.threads)
    serve(arguments.socket, arguments.owner, arguments.idle, arguments.device, arguments.slot)


if __name__ == "__main__":
    main()
