# What studies of defenses measure besides: accuracy and F1 of every model under every attack, and prediction times.
rule aggregate_classification:
    input:
        pairs=PAIRS,
        predictions=[RESULTS / "predictions" / f"{name}.parquet" for name in MODELS],
        selection=RESULTS / "selection.parquet",
    output:
        RESULTS / "tables" / "classification.parquet",
    log:
        RESULTS / "logs" / "tables" / "classification.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        fit=STUDY.fits[0],
        num_classes=DATASET.num_classes,
        seed=STUDY.seed,
        code=code("stages.aggregate_classification"),
    message:
        "table of accuracy and F1 under attack"
    script:
        "../scripts/aggregate_classification.py"


rule time_predictions:
    input:
        images=lambda wildcards: selected(wildcards.model),
        weights=lambda wildcards: model_file(wildcards.model, "weights.safetensors"),
        card=lambda wildcards: model_file(wildcards.model, "card.json"),
    output:
        RESULTS / "times" / "{model}.parquet",
    log:
        RESULTS / "logs" / "times" / "{model}.log",
    resources:
        gpu=GPU,
    params:
        code=lambda wildcards: model_code("stages.time_predictions", wildcards.model),
    message:
        "time the predictions of {wildcards.model}"
    script:
        "../scripts/time_predictions.py"


rule aggregate_prediction_times:
    input:
        [RESULTS / "times" / f"{name}.parquet" for name in MODELS],
    output:
        RESULTS / "tables" / "prediction_times.parquet",
    log:
        RESULTS / "logs" / "tables" / "prediction_times.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        code=code("stages.aggregate"),
    message:
        "table of prediction times"
    script:
        "../scripts/aggregate_prediction_times.py"
