"""Have one pair evaluated by a warm evaluator; a script that ``evaluate-transfer`` runs once for each of thousands of pairs.

    python -S -E client.py adversarials=FILE images=FILE ... output=FILE

Standard library only, nothing of the package, and no more modules than needed: it starts in 12 ms where importing torch
takes over a second. It takes a free slot (one evaluator each, by lock), starts the slot's evaluator if there is none,
restarts it once if it dies, and moves the result into place. Where no socket can be had it runs the same evaluation in a
process of its own. The environment variables it reads are set in ``workflow/rules/common.smk``.
"""

# The C module: the one around it imports selectors and enum, which take as long as all the rest.
import _socket
import fcntl
import os
import sys
import time

START_TIMEOUT = 180.0


class EvaluatorDied(Exception):
    """The connection broke before an answer came."""


def take_slot(prefix, slots):
    """Return the number of a free slot and the open file whose lock holds it."""
    while True:
        for slot in range(slots):
            lock = os.open(f"{prefix}-{slot}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return slot, lock
            except OSError:
                os.close(lock)
        time.sleep(0.01)


def connect(path):
    """Return a connection to the evaluator that listens there, or None."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    return connection


def start(slot, path, log_path, fields):
    """Start the evaluator of a slot and wait until it answers."""
    import subprocess

    command = [sys.executable, "-m", "advatlas.evaluator.server", "--socket", path, "--slot", str(slot)]
    command += ["--owner", os.environ["ADVATLAS_RUN_PID"]]
    command += ["--device", fields["device"], "--threads", fields["threads"]]
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
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


def ask(connection, fields, part):
    """Send the request; when the evaluator has written the pair, move it into place. Return what went wrong, or None."""
    message = "\0".join(f"{name}={value}" for name, value in {**fields, "part": part}.items())
    answer = b""
    try:
        connection.sendall(os.fsencode(message) + b"\n")
        while not (answer.startswith(b"ok ") and answer.endswith(b"\n")):
            received = connection.recv(65536)
            if not received:
                break
            answer += received
    except OSError as error:
        raise EvaluatorDied(str(error)) from None
    if not answer:
        raise EvaluatorDied("the connection closed")
    if not answer.startswith(b"ok "):
        return answer.decode()
    try:
        os.replace(part, fields["output"])
    except FileNotFoundError:
        # An evaluator that still served a killed client of this pair has tidied up after it.
        raise EvaluatorDied("the finished part is gone") from None
    connection.sendall(b"k")
    print(f"evaluated in {answer[3:].decode().strip()} s", file=sys.stderr)
    return None


def cold(arguments):
    """Evaluate in a new process of the full library."""
    import subprocess

    return subprocess.run([sys.executable, "-m", "advatlas.stages.evaluate", *arguments], check=False).returncode


def warm(fields):
    """Evaluate by the evaluator of a free slot; return the exit code."""
    prefix = os.environ["ADVATLAS_SOCKETS"]
    slot, _lock = take_slot(prefix, int(os.environ["ADVATLAS_SLOTS"]))
    path, log_path = f"{prefix}-{slot}.sock", os.path.join(os.environ["ADVATLAS_LOGS"], f"{slot}.log")
    error = None
    for attempt in (1, 2):
        try:
            connection = connect(path) or start(slot, path, log_path, fields)
            error = ask(connection, fields, f"{fields['output']}.part")
            break
        except EvaluatorDied as death:
            print(f"evaluator: {death}; attempt {attempt} of 2", file=sys.stderr)
            error = f"advatlas: the evaluator died twice on this pair; its log: {log_path}"
    if error is not None:
        print(error, file=sys.stderr)
        return 1
    return 0


def main():
    arguments = sys.argv[1:]
    fields = dict(argument.split("=", 1) for argument in arguments)
    os.makedirs(os.path.dirname(fields["output"]) or ".", exist_ok=True)
    if os.environ.get("ADVATLAS_EVALUATOR") == "cold" or not hasattr(_socket, "AF_UNIX"):
        return cold(arguments)
    try:
        return warm(fields)
    except OSError as error:
        print(f"no evaluator can be had here ({error}); evaluating in a process of its own", file=sys.stderr)
        return cold(arguments)


if __name__ == "__main__":
    sys.exit(main())
