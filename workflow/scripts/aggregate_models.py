"""Rule aggregate_models."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.stages.aggregate import models_table, predictions_table

with job("aggregate models", snakemake.log[0]):
    predictions = paths(snakemake.input.predictions)
    models_table(paths(snakemake.input.cards), predictions, Path(snakemake.output.models))
    predictions_table(predictions, Path(snakemake.output.predictions))
