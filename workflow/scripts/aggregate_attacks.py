"""Rule aggregate_attacks."""

from pathlib import Path

from advatlas.job import job, paths
from advatlas.stages.aggregate import adversarials_table, examples_table, strips_table, success_table, timing_table
from advatlas.stages.gallery import gallery_table

with job("aggregate attacks", snakemake.log[0]):
    adversarials = paths(snakemake.input.adversarials)
    histories = dict(zip(snakemake.params.models, paths(snakemake.input.histories), strict=True))
    success_table(adversarials, snakemake.params.seed, Path(snakemake.output.success))
    adversarials_table(adversarials, Path(snakemake.output.adversarials))
    timing_table(histories, adversarials, Path(snakemake.output.timing))
    images = {path.stem: path for path in paths(snakemake.input.images)}
    views = {model: images[view] for model, view in snakemake.params.views.items()}
    examples_table(adversarials, views, snakemake.params.class_names, Path(snakemake.output.examples))
    strips_table(adversarials, views, snakemake.params.class_names, Path(snakemake.output.strips))
    gallery_table(adversarials, views, snakemake.params.class_names, Path(snakemake.output.gallery))
