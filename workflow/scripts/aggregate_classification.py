"""Rule aggregate_classification."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.stages.aggregate_classification import classification_table

with job("aggregate classification", snakemake.log[0]):
    classification_table(
        paths(snakemake.input.pairs),
        paths(snakemake.input.predictions),
        Path(snakemake.input.selection),
        snakemake.params.fit,
        snakemake.params.num_classes,
        snakemake.params.seed,
        Path(snakemake.output[0]),
    )
