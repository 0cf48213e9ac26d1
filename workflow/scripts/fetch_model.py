"""Rule fetch_model."""

from pathlib import Path

from advatlas.data.views import View
from advatlas.job import job, weights_dir
from advatlas.models.pretrained import PretrainedRecipe
from advatlas.stages.fetch import fetch_model

described = dict(snakemake.params.recipe)
recipe = PretrainedRecipe(**{**described, "view": View(**described["view"])})
with job(f"get {recipe.name}", snakemake.log[0]):
    fetch_model(recipe, weights_dir(snakemake.config), Path(snakemake.output.weights), Path(snakemake.output.card))
