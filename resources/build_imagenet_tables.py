"""Rebuilds the tables of ImageNet's classes from WordNet 3.0, of which each class is a synset.

Run as ``python resources/build_imagenet_tables.py /usr/share/wordnet`` (Debian's package wordnet-base). The identifiers of
the 1,000 classes come from timm; ``n02084071`` is the noun at byte 2084071 of WordNet's ``data.noun``.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from advatlas import torchvision_compat  # noqa: F401 (must come before timm)

from timm.data import ImageNetInfo  # isort: skip

RESOURCES = Path(__file__).resolve().parents[1] / "src" / "advatlas" / "resources"
# A synset's pointers to what it is a kind of, and of what it is an instance.
HYPERNYM = ("@", "@i")


def hypernyms(data: bytes, offset: int) -> list[int]:
    """Return the offsets of a noun synset's hypernyms (see WordNet's manual page wndb(5))."""
    fields = data[offset : data.index(b"\n", offset)].decode().split(" | ")[0].split()
    if int(fields[0]) != offset:
        raise SystemExit(f"no synset at byte {offset}: not WordNet 3.0's data.noun")
    words = int(fields[3], 16)
    pointers = fields[4 + 2 * words :]
    return [int(pointers[2 + 4 * k]) for k in range(int(pointers[0])) if pointers[1 + 4 * k] in HYPERNYM]


def main() -> None:
    """Write ``imagenet_classes.csv`` and ``imagenet_hypernyms.csv``."""
    data = (Path(sys.argv[1]) / "data.noun").read_bytes()
    info = ImageNetInfo("imagenet-1k")
    classes = [(info.index_to_label_name(k), info.index_to_description(k).split(",")[0]) for k in range(1000)]
    edges: dict[int, list[int]] = {}
    waiting = [int(wnid[1:]) for wnid, _ in classes]
    while waiting:
        synset = waiting.pop()
        if synset not in edges:
            edges[synset] = hypernyms(data, synset)
            waiting += edges[synset]
    for name, header, rows in (
        ("imagenet_classes.csv", ("wnid", "name"), classes),
        ("imagenet_hypernyms.csv", ("wnid", "hypernym"),
         [(f"n{a:08d}", f"n{b:08d}") for a in sorted(edges) for b in sorted(edges[a])]),
    ):  # fmt: skip
        with open(RESOURCES / name, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
        print(f"{RESOURCES / name}: {len(rows)} rows")


if __name__ == "__main__":
    main()
