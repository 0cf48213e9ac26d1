# score-clever: block maxima, a job for each model and part of its images; then the scores of all of them.


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
    benchmark:
        RESULTS / "benchmarks" / "clever" / "{model}" / "{part}.tsv"
    wildcard_constraints:
        part="[0-9]+",
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=lambda wildcards: runtime(lambda costs: costs.clever(wildcards.model)),
    params:
        options=STUDY.clever.options() if STUDY.clever else None,
        code=lambda wildcards: model_code("stages.clever", wildcards.model),
    message:
        "CLEVER of {wildcards.model}, part {wildcards.part}"
    script:
        "../scripts/collect_clever.py"


rule aggregate_clever:
    input:
        CLEVER_PARTS,
    output:
        RESULTS / "tables" / "clever.parquet",
    log:
        RESULTS / "logs" / "tables" / "clever.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        code=code("stages.aggregate_clever"),
    message:
        "table of the CLEVER scores"
    script:
        "../scripts/aggregate_clever.py"
