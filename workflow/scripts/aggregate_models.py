"""Rule aggregate_models."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.stages.aggregate import models_table, training_table

with job("aggregate models", snakemake.log[0]):
    models_table(paths(snakemake.input.cards), Path(snakemake.output.models))
    histories = dict(zip(snakemake.params.models, paths(snakemake.input.histories), strict=True))
    training_table(histories, Path(snakemake.output.training))
