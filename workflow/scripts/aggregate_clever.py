"""Rule aggregate_clever."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.stages.aggregate_clever import clever_table

with job("aggregate CLEVER", snakemake.log[0]):
    clever_table(paths(snakemake.input), Path(snakemake.output[0]))
