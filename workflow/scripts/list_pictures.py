"""Rule list_pictures."""

from pathlib import Path

from advatlas.job import job
from advatlas.stages.pictures import list_pictures

with job("list pictures", snakemake.log[0]):
    list_pictures(snakemake.params.options, Path(snakemake.config["data_dir"]), Path(snakemake.output[0]))
