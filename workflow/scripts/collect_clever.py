"""Rule collect_clever."""

from pathlib import Path

from advatlas.devices import device_slot, make_deterministic
from advatlas.job import job
from advatlas.stages.clever import collect_part

with job(f"CLEVER of {snakemake.wildcards.model}, part {snakemake.wildcards.part}", snakemake.log[0]) as this:
    make_deterministic(snakemake.config["cpu_threads"])
    with device_slot(snakemake.config["device"]) as device:
        collect_part(
            snakemake.params.options,
            int(snakemake.wildcards.part),
            Path(snakemake.input.images),
            Path(snakemake.input.selection),
            Path(snakemake.input.predictions),
            Path(snakemake.input.weights),
            Path(snakemake.input.card),
            Path(snakemake.output[0]),
            device,
            snakemake.config["batch_size"],
            this.progress(0, "block"),
        )
