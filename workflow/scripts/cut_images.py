"""Rule cut_images."""

from pathlib import Path

from advatlas.job import job
from advatlas.stages.select import cut_images

with job(f"cut {snakemake.wildcards.view}", snakemake.log[0]):
    cut_images(Path(snakemake.input.candidates), Path(snakemake.input.selection), Path(snakemake.output[0]))
