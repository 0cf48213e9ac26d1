"""Rule generate_adversarials."""

from pathlib import Path

from advatlas.devices import device_slot, make_deterministic
from advatlas.job import job
from advatlas.stages.generate import generate_adversarials

with job(f"{snakemake.wildcards.setting} on {snakemake.wildcards.source}", snakemake.log[0]) as this:
    make_deterministic(snakemake.config["cpu_threads"])
    with device_slot(snakemake.config["device"]) as device:
        generate_adversarials(
            snakemake.params.setting,
            Path(snakemake.input.images),
            Path(snakemake.input.selection),
            Path(snakemake.input.predictions),
            Path(snakemake.input.weights),
            Path(snakemake.input.card),
            Path(snakemake.output[0]),
            device,
            snakemake.config["batch_size"],
            this.progress(0, "image"),
            snakemake.params.code,
        )
