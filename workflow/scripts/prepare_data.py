"""Rule prepare_data."""

from pathlib import Path

from advatlas.data.dataset import Source
from advatlas.job import job
from advatlas.stages.prepare import prepare_data

with job("prepare data", snakemake.log[0]):
    source = Source(Path(snakemake.config["data_dir"]), snakemake.config["download"])
    prepare_data(snakemake.params.options, source, Path(snakemake.output[0]))
