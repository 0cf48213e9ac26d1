"""Shards: the finished parts of an artifact that takes long, so that a job that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from advatlas.errors import AdvatlasError
from advatlas.storage.artifacts import Artifact, read_artifact, write_artifact


def file_state(path: Path | str) -> tuple[int, int]:
    """Return time of change and size of a file, by which one that was made anew is known."""
    stat = Path(path).stat()
    return stat.st_mtime_ns, stat.st_size


class Shards:
    """The parts of one artifact, in ``{output}.shards``, in order.

    Args:
        output: the artifact.
        identity: all that the parts follow from, as JSON; those of another identity are thrown away.

    Attributes:
        count: how many there are.
    """

    def __init__(self, output: Path, identity: Any) -> None:
        self.folder = output.with_name(f"{output.name}.shards")
        self.identity = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        self.count = 0

    def restored(self, kind: str) -> Iterator[Artifact]:
        """Yield the parts that are there and whole, up to the first that is not."""
        while self._file(self.count).exists():
            try:
                shard = read_artifact(self._file(self.count), kind)
            except AdvatlasError:
                return
            if shard.metadata["identity"] != self.identity:
                return
            self.count += 1
            yield shard

    def add(self, kind: str, columns: Mapping[str, Any], **metadata: Any) -> None:
        """Keep the next part.

        Raises:
            AdvatlasError: it cannot be written.
        """
        write_artifact(self._file(self.count), kind, columns, {"identity": self.identity, **metadata})
        self.count += 1

    def remove(self) -> None:
        """Remove all parts: the artifact is whole."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, index: int) -> Path:
        return self.folder / f"{index:05d}.parquet"
