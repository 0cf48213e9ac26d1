"""Rule wrap_model."""

from pathlib import Path

from advatlas.job import job
from advatlas.stages.train import wrap

with job(f"wrap: {snakemake.params.recipe['name']}", snakemake.log[0]):
    wrap(
        snakemake.params.recipe,
        Path(snakemake.input.weights),
        Path(snakemake.input.card),
        Path(snakemake.output.weights),
        Path(snakemake.output.card),
    )
