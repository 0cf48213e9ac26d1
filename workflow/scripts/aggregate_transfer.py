"""Rule aggregate_transfer."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.stages.aggregate import transfer_table

with job("aggregate transfer", snakemake.log[0]) as this:
    pairs = paths(snakemake.input.pairs)
    transfer_table(pairs, Path(snakemake.output[0]), this.progress(len(pairs), "pair"))
