"""Rule aggregate_cost."""

from pathlib import Path

from advatlas.devices import uses_gpu
from advatlas.job import job, paths
from advatlas.reading.study import open_study
from advatlas.stages.aggregate_cost import cost_table

with job("aggregate cost", snakemake.log[0]):
    _, study = open_study(dict(snakemake.config), Path(snakemake.params.base))
    cost_table(
        study,
        snakemake.params.found,
        "gpu" if uses_gpu(snakemake.config["device"]) else "cpu",
        Path(snakemake.params.results),
        paths(snakemake.input.cards),
        paths(snakemake.input.pairs),
        Path(snakemake.output[0]),
    )
