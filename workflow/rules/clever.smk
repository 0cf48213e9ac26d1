# score-clever: block maxima, a job for each model and part of its images; then the scores of all of them.
PARTS = range(STUDY.clever.parts if STUDY.clever else 0)


rule collect_clever:
    input:
        images=lambda wildcards: selected(wildcards.model),
        selection=RESULTS / "selection.parquet",
        predictions=RESULTS / "predictions" / "{model}.parquet",
        weights=lambda wildcards: model_file(wildcards.model, "weights.safetensors"),
        card=lambda wildcards: model_file(wildcards.model, "card.json"),
    output:
        RESULTS / "clever" / "{model}" / "{part}.parquet",
    log:
        RESULTS / "logs" / "clever" / "{model}" / "{part}.log",
    wildcard_constraints:
        part="[0-9]+",
    resources:
        gpu=GPU,
    params:
        options=STUDY.clever.options() if STUDY.clever else None,
        code=lambda wildcards: model_code("stages.clever", wildcards.model),
    message:
        "CLEVER of {wildcards.model}, part {wildcards.part}"
    script:
        "../scripts/collect_clever.py"


rule aggregate_clever:
    input:
        [
            RESULTS / "clever" / name / f"{part}.parquet"
            for name in MODELS
            for part in PARTS
        ],
    output:
        RESULTS / "tables" / "clever.parquet",
    log:
        RESULTS / "logs" / "tables" / "clever.log",
    params:
        code=code("stages.aggregate_clever"),
    message:
        "table of the CLEVER scores"
    script:
        "../scripts/aggregate_clever.py"
