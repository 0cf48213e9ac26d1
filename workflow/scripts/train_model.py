"""Rule train_model."""

from pathlib import Path

from advatlas.devices import device_slot, make_deterministic
from advatlas.job import job, weights_dir
from advatlas.stages.train import train

recipe = snakemake.params.recipe
with job(f"train {recipe['name']}", snakemake.log[0]) as this:
    make_deterministic(snakemake.config["cpu_threads"])
    with device_slot(snakemake.config["device"]) as device:
        train(
            recipe,
            Path(snakemake.input.images),
            Path(snakemake.output.weights),
            Path(snakemake.output.card),
            Path(snakemake.output.history),
            device,
            this.progress(recipe["training"]["epochs"], "epoch"),
            weights_dir(snakemake.config),
        )
