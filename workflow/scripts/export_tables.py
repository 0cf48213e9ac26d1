"""Rule export_tables."""

from advatlas.job import job
from advatlas.storage.artifacts import read_frame
from advatlas.storage.atomic import atomic_path

with job("export tables", snakemake.log[0]):
    for table, output in zip(snakemake.input, snakemake.output, strict=True):
        with atomic_path(output) as temporary:
            read_frame(table).to_csv(temporary, index=False)
