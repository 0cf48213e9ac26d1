"""Rule export_table."""

from advatlas.job import job
from advatlas.storage.artifacts import read_frame
from advatlas.storage.atomic import atomic_path

with job(f"export {snakemake.wildcards.table}", snakemake.log[0]), atomic_path(snakemake.output[0]) as temporary:
    read_frame(snakemake.input[0]).to_csv(temporary, index=False)
