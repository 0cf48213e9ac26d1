# aggregate: the tables.
rule aggregate_models:
    input:
        cards=CARDS,
        predictions=[RESULTS / "predictions" / f"{name}.parquet" for name in MODELS],
    output:
        models=RESULTS / "tables" / "models.parquet",
        predictions=RESULTS / "tables" / "predictions.parquet",
    log:
        RESULTS / "logs" / "tables" / "models.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        code=code("stages.aggregate"),
    message:
        "tables of the models and their predictions"
    script:
        "../scripts/aggregate_models.py"


rule aggregate_training:
    input:
        HISTORIES,
    output:
        RESULTS / "tables" / "training.parquet",
    log:
        RESULTS / "logs" / "tables" / "training.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        models=WITH_HISTORY,
        code=code("stages.aggregate"),
    message:
        "table of the models' training"
    script:
        "../scripts/aggregate_training.py"


rule aggregate_attacks:
    input:
        adversarials=ADVERSARIALS,
        histories=HISTORIES,
        images=[RESULTS / "images" / f"{view}.parquet" for view in VIEWS],
    output:
        success=RESULTS / "tables" / "success.parquet",
        adversarials=RESULTS / "tables" / "adversarials.parquet",
        timing=RESULTS / "tables" / "timing.parquet",
        examples=RESULTS / "tables" / "examples.parquet",
        strips=RESULTS / "tables" / "strips.parquet",
        gallery=RESULTS / "tables" / "gallery.parquet",
    log:
        RESULTS / "logs" / "tables" / "attacks.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        models=WITH_HISTORY,
        seed=STUDY.seed,
        views={name: STUDY.view(name) for name in MODELS},
        class_names=DATASET.class_names,
        code=code("stages.aggregate"),
    message:
        "tables of the attacks' success, times and examples"
    script:
        "../scripts/aggregate_attacks.py"


rule aggregate_transfer:
    input:
        pairs=PAIRS,
        selection=RESULTS / "selection.parquet",
    output:
        transfer=RESULTS / "tables" / "transfer.parquet",
        outcomes=RESULTS / "tables" / "outcomes.parquet",
        answers=RESULTS / "tables" / "answers.parquet",
    log:
        RESULTS / "logs" / "tables" / "transfer.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        top_k=STUDY.top_k,
        fits=STUDY.fits,
        eight_bit=STUDY.eight_bit,
        class_names=DATASET.class_names,
        files=len(ADVERSARIALS),
        code=code("stages.aggregate"),
    message:
        "table of the transfer rates"
    script:
        "../scripts/aggregate_transfer.py"


rule analyse:
    input:
        lambda wildcards: [
            table_file(name) for name in analysis_tables(wildcards.analysis)
        ],
    output:
        RESULTS / "tables" / "{analysis}.parquet",
    log:
        RESULTS / "logs" / "tables" / "{analysis}.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        tables=lambda wildcards: analysis_tables(wildcards.analysis),
        options=STUDY.analysis_options(),
        code=lambda wildcards: fingerprint(ANALYSES[wildcards.analysis].module),
    message:
        "analyse {wildcards.analysis}"
    script:
        "../scripts/analyse.py"


rule aggregate_cost:
    input:
        cards=CARDS,
        pairs=PAIRS,
        clever=CLEVER_PARTS,
    output:
        RESULTS / "tables" / "cost.parquet",
    log:
        RESULTS / "logs" / "tables" / "cost.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        base=BASE,
        results=RESULTS,
        found=lambda wildcards: pictures_found(),
        code=code("stages.aggregate_cost"),
    message:
        "table of what the study cost"
    script:
        "../scripts/aggregate_cost.py"
