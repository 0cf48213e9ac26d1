"""Rule aggregate_models."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.stages.aggregate import models_table

with job("aggregate models", snakemake.log[0]):
    models_table(paths(snakemake.input.cards), paths(snakemake.input.predictions), Path(snakemake.output[0]))
