"""Rule decode_view."""

from pathlib import Path

from advatlas.data.views import View
from advatlas.job import job
from advatlas.stages.pictures import decode_view

with job(f"decode {snakemake.wildcards.view}", snakemake.log[0]) as this:
    view = View(**snakemake.params.view)
    decode_view(Path(snakemake.input[0]), view, Path(snakemake.output[0]), this.progress(0, "picture"))
