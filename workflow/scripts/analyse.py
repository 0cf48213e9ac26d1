"""Rule analyse."""

from pathlib import Path

from advatlas.analyses import ANALYSES
from advatlas.job import job
from advatlas.storage.artifacts import read_frame, read_published, write_frame

with job(f"analyse {snakemake.wildcards.analysis}", snakemake.log[0]):
    tables = {
        name: (read_published if name == "published" else read_frame)(path)
        for name, path in zip(snakemake.params.tables, snakemake.input, strict=True)
    }
    analysis = ANALYSES[snakemake.wildcards.analysis]
    write_frame(Path(snakemake.output[0]), analysis.table(tables, dict(snakemake.params.options)))
