"""Rule plot."""

from advatlas.figures import FIGURES
from advatlas.figures.figure import save
from advatlas.job import job, paths
from advatlas.storage.artifacts import read_frame

with job(f"draw {snakemake.wildcards.figure}", snakemake.log[0]):
    figure = FIGURES[snakemake.params.name]
    tables = {name: read_frame(path) for name, path in zip(figure.tables, snakemake.input, strict=True)}
    save(figure.draw(tables, snakemake.params.attack), paths(snakemake.output))
