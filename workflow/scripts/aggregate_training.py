"""Rule aggregate_training."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.stages.aggregate import training_table

with job("aggregate training", snakemake.log[0]):
    histories = dict(zip(snakemake.params.models, paths(snakemake.input), strict=True))
    training_table(histories, Path(snakemake.output[0]))
