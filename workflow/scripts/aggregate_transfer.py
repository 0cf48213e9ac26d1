"""Rule aggregate_transfer."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.stages.aggregate import transfer_table

with job("aggregate transfer", snakemake.log[0]) as this:
    pairs = paths(snakemake.input.pairs)
    top_k, fits = snakemake.params.top_k, snakemake.params.fits
    progress = this.progress(len(pairs), "pair")
    transfer_table(
        pairs,
        top_k,
        fits,
        Path(snakemake.input.selection),
        snakemake.params.class_names,
        Path(snakemake.output.transfer),
        Path(snakemake.output.outcomes),
        Path(snakemake.output.answers),
        progress,
        files=snakemake.params.files,
        eight_bit=snakemake.params.eight_bit,
    )
