"""Evaluate one pair by a warm evaluator; run as a script by ``evaluate-transfer``, once for each of thousands of pairs.

Standard library only, and nothing of the package: it starts in 20 ms where importing torch takes over a second. It takes a
free slot (one evaluator each, by lock), starts the slot's evaluator if there is none, restarts it once if it dies, and
moves the result into place. Where no socket can be had it runs the same evaluation in a process of its own.
"""

import argparse
import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

START_TIMEOUT = 180.0


class EvaluatorDied(Exception):
    """The connection broke before an answer came."""


def runtime_folder():
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = os.path.join(base, f"advatlas-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


def take_slot(prefix, slots):
    """Return the number of a free slot and the open file whose lock holds it."""
    while True:
        for slot in range(slots):
            lock = open(f"{prefix}-{slot}.lock", "w")  # noqa: SIM115 (held until the process ends)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return slot, lock
            except OSError:
                lock.close()
        time.sleep(0.01)


def connect(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    return connection


def start(path, log_path, arguments):
    """Start the evaluator of a slot and wait until it answers."""
    command = [
        sys.executable,
        "-m",
        "advatlas.evaluator.server",
        "--socket",
        path,
        "--device",
        arguments.device,
    ]
    owner = os.environ.get("ADVATLAS_RUN_PID") or str(os.getppid())
    command += ["--owner", owner, "--threads", str(arguments.threads)]
    with open(log_path, "w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        connection = connect(path)
        if connection is not None:
            return connection
        if process.poll() is not None:
            break
        time.sleep(0.02)
    with open(log_path) as log:
        lines = log.read().strip().splitlines()
    raise EvaluatorDied(f"the evaluator did not start: {lines[-1] if lines else 'no output'} (log: {log_path})")


def ask(connection, request, output, part):
    """Send the request; when the evaluator has written the pair, move it into place."""
    with connection:
        try:
            connection.sendall((json.dumps({**request, "part": part}) + "\n").encode())
            line = connection.makefile("r", encoding="utf-8").readline()
        except OSError as error:
            raise EvaluatorDied(str(error)) from None
        if not line:
            raise EvaluatorDied("the connection closed")
        error = json.loads(line)["error"]
        if error is not None:
            return error
        try:
            os.replace(part, output)
        except FileNotFoundError:
            # An evaluator that still served a killed client of this pair has tidied up after it.
            raise EvaluatorDied("the finished part is gone") from None
        connection.sendall(b"k")
    return None


def cold(request, arguments):
    """Evaluate in a new process of the full library."""
    command = [sys.executable, "-m", "advatlas.stages.evaluate", json.dumps(request), str(arguments.threads)]
    return subprocess.run(command, check=False).returncode


def warm(request, arguments):
    # Old code never answers: the fingerprint of the evaluator's code is part of the socket's name.
    code = os.environ.get("ADVATLAS_CODE", "")
    key = hashlib.sha256(f"{code}\0{os.getcwd()}\0{sys.executable}".encode()).hexdigest()[:16]
    prefix = os.path.join(runtime_folder(), key)
    slots = int(os.environ.get("ADVATLAS_SLOTS") or os.cpu_count() or 1)
    slot, lock = take_slot(prefix, slots)
    path, log_path = f"{prefix}-{slot}.sock", f"{prefix}-{slot}.log"
    part = f"{request['output']}.part"
    with lock:
        for attempt in (1, 2):
            try:
                connection = connect(path) or start(path, log_path, arguments)
                error = ask(connection, request, request["output"], part)
                break
            except EvaluatorDied as death:
                print(f"evaluator: {death}; attempt {attempt} of 2", file=sys.stderr)
                if attempt == 2:
                    error = f"advatlas: the evaluator died twice on this pair; its log: {log_path}"
    if error is not None:
        print(error, file=sys.stderr)
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("adversarials", "images", "weights", "card", "predictions", "output", "device"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("top-k", "batch-size", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--fits", nargs="+", required=True)
    parser.add_argument("--eight-bit", action="store_true")
    arguments = parser.parse_args()
    fields = (
        "adversarials",
        "images",
        "weights",
        "card",
        "predictions",
        "output",
        "top_k",
        "fits",
        "eight_bit",
        "batch_size",
        "device",
    )
    request = {name: getattr(arguments, name) for name in fields}
    os.makedirs(os.path.dirname(arguments.output) or ".", exist_ok=True)
    if os.environ.get("ADVATLAS_EVALUATOR") == "cold" or not hasattr(socket, "AF_UNIX"):
        return cold(request, arguments)
    try:
        return warm(request, arguments)
    except OSError as error:
        print(f"no evaluator can be had here ({error}); evaluating in a process of its own", file=sys.stderr)
        return cold(request, arguments)


if __name__ == "__main__":
    sys.exit(main())
