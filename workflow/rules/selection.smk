# select-images: which images the study attacks, and each view of them.
rule select_images:
    input:
        predictions=[RESULTS / "predictions" / f"{name}.parquet" for name in MODELS],
    output:
        RESULTS / "selection.parquet",
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


rule cut_images:
    input:
        candidates=lambda wildcards: candidates(wildcards.view),
        selection=RESULTS / "selection.parquet",
    output:
        RESULTS / "images" / "{view}.parquet",
    log:
        RESULTS / "logs" / "images" / "{view}.log",
    params:
        code=code("stages.select"),
    message:
        "cut the selected images out of {wildcards.view}"
    script:
        "../scripts/cut_images.py"
