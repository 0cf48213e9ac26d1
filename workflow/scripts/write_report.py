"""Rule write_report."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.report.about import about
from advatlas.report.page import write_page
from advatlas.storage.artifacts import read_frame

with job("write the report", snakemake.log[0]):
    params = snakemake.params
    tables = {name: read_frame(path) for name, path in zip(params.tables, snakemake.input.tables, strict=True)}
    figures = list(zip(params.captions, paths(snakemake.input.figures), strict=True))
    told = about(
        params.name,
        params.paper,
        Path(snakemake.input.study),
        snakemake.config,
        tables,
        figures,
        Path(params.base),
        params.evaluating,
    )
    write_page(tables, told, Path(snakemake.output[0]))
