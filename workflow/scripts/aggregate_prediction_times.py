"""Rule aggregate_prediction_times."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.stages.aggregate import prediction_times_table

with job("aggregate prediction times", snakemake.log[0]):
    prediction_times_table(paths(snakemake.input), Path(snakemake.output[0]))
