"""Rule time_predictions."""

from pathlib import Path

from advatlas.devices import device_slot, make_deterministic
from advatlas.job import job
from advatlas.stages.time_predictions import time_predictions

with job(f"time {snakemake.wildcards.model}", snakemake.log[0]):
    make_deterministic(snakemake.config["cpu_threads"])
    with device_slot(snakemake.config["device"]) as device:
        time_predictions(
            Path(snakemake.input.images),
            Path(snakemake.input.weights),
            Path(snakemake.input.card),
            Path(snakemake.output[0]),
            device,
        )
