"""Rule select_images."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.stages.select import select_images

with job("select images", snakemake.log[0]):
    select_images(
        paths(snakemake.input.predictions),
        snakemake.params.options,
        snakemake.params.num_classes,
        Path(snakemake.output[0]),
    )
