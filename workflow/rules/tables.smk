# aggregate: the tables.
rule aggregate_models:
    input:
        cards=CARDS,
        histories=HISTORIES,
    output:
        models=RESULTS / "tables" / "models.parquet",
        training=RESULTS / "tables" / "training.parquet",
    log:
        RESULTS / "logs" / "tables" / "models.log",
    params:
        models=MODELS,
        code=code("stages.aggregate"),
    message:
        "table of the models and of their training"
    script:
        "../scripts/aggregate_models.py"


rule aggregate_attacks:
    input:
        adversarials=ADVERSARIALS,
        cards=CARDS,
        histories=HISTORIES,
        images=RESULTS / "images.parquet",
    output:
        success=RESULTS / "tables" / "success.parquet",
        timing=RESULTS / "tables" / "timing.parquet",
        examples=RESULTS / "tables" / "examples.parquet",
    log:
        RESULTS / "logs" / "tables" / "attacks.log",
    params:
        models=MODELS,
        seed=STUDY.seed,
        code=code("stages.aggregate"),
    message:
        "tables of the attacks' success, times and examples"
    script:
        "../scripts/aggregate_attacks.py"


rule aggregate_transfer:
    input:
        pairs=PAIRS,
    output:
        RESULTS / "tables" / "transfer.parquet",
    log:
        RESULTS / "logs" / "tables" / "transfer.log",
    params:
        code=code("stages.aggregate"),
    message:
        "table of the transfer rates"
    script:
        "../scripts/aggregate_transfer.py"
