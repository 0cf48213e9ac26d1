"""Rule keep_successful."""

from pathlib import Path

from advatlas.job import job
from advatlas.stages.generate import keep_successful

with job("keep the successful examples", snakemake.log[0]):
    keep_successful(Path(snakemake.input[0]), Path(snakemake.output[0]))
