# prepare-data: the dataset, loaded once and cut into its splits.
rule prepare_data:
    output:
        IMAGES,
    log:
        ROOT / "data" / STUDY.dataset.identifier / "prepare.log",
    params:
        options=STUDY.dataset.options(),
        code=code("stages.prepare", f"data.{DATASET.name}"),
    message:
        f"prepare the images of {DATASET.name}"
    script:
        "../scripts/prepare_data.py"
