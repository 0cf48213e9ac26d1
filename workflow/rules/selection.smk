# select-images: which images the study attacks.
rule select_images:
    input:
        images=IMAGES,
        predictions=[RESULTS / "predictions" / f"{name}.parquet" for name in MODELS],
    output:
        selection=RESULTS / "selection.parquet",
        images=RESULTS / "images.parquet",
    log:
        RESULTS / "logs" / "select_images.log",
    params:
        options=STUDY.selection_options(),
        num_classes=DATASET.num_classes,
        code=code("stages.select"),
    message:
        "select the images to attack"
    script:
        "../scripts/select_images.py"
